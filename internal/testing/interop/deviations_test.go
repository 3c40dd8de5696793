package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// silence is the outcome of a question without a reply.
const silence = "silence"

// TestDeviations shows every intended difference from the real daemon: first that the real
// one still behaves differently, then what ours does.
func TestDeviations(t *testing.T) { besideEach(t, testDeviations) }

func testDeviations(t *testing.T, genuine program) {
	config := encode(t, production())
	theirs, our := start(t, genuine, config), start(t, ours, config)
	const pinging = `{"protocol": 1, "type": 0, "rsalt": "0"}`
	const pong = "0 3000000 0"
	long := quote(strings.Repeat("x", 5000))
	for _, tt := range []struct {
		reason        string
		msg           string
		envelope      func(key []byte, msg string) []byte // seals msg; nil for the normal way
		genuine, ours string                              // status, answer and serial
	}{
		{reason: "integers with a fraction", msg: `{"protocol": 1, "type": 3.4, "rsalt": "0"}`, genuine: `0 "node0.example.com" 9`, ours: silence},
		{reason: "integers with a zero fraction", msg: `{"protocol": 1, "type": 3.0, "rsalt": "0"}`, genuine: `0 "node0.example.com" 9`, ours: silence},
		{reason: "integers with an exponent", msg: `{"protocol": 1e0, "type": 0, "rsalt": "0"}`, genuine: pong, ours: silence},
		{reason: "integers that wrap around", msg: `{"protocol": 1, "type": 18446744073709551619, "rsalt": "0"}`, genuine: `0 "node0.example.com" 9`, ours: silence},
		{reason: "lists of characters as text", msg: `{"protocol": 1, "type": 0, "rsalt": ["0"]}`, genuine: pong, ours: silence},
		{reason: "lists of characters as a link", msg: `{"protocol": 1, "type": 2, "rsalt": "0", "query": {"0": ["b"]}}`, genuine: "0 [] 9", ours: silence},
		{
			reason: "field codes as text", msg: `{"protocol": 1, "type": 3, "rsalt": "0", "query": {"3": ["0", "1", "2"]}}`,
			genuine: silence, ours: `0 ["node0.example.com","192.0.2.254","192.0.2.1"] 9`,
		},
		{reason: "the last of doubled members counts", msg: `{"protocol": 1, "type": 3, "type": 0, "rsalt": "0"}`, genuine: `0 "node0.example.com" 9`, ours: pong},
		{reason: "requests are UTF-8", msg: `{"protocol": 1, "type": 0, "rsalt": "0", "query": "é"}`, envelope: unescaped, genuine: silence, ours: pong},
		{
			reason: "surrogates make one character", msg: `{"protocol": 1, "type": 9, "rsalt": "0", "query": "\ud83d\ude00"}`,
			genuine: `1 "Instance not found in the configuration: OpPrereqError \"Instance name \\55357\\56832 not found\" ECodeNoEnt" 0`,
			ours:    `1 "Instance not found in the configuration: OpPrereqError \"Instance name \\128512 not found\" ECodeNoEnt" 0`,
		},
		{reason: "requests of more than 4096 bytes", msg: `{"protocol": 1, "type": 0, "rsalt": "0", "query": ` + long + `}`, genuine: silence, ours: pong},
		{reason: "leading white space", msg: " \n" + pinging, genuine: silence, ours: pong},
		{reason: "leading white space before the envelope", msg: pinging, envelope: func(key []byte, msg string) []byte {
			return []byte(strings.Replace(string(seal(key, msg, now())), magic, magic+" \t", 1))
		}, genuine: silence, ours: pong},
		{reason: "more members of the envelope", msg: pinging, envelope: func(key []byte, msg string) []byte {
			return []byte(strings.Replace(string(seal(key, msg, now())), "{", `{"version": 2, `, 1))
		}, genuine: silence, ours: pong},
		{reason: "hexadecimal timestamps", msg: pinging, envelope: func(key []byte, msg string) []byte {
			return seal(key, msg, fmt.Sprintf("0x%x", time.Now().Unix()))
		}, genuine: pong, ours: silence},
		{reason: "timestamps in parentheses", msg: pinging, envelope: func(key []byte, msg string) []byte {
			return seal(key, msg, "("+now()+")")
		}, genuine: pong, ours: silence},
		{reason: "malformed JSON pointers: an empty token", msg: `{"protocol": 1, "type": 10, "rsalt": "0", "query": "/cluster/master_ip//x"}`, genuine: `0 "192.0.2.254" 9`, ours: "1 2 0"},
		{reason: "malformed JSON pointers: a bad escape", msg: `{"protocol": 1, "type": 10, "rsalt": "0", "query": "/cluster/master_ip~2"}`, genuine: `0 "192.0.2.254" 9`, ours: "1 2 0"},
		{reason: "malformed JSON pointers: an index that is none", msg: `{"protocol": 1, "type": 10, "rsalt": "0", "query": "/cluster/compression_tools/0x1"}`, genuine: `0 "gzip" 9`, ours: "1 2 0"},
		{reason: "malformed JSON pointers: an index with a leading zero", msg: `{"protocol": 1, "type": 10, "rsalt": "0", "query": "/cluster/compression_tools/00"}`, genuine: `0 "gzip" 9`, ours: "1 2 0"},
	} {
		if tt.envelope == nil {
			tt.envelope = func(key []byte, msg string) []byte { return seal(key, msg, now()) }
		}
		for d, want := range map[*daemon]string{theirs: tt.genuine, our: tt.ours} {
			if got := d.outcome(t, tt.envelope(d.key, tt.msg), want == silence); got != want {
				t.Errorf("%s: the %s daemon says %s, not %s", tt.reason, d.name, got, want)
			}
		}
	}
}

