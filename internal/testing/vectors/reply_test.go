package vectors

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/internal/testing/jsonvalue"
)

func number(n int64) *int64 { return &n }

func TestParseReply(t *testing.T) {
	const msg = `{"protocol":1,"status":0,"answer":"x /d/config.data y","serial":7}`
	datagram := `plj0{"hmac":"6d20486ea448171c1c978d27e11f04b002cdb05f","msg":` + string(jsonvalue.Encode(msg)) + `,"salt":"rs"}`
	got, err := ParseReply([]byte(datagram), testKey, "/d/config.data")
	if err != nil {
		t.Fatal(err)
	}
	want := &Reply{Salt: "rs", Protocol: 1, Serial: number(7), Answer: json.RawMessage(`"x {CONFIG} y"`)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestParseReplyGarbled(t *testing.T) {
	sealed := func(msg, extra string) string {
		return `plj0{"salt":"rs","msg":` + string(jsonvalue.Encode(msg)) + `,"hmac":"` + sign(testKey, "rs", msg) + `"` + extra + `}`
	}
	const good = `{"protocol":1,"status":0,"answer":1,"serial":7}`
	if _, err := ParseReply([]byte(sealed(good, "")), testKey, "-"); err != nil {
		t.Fatalf("good reply: %v", err)
	}
	for name, datagram := range map[string]string{
		"empty":            "",
		"no magic":         sealed(good, "")[4:],
		"not JSON":         "plj0{",
		"not UTF-8":        "plj0{\"salt\":\"\xe9\"}",
		"unknown member":   sealed(good, `,"x":1`),
		"other signature":  sealed(good, `,"hmac":"00"`),
		"no status":        sealed(`{"protocol":1,"answer":1,"serial":7}`, ""),
		"member too many":  sealed(`{"protocol":1,"status":0,"answer":1,"serial":7,"x":1}`, ""),
		"status with part": sealed(`{"protocol":1,"status":0.5,"answer":1,"serial":7}`, ""),
		"status as text":   sealed(`{"protocol":1,"status":"0","answer":1,"serial":7}`, ""),
		"no object":        sealed(`[]`, ""),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseReply([]byte(datagram), testKey, "-"); !errors.Is(err, ErrGarbled) {
				t.Errorf("reply %+v, %v, want ErrGarbled", got, err)
			}
		})
	}
}

func TestCompareAnswers(t *testing.T) {
	for _, test := range []struct {
		want, got string
		same      bool
	}{
		{`1`, `1`, true},
		{`1`, `1.0`, true},
		{`100`, `1e2`, true},
		{`1599980000.0000002`, `1599980000.0000001`, false},
		{`123456789012345678901234567890`, `123456789012345678901234567891`, false},
		{`1`, `"1"`, false},
		{`1`, `true`, false},
		{`0`, `false`, false},
		{`0`, `null`, false},
		{`null`, `null`, true},
		{`[1,2]`, `[2,1]`, false},
		{`[1,2]`, `[1,2,3]`, false},
		{`[]`, `{}`, false},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, true},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
		{`{"a":1,"b":2}`, `{"a":1}`, false},
		{`{"a":[{"b":null}]}`, `{"a":[{"b":0}]}`, false},
		{`"x{REASON}"`, `"xyz"`, true},
		{`"x{REASON}"`, `"x"`, false},
		{`"x{REASON}"`, `"yz"`, false},
		{`"{REASON}x"`, `"yx"`, false},
	} {
		want := &Reply{Answer: json.RawMessage(test.want)}
		err := Compare(want, &Reply{Answer: json.RawMessage(test.got)})
		if (err == nil) != test.same {
			t.Errorf("answer %s, want %s: %v", test.got, test.want, err)
		}
	}
}

// Lists are shown from where they differ.
func TestCompareLists(t *testing.T) {
	for _, test := range [][3]string{
		{`[1,2,3,4]`, `[1,2,9,4]`, "answer/2: 9, want 3"},
		{`[1,2,3,4]`, `[1,3,4]`, "answer/1: from there on [3,4], want [2,3,4] (3 elements, want 4)"},
		{`[1,2,3,4]`, `[1,2]`, "answer/2: the list ends, want also [3,4]"},
		{`[1]`, `[1,2]`, "answer/1: unexpected [2], the list must end there"},
		{`[]`, `[1]`, "answer/0: unexpected [1], the list must end there"},
		{`[[1],[2,{"a":[]}]]`, `[[1],[2,{"a":[0]}]]`, "answer/1/1/a/0: unexpected [0], the list must end there"},
	} {
		err := Compare(&Reply{Answer: json.RawMessage(test[0])}, &Reply{Answer: json.RawMessage(test[1])})
		if err == nil || err.Error() != test[2] {
			t.Errorf("%s, want %s: %v, want %q", test[1], test[0], err, test[2])
		}
	}
}

func TestCompareSeesEveryMember(t *testing.T) {
	want := Reply{Salt: "rs", Protocol: 1, Status: 0, Serial: number(7), Answer: json.RawMessage(`1`)}
	for name, change := range map[string]func(*Reply){
		"salt":     func(r *Reply) { r.Salt = "" },
		"protocol": func(r *Reply) { r.Protocol = 2 },
		"status":   func(r *Reply) { r.Status = 1 },
		"serial":   func(r *Reply) { r.Serial = number(8) },
		"answer":   func(r *Reply) { r.Answer = json.RawMessage(`2`) },

		"missing serial": func(r *Reply) { r.Serial = nil },
		"missing answer": func(r *Reply) { r.Answer = nil },
	} {
		got := want
		change(&got)
		if Compare(&want, &got) == nil || Compare(&got, &want) == nil {
			t.Errorf("another %s is not noticed", name)
		}
	}
}

// The classic dialect omits null members, and its lists have no order.
func TestCompareClassic(t *testing.T) {
	if err := Compare(&Reply{}, &Reply{}); err != nil {
		t.Errorf("both without serial and answer: %v", err)
	}
	want := &Reply{Answer: json.RawMessage(`["b","a","a"]`), Unordered: true}
	for answer, same := range map[string]bool{
		`["a","b","a"]`: true,
		`["a","b","b"]`: false,
		`["a","b"]`:     false,
		`"b"`:           false,
	} {
		if err := Compare(want, &Reply{Answer: json.RawMessage(answer)}); (err == nil) != same {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
