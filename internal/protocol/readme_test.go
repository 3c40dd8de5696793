package protocol

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/spec"
)

// The datagrams in spec/README.md are valid.
func TestReadmeDatagrams(t *testing.T) {
	text, err := os.ReadFile("../../spec/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var key, salt string
	requests, replies := 0, 0
	for _, block := range regexp.MustCompile("(?s)```datagram\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		parts := map[string]string{}
		for line := range strings.Lines(block[1]) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			parts[name] = strings.TrimSpace(value)
		}
		quoted := func(name string) (value string) {
			if err := json.Unmarshal([]byte(parts[name]), &value); err != nil {
				t.Fatalf("%s of %s: %v", name, block[1], err)
			}
			return value
		}
		if parts["key"] != "" {
			key = quoted("key")
			continue
		}
		salt = quoted("salt")
		if got, want := quoted("hmac"), sign(key, salt+quoted("msg")); got != want {
			t.Errorf("hmac %s, want %s", got, want)
		}
		codec := NewCodec(NewKeyring([]byte(key)))
		if seconds, err := strconv.ParseInt(salt, 10, 64); err == nil {
			if _, refusal := codec.Open([]byte(parts["datagram"]), time.Unix(seconds, 0)); refusal != Accepted {
				t.Errorf("%s: refusal %d", parts["datagram"], refusal)
			}
			requests++
			continue
		}
		if _, got, err := codec.OpenReply([]byte(parts["datagram"])); err != nil || got != salt {
			t.Errorf("%s: salt %q, %v", parts["datagram"], got, err)
		}
		replies++
	}
	if requests != 2 || replies != 2 {
		t.Errorf("%d requests and %d replies", requests, replies)
	}
}

// The checks come in the order of spec/datagram.json: a datagram that fails one and all that
// follow is refused for that one.
func TestChecksInOrder(t *testing.T) {
	text, err := spec.Files.ReadFile("datagram.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Daemon []struct{ Name string } }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	const late = "1600000000"
	signed := func(salt string) string { return sign(testKey, salt+"{}") }
	envelope := func(salt, hmac string) string {
		return wire.Magic + `{"msg":"{}","salt":"` + salt + `","hmac":"` + hmac + `"}`
	}
	tests := []struct{ check, datagram string }{
		{"Size", "pl"},
		{"Magic", "PLJ0{"},
		{"JSON", wire.Magic + "{"},
		{"HMAC", envelope(late, signed("other"))},
		{"Clock", envelope(late, signed(late))},
		{"Request", envelope(strconv.FormatInt(testNow.Unix(), 10), signed(strconv.FormatInt(testNow.Unix(), 10)))},
	}
	for i, test := range tests {
		if i >= len(list.Daemon) || list.Daemon[i].Name != test.check {
			t.Fatalf("check %d is not %s in spec/datagram.json: %+v", i+1, test.check, list.Daemon)
		}
		codec := NewCodec(NewKeyring([]byte(testKey)))
		if _, refusal := codec.Open([]byte(test.datagram), testNow); int(refusal) != i+1 {
			t.Errorf("%s: refusal %d, want %d", test.check, refusal, i+1)
		}
	}
	// The last check, Disabled, is not about the datagram.
	if len(list.Daemon) != len(tests)+1 {
		t.Errorf("%d checks, and tests of %d", len(list.Daemon), len(tests))
	}
}