func now() string { return strconv.FormatInt(time.Now().Unix(), 10) }

// unescaped seals a message as UTF-8, whereas seal writes only ASCII.
func unescaped(key []byte, msg string) []byte {
	datagram := string(seal(key, msg, now()))
	return []byte(strings.ReplaceAll(datagram, `\u00e9`, "é"))
}

// outcome sends a datagram whose rsalt is "0" and returns the reply's status, answer and
// serial, or silence. If it expects silence, it does not wait longer than needed.
func (d *daemon) outcome(t *testing.T, datagram []byte, expectSilence bool) string {
	t.Helper()
	conn := d.dial(t)
	defer conn.Close()
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
	d.send(t, conn, ping, 1) // once this is answered, the daemon has seen the datagram
	conn.SetReadDeadline(time.Now().Add(patience))
	for {
		n, r, err := d.receive(t, conn)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return silence
		case err != nil:
			t.Fatal(err)
		case n == 1 && expectSilence:
			conn.SetReadDeadline(time.Now().Add(grace))
		case n == 1:
			conn.SetReadDeadline(time.Now().Add(patience))
		case n == 0:
			var inner struct{ Status, Answer, Serial json.RawMessage }
			if err := json.Unmarshal([]byte(r.text), &inner); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%s %s %s", inner.Status, inner.Answer, inner.Serial)
		}
	}
}

// TestTooLargeReply asks for more than a datagram can carry. The real daemon sends up to
// what UDP allows, 65507 bytes, and nothing beyond; clients read at most 61440. Ours
// replies from there on why it has no answer.
func TestTooLargeReply(t *testing.T) { besideEach(t, testTooLargeReply) }

func testTooLargeReply(t *testing.T, genuine program) {
	config := newConfig("n0")
	for node, instances := range []int{150, 163, 175} {
		key := fmt.Sprintf("n%d", node)
		add(config, "nodes", key, newNode("node"+key, "192.0.2.1"))
		for i := range instances {
			name := fmt.Sprintf("%s-%03d", key, i)
			add(config, "instances", name, newInstance(name, key))
		}
	}
	theirs, our := start(t, genuine, encode(t, config)), start(t, ours, encode(t, config))
	for _, tt := range []struct {
		name          string
		genuine, ours bool
	}{
		{"n0", true, true}, {"n1", true, false}, {"n2", false, false},
	} {
		q := ask1(8, quote(tt.name))
		wait := time.Second
		if tt.genuine {
			wait = patience // the first question about instances takes it a while
		}
		want, got := theirs.askAlone(t, q, wait), our.askAlone(t, q, patience)
		if want.silent == tt.genuine {
			t.Errorf("%s: the genuine daemon says %v", tt.name, want)
		}
		if isTooLarge(got) == tt.ours || got.silent {
			t.Errorf("%s: our daemon says %v", tt.name, got)
		}
	}
}
