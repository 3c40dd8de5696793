package vectors

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var (
	testKey = []byte("secretkey")
	testNow = time.Unix(1700000000, 0)
)

// Another program computed these signatures.
func TestBuild(t *testing.T) {
	text := `{"a":"é"}`
	for name, test := range map[string]struct {
		message Message
		want    string
	}{
		"request": {
			Message{Request: json.RawMessage(`{ "protocol": 1, "type": 0, "rsalt": "rs" }`)},
			`plj0{"msg": "{\"protocol\":1,\"type\":0,\"rsalt\":\"rs\"}", "salt": "1700000000", "hmac": "3aa814bc2008a64dc00416a5236ec7e72af97cf2"}`,
		},
		"request beyond ASCII": {
			Message{Request: json.RawMessage(`"é€😀"`)},
			`plj0{"msg": "\"\\u00e9\\u20ac\\ud83d\\ude00\"", "salt": "1700000000", "hmac": "4a625ccc7d8e71f9797d2a57c62a19befac21cef"}`,
		},
		"request text": {
			Message{RequestText: &text},
			`plj0{"msg": "{\"a\":\"\u00e9\"}", "salt": "1700000000", "hmac": "102b503762b2b0207e040962c9e7916919175c27"}`,
		},
		"clock": {
			Message{Datagram: &Recipe{Salt: "{now} {hex} {oct}", Skew: -1, Outer: "@SALT@"}},
			`plj0"1699999999 6553f0ff 14524770377"`,
		},
		"Latin-1": {
			Message{Datagram: &Recipe{Inner: "é", Text: "latin-1", Outer: "@MSG@\u00a0"}},
			"plj0\"\xe9\"\xa0",
		},
		"UTF-8":  {Message{Datagram: &Recipe{Inner: "é", Text: "utf-8", Outer: "@MSG@"}}, `plj0"é"`},
		"fill":   {Message{Datagram: &Recipe{Inner: "<{fill}>", Outer: "@MSG@", FillTo: 12}}, `plj0"<qqqq>"`},
		"prefix": {Message{Datagram: &Recipe{Prefix: "\u00ff", Outer: "{}"}}, "\xff{}"},
		"end":    {Message{Datagram: &Recipe{Outer: "{}", PadTo: 8, Suffix: []byte{0}}}, "plj0{}  \x00"},
		"raw":    {Message{Raw: []byte{1, 2}}, "\x01\x02"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.message.Build(testKey, testNow)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("datagram\n%q, want\n%q", got, test.want)
			}
		})
	}
}

func TestSignature(t *testing.T) {
	const salt, inner = "1700000000", `{"protocol":1,"type":0,"rsalt":"rs"}`
	const good = "3aa814bc2008a64dc00416a5236ec7e72af97cf2"
	for how, want := range map[string]string{
		"":          good,
		"upper":     strings.ToUpper(good),
		"short":     good[:39],
		"long":      good + "0",
		"zero":      strings.Repeat("0", 40),
		"not-hex":   strings.Repeat("g", 40),
		"latin-1":   good, // the same if there is only ASCII
		"other-key": sign([]byte("not the key"), salt, inner),
	} {
		if got, err := spoil(how, testKey, salt, inner); err != nil || got != want {
			t.Errorf("mac %q: %q, %v, want %q", how, got, err, want)
		}
	}
	for _, how := range []string{
		"half", "first-digit", "last-digit", "trimmed-key", "without-salt", "salt-alone", "msg-first", "separated", "sha-1", "hmac-sha-256",
		"empty", "blank-before", "blank-after", "prefixed", "base64", "long-key", "with-magic", "quoted-msg", "escaped-msg",
	} {
		if got, err := spoil(how, []byte("longer than none\n"), salt, inner); err != nil || strings.EqualFold(got, sign([]byte("longer than none\n"), salt, inner)) {
			t.Errorf("mac %q: %q, %v, which is valid", how, got, err)
		}
	}
	if got, want := sign(testKey, "1700000300", `{"a":"é"}`), "b64820f8c5299026ac5f270e005045b85c610efd"; got != want {
		t.Errorf("signature over UTF-8: %s, want %s", got, want)
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, recipe := range map[string]Recipe{
		"unknown mac":       {MAC: "none"},
		"unknown text":      {Text: "utf-16"},
		"fill_to too small": {Inner: "{fill}", FillTo: 5},
		"wide prefix":       {Prefix: "€"},
		"not Latin-1":       {Inner: "€", Text: "latin-1"},
		"unknown word":      {Salt: "{time}"},
		"unknown mark":      {Outer: `{"msg": @MSG@, "salt": @SALT@, "hmac": @MAC@}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := (&Message{Datagram: &recipe}).Build(testKey, testNow); err == nil {
				t.Errorf("datagram %q, want an error", got)
			}
		})
	}
}
