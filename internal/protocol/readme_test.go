package protocol

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

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

// Every deviation is listed in spec/README.md.
func TestReadmeDeviations(t *testing.T) {
	text, err := os.ReadFile("../../spec/README.md")
	if err != nil {
		t.Fatal(err)
	}
	data, err := spec.Files.ReadFile("deviations.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Deviations []struct{ ID string } }
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	for _, deviation := range list.Deviations {
		if !strings.Contains(string(text), "| `"+deviation.ID+"` |") {
			t.Errorf("%s is not listed", deviation.ID)
		}
	}
	if got := strings.Count(string(text[strings.Index(string(text), "## Deviations"):]), "\n| `"); got != len(list.Deviations) {
		t.Errorf("%d deviations are listed, of %d", got, len(list.Deviations))
	}
}
