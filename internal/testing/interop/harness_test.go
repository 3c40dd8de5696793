package interop

import (
	"strings"
	"testing"
)

// TestHarness checks that the comparison finds no differences between equal daemons, and
// the actual ones between different daemons.
func TestHarness(t *testing.T) { besideEach(t, testHarness) }

func testHarness(t *testing.T, genuine program) {
	config := production()
	one, same := start(t, genuine, encode(t, config)), start(t, genuine, encode(t, config))
	member(config, "nodes")["uuid-node-3"].(object)["serial_no"] = 104
	member(config, "instances")["uuid-inst-3"].(object)["hvparams"] = object{"n": 1}
	other := start(t, genuine, encode(t, config))

	questions := append(about(config), ask1(10, `"/instances/uuid-inst-3"`))
	if found, _ := differences(t, one, same, questions); len(found) > 0 {
		t.Errorf("differences between equal daemons: %q", found)
	}
	found, _ := differences(t, one, other, questions)
	for _, want := range []string{"serial 104 instead of 103", `answer/hvparams: unexpected member "n"`} {
		if !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("not found: %s", want)
		}
	}
}

func TestDiffer(t *testing.T) {
	inner := func(answer string) reply {
		return reply{salt: "0", text: `{"protocol":1,"status":0,"answer":` + answer + `,"serial":7}`}
	}
	one, other := &daemon{root: "/one"}, &daemon{root: "/other"}
	for _, tt := range []struct {
		a, b reply
		want string
	}{
		{inner("1"), inner("1"), ""},
		{inner("1"), inner("1.0"), "answer: 1.0, want 1"},
		{inner("100.0"), inner("1.0e2"), ""},
		{inner("0.1"), inner("0.10000000000000000001"), "answer: 0.10000000000000000001, want 0.1"},
		{inner("1"), inner(`"1"`), `answer: "1", want 1`},
		{inner("null"), inner("0"), "answer: 0, want null"},
		{inner("[1,2]"), inner("[2,1]"), "answer/0: 2, want 1"},
		{inner("[1]"), inner("[1,2]"), "answer/1: unexpected [2], the list must end there"},
		{inner(`{"a":1,"b":[{"c":2}]}`), inner(`{"b":[{"c":2}],"a":1}`), ""},
		{inner(`{"a":1,"b":[{"c":2}]}`), inner(`{"b":[{"c":3}],"a":1}`), "answer/b/0/c: 3, want 2"},
		{inner(`{"a":1}`), inner(`{}`), `answer: missing member "a"`},
		{inner(`{}`), inner(`{"a":null}`), `answer: unexpected member "a"`},
		{inner(`"no /one/config.data"`), inner(`"no /other/config.data"`), ""},
		{inner(`""`), reply{silent: true}, "silence instead of an answer"},
		{reply{silent: true}, inner(`""`), "an answer instead of silence"},
		{reply{silent: true}, reply{silent: true}, ""},
		{inner("1"), reply{salt: "0", text: `{"protocol":1,"status":1,"answer":1,"serial":7}`}, "status 1 instead of 0"},
		{inner("1"), reply{salt: "0", text: `{"protocol":1,"status":0,"answer":1,"serial":8}`}, "serial 8 instead of 7"},
		{inner("1"), reply{salt: "1", text: inner("1").text}, `salt "1" instead of "0"`},
		{inner("1"), reply{salt: "0", text: `{"protocol":1,"status":0,"answer":1,"serial":7,"more":0}`}, `unreadable reply: json: unknown field "more"`},
		{reply{lossy: true, salt: "0", text: inner(`"` + "\u00ac" + `"`).text}, inner(`"€"`), ""},
	} {
		if got := differ(one, other, tt.a, tt.b); got != tt.want {
			t.Errorf("%v and %v: got %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestMalformed(t *testing.T) {
	for pointer, want := range map[string]bool{
		"/": false, "/a": false, "/a/": false, "/a/b~0~1": false, "/a/0": false, "/a/10": false, "/a/-": false, "/ 1/x": false,
		"//": true, "//a": true, "/a//b": true, "/a~": true, "/a~2/b": true, "/~": true, "/a/00": true, "/a/1x": true, "/a/0x1": true, "/a/18446744073709551616": true,
	} {
		if got := malformed(pointer); got != want {
			t.Errorf("%q: got %v, want %v", pointer, got, want)
		}
	}
}
