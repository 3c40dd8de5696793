package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gntconfd/internal/testing/vectors"
	specvectors "gntconfd/spec/vectors"
)

// A mutant is a daemon with one defect: a proxy before this project's own that may change
// requests and replies. The suite must notice each defect.
type mutant struct {
	// request changes a datagram to the daemon.
	request func(m *mutation, datagram []byte) []byte
	// replies turns the daemon's reply, nil if there is none, into what the client gets.
	replies func(m *mutation, request, reply []byte) [][]byte
	// elsewhere sends the replies from another port.
	elsewhere bool
	// silent means that the mutant does not answer what it must.
	silent bool

	vector  string // the id of the vector that must catch it
	problem string // a part of the reported problem
}

// mutation is the state of a running mutant.
type mutation struct {
	key    []byte
	former []byte // the reply before the last one
}

var mutants = map[string]mutant{
	"order of a list": {
		replies: rewritten(func(r map[string]any) {
			if list, ok := r["answer"].([]any); ok {
				for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
					list[i], list[j] = list[j], list[i]
				}
			}
		}),
		vector: "3.0/orders/nodes", problem: "answer/0",
	},
	"order of minors": {
		replies: rewritten(func(r map[string]any) {
			if list, ok := r["answer"].([]any); ok && len(list) > 1 {
				list[0], list[1] = list[1], list[0]
			}
		}),
		vector: "3.0/orders/minors-alpha", problem: "answer/0",
	},
	"addresses not once": {
		replies: rewritten(func(r map[string]any) {
			if list, ok := r["answer"].([]any); ok && len(list) > 0 {
				r["answer"] = append(list, list[0])
			}
		}),
		vector: "3.0/orders/link", problem: "answer",
	},
	"serial of the cluster for a node": {
		replies: rewritten(func(r map[string]any) { r["serial"] = 9 }),
		vector:  "3.0/orders/serial-node", problem: "serial 9",
	},
	"serial in an error": {
		replies: rewritten(func(r map[string]any) { r["serial"] = 9 }),
		vector:  "3.0/orders/serial-error", problem: "serial 9",
	},
	"late": {
		// The reply comes with the next datagram, or never.
		replies: func(m *mutation, request, reply []byte) [][]byte {
			if bytes.Contains(request, []byte("fence")) {
				return [][]byte{reply}
			}
			return nil
		},
		vector: "3.0/query-shapes/ping-omitted", problem: "silent, want answered", silent: true,
	},
	"late second reply": {
		replies: func(m *mutation, request, reply []byte) [][]byte {
			former := m.former
			m.former = reply
			if bytes.Contains(request, []byte("fence")) && former != nil {
				return [][]byte{reply, former}
			}
			return [][]byte{reply}
		},
		vector: "3.0/query-shapes/ping-omitted", problem: "more than one answer",
	},
	"unsigned": {
		replies: enveloped(func(m *mutation, e map[string]any) { delete(e, "hmac") }),
		vector:  "3.0/query-shapes/ping-omitted", problem: "envelope",
	},
	"empty signature": {
		replies: enveloped(func(m *mutation, e map[string]any) { e["hmac"] = "" }),
		vector:  "3.0/query-shapes/ping-omitted", problem: "wrong signature",
	},
	"own salt": {
		replies: func(m *mutation, request, reply []byte) [][]byte {
			return [][]byte{resealed(m.key, "my own", inner(reply))}
		},
		vector: "3.0/query-shapes/ping-omitted", problem: `salt "my own"`,
	},
	"another key": {
		replies: func(m *mutation, request, reply []byte) [][]byte {
			return [][]byte{resealed([]byte("mine"), envelope(reply)["salt"].(string), inner(reply))}
		},
		vector: "3.0/query-shapes/ping-omitted", problem: "wrong signature",
	},
	"key without its newline": {
		replies: func(m *mutation, request, reply []byte) [][]byte {
			return [][]byte{resealed(bytes.TrimRight(m.key, "\n"), envelope(reply)["salt"].(string), inner(reply))}
		},
		vector: "3.0/keys/newline", problem: "wrong signature",
	},
	"status and answer swapped": {
		replies: rewritten(func(r map[string]any) { r["status"], r["answer"] = r["answer"], r["status"] }),
		vector:  "3.0/query-shapes/ping-omitted", problem: "answered_error (0), want answered",
	},
	"success for an error": {
		replies: rewritten(func(r map[string]any) { r["status"] = 0 }),
		vector:  "3.0/orders/serial-error", problem: "want answered_error",
	},
	"integer in an error of a role": {
		replies: rewritten(func(r map[string]any) {
			if r["status"] == json.Number("1") {
				r["answer"] = 2
			}
		}),
		vector: "3.0/names/node-key-part", problem: "answer: 2, want",
	},
	"more members": {
		replies: rewritten(func(r map[string]any) { r["more"] = 1 }),
		vector:  "3.0/query-shapes/ping-omitted", problem: `unknown member "more"`,
	},
	"text for a number": {
		replies: rewritten(func(r map[string]any) { r["answer"] = fmt.Sprint(r["answer"]) }),
		vector:  "3.0/query-shapes/ping-omitted", problem: `answer: "3000000", want 3000000`,
	},
	"numbers as doubles": {
		replies: rewritten(func(r map[string]any) {
			if n, ok := r["answer"].(json.Number); ok {
				r["answer"], _ = n.Float64()
			}
		}),
		vector: "3.0/canonical-values/two-to-53", problem: "want 9007199254740993",
	},
	"another port": {elsewhere: true, vector: "3.0/query-shapes/ping-omitted", problem: "but 127.0.0.1:"},
	"answer to anybody": {
		request: func(m *mutation, datagram []byte) []byte {
			if e := envelope(datagram); e != nil {
				return resealed(m.key, fmt.Sprint(e["salt"]), fmt.Sprint(e["msg"]))
			}
			return datagram
		},
		vector: "3.0/envelope/hmac-other-key", problem: "answered (3000000), want silent",
	},
	"no magic needed": {
		request: func(m *mutation, datagram []byte) []byte {
			if i := bytes.IndexByte(datagram, '{'); i >= 0 {
				return append([]byte("plj0"), datagram[i:]...)
			}
			return datagram
		},
		vector: "3.0/envelope/magic-capitals", problem: "answered (3000000), want silent",
	},
	"short signature": {
		request: func(m *mutation, datagram []byte) []byte {
			e := envelope(datagram)
			if e == nil {
				return datagram
			}
			good := resealed(m.key, fmt.Sprint(e["salt"]), fmt.Sprint(e["msg"]))
			if mac, ok := e["hmac"].(string); ok && mac != "" && strings.HasPrefix(envelope(good)["hmac"].(string), mac) {
				return good
			}
			return datagram
		},
		vector: "3.0/envelope/hmac-short", problem: "answered (3000000), want silent",
	},
	"no clock": {
		request: redated(func(int64) bool { return true }),
		vector:  "3.0/clock/skew-plus-301", problem: "answered (3000000), want silent",
	},
	"wide clock": {
		request: redated(func(skew int64) bool { return -600 < skew && skew < 600 }),
		vector:  "3.0/clock/skew-minus-301", problem: "answered (3000000), want silent",
	},
	"narrow clock": {
		request: func(m *mutation, datagram []byte) []byte {
			if skew, ok := skewOf(datagram); ok && (skew < -299 || 299 < skew) {
				return []byte("plj0")
			}
			return datagram
		},
		vector: "3.0/clock/skew-plus-300", problem: "silent, want answered", silent: true,
	},
	"prefix of a pointer": {
		request: requested(func(r map[string]any) {
			if query, ok := r["query"].(string); ok {
				r["query"], _, _ = strings.Cut(query, "//")
			}
		}),
		vector: "3.0/config-pointer/slashes-after-number", problem: "answered (",
	},
	"type rounded": {
		request: requested(func(r map[string]any) {
			if n, ok := r["type"].(json.Number); ok {
				f, _ := n.Float64()
				r["type"] = int64(f)
			}
		}),
		vector: "3.0/request/type-0-point-4", problem: "want silent",
	},
	"names in any case": {
		request: requested(func(r map[string]any) {
			if query, ok := r["query"].(string); ok {
				r["query"] = strings.ToLower(query)
			}
		}),
		vector: "3.0/names/node-case-mixed", problem: "want answered_error",
	},
	"4096 bytes": {
		request: func(m *mutation, datagram []byte) []byte { return datagram[:min(len(datagram), 4096)] },
		vector:  "3.0/size/request-61440", problem: "silent, want answered", silent: true,
	},
	"times copied": {
		replies: rewritten(func(r map[string]any) {
			if r["answer"] == json.Number("1.5999800000000002e9") {
				r["answer"] = 1599980000
			}
		}),
		vector: "3.0/canonical-times/inexact-integer", problem: "answer: 1599980000",
	},
}

// TestMutants checks that each mutant is caught by the vector that it names, and that a
// proxy without a defect passes them all.
func TestMutants(t *testing.T) {
	var named []string
	for name, m := range mutants {
		named = append(named, regexp.QuoteMeta(m.vector))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := runMutant(t, m, regexp.QuoteMeta(m.vector))
			if len(results) != 1 {
				t.Fatalf("%d vectors with the id %s", len(results), m.vector)
			}
			if r := results[0]; r.Verdict != Failed || !strings.Contains(r.Problem, m.problem) {
				t.Errorf("%s: %s %q, want it failed with %q", m.vector, r.Verdict, r.Problem, m.problem)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		for _, r := range runMutant(t, mutant{}, strings.Join(named, "|")) {
			if r.Verdict != Passed {
				t.Errorf("%s fails without a mutation: %s", r.ID, r.Problem)
			}
		}
	})
}

// Daemons with one defect that only shows over time, and the scenario that must notice it.
var slowMutants = map[string]struct {
	start    Start
	scenario string
	problem  string // a part of the reported problem
}{
	"reads its files once": {readsOnce, "3.0/config-file/replaced", "step 2: serial 77, want 9"},
	"reads its key once":   {readsOnce, "3.0/key-file/in-place", "step 2: no answer"},
	"one dialect": {func(ctx context.Context, s Setup) (*Server, error) {
		s.Dialect = "3.0"
		return Own(ctx, s)
	}, "auto/dialects/downgrade", "step 3: "},
	"broken files for missing ones": {func(ctx context.Context, s Setup) (*Server, error) {
		server, err := Own(ctx, s)
		if err == nil {
			go forget(server)
		}
		return server, err
	}, "3.0/config-file/broken", "answered_error"},
}

// readsOnce starts a daemon that does not see what the suite changes, as that changes copies.
func readsOnce(ctx context.Context, s Setup) (*Server, error) {
	server, err := Own(ctx, s)
	if err != nil {
		return nil, err
	}
	stop := server.Stop
	if server.Root, err = writeFiles(s); err != nil {
		return nil, errors.Join(err, stop())
	}
	copies := filepath.Dir(server.Root)
	server.Stop = func() error { return errors.Join(stop(), os.RemoveAll(copies)) }
	return server, nil
}

// forget removes a configuration that is cut off, as a daemon does that does not keep the
// last good one.
func forget(server *Server) {
	for server.Context.Err() == nil {
		if text, err := os.ReadFile(configFile(server.Root)); err == nil && !json.Valid(text) {
			os.Remove(configFile(server.Root))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestSlowMutants(t *testing.T) {
	for name, m := range slowMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := testOptions(t, m.start)
			o.Dialects = []string{"3.0", "auto"}
			o.Timeout = time.Second
			o.Run = regexp.MustCompile("^" + m.scenario + "$")
			report, err := RunServer(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Results) != 1 {
				t.Fatalf("%d scenarios with the id %s", len(report.Results), m.scenario)
			}
			if r := report.Results[0]; r.Verdict != Failed || !strings.Contains(r.Problem, m.problem) {
				t.Errorf("%s: %s %q, want it failed with %q", m.scenario, r.Verdict, r.Problem, m.problem)
			}
		})
	}
}

// runMutant runs the vectors whose ids match a pattern against a mutant.
func runMutant(t *testing.T, m mutant, pattern string) []*Result {
	t.Helper()
	o := testOptions(t, func(ctx context.Context, s Setup) (*Server, error) { return startMutant(ctx, m, s) })
	if m.silent {
		o.Timeout = 300 * time.Millisecond
	}
	o.Run = regexp.MustCompile("^(" + pattern + ")$")
	report, err := RunServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report.Results
}

// testOptions are for all vectors of Ganeti 3.0.
func testOptions(t *testing.T, start Start) Options {
	t.Helper()
	key, err := specvectors.Files.ReadFile("hmac.key")
	if err != nil {
		t.Fatal(err)
	}
	return Options{Start: start, Files: specvectors.Files, Dialects: []string{"3.0"}, Key: key, Timeout: time.Minute}
}

// startMutant starts this project's daemon with the mutant before it.
func startMutant(ctx context.Context, m mutant, s Setup) (*Server, error) {
	server, err := Own(ctx, s)
	if err != nil {
		return nil, err
	}
	var conns [2]*net.UDPConn // to the clients, and for replies from elsewhere
	for i := range conns {
		if conns[i], err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
			return nil, errors.Join(err, server.Stop())
		}
	}
	daemon := server.Target.Addr
	server.Target.Addr = conns[0].LocalAddr().(*net.UDPAddr).AddrPort()
	out := conns[0]
	if m.elsewhere {
		out = conns[1]
	}
	done := make(chan struct{})
	stop := server.Stop
	server.Stop = func() error {
		conns[0].Close()
		<-done
		conns[1].Close()
		return stop()
	}
	go func() {
		defer close(done)
		state := &mutation{key: s.Key}
		buf := make([]byte, 1<<16)
		for {
			n, client, err := conns[0].ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			datagram := bytes.Clone(buf[:n])
			if m.request != nil {
				datagram = m.request(state, datagram)
			}
			reply := exchange(daemon, s.Key, datagram)
			replies := [][]byte{reply}
			if m.replies != nil && reply != nil {
				replies = m.replies(state, datagram, reply)
			}
			for _, reply := range replies {
				if reply != nil {
					out.WriteToUDPAddrPort(reply, client)
				}
			}
		}
	}()
	return server, nil
}

// exchange asks the daemon, and then sends a ping, whose reply shows that there is no
// other.
func exchange(daemon netip.AddrPort, key, datagram []byte) []byte {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(daemon))
	if err != nil {
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	conn.Write(datagram)
	conn.Write(resealed(key, strconv.FormatInt(time.Now().Unix(), 10), `{"protocol":1,"type":0,"rsalt":"behind"}`))
	buf := make([]byte, 1<<16)
	n, err := conn.Read(buf)
	if err != nil || bytes.Contains(buf[:n], []byte(`"behind"`)) {
		return nil
	}
	return buf[:n]
}

// envelope decodes a datagram's envelope, or returns nil.
func envelope(datagram []byte) map[string]any {
	body, ok := bytes.CutPrefix(datagram, []byte("plj0"))
	if !ok {
		return nil
	}
	return decode(body)
}

// decode returns a JSON object with its numbers unchanged, or nil.
func decode(text []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil
	}
	return object
}

// inner returns the text in a datagram of the daemon.
func inner(datagram []byte) string { return envelope(datagram)["msg"].(string) }

// resealed returns a valid datagram for a text.
func resealed(key []byte, salt, msg string) []byte {
	datagram, err := (&vectors.Message{Datagram: &vectors.Recipe{Inner: msg, Salt: salt, Text: "utf-8"}}).Build(key, time.Now())
	if err != nil {
		panic(err)
	}
	return datagram
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// rewritten changes replies and signs them again. Replies to pings stay.
func rewritten(change func(map[string]any)) func(*mutation, []byte, []byte) [][]byte {
	return func(m *mutation, request, reply []byte) [][]byte {
		e := envelope(reply)
		if e["salt"] == "fence" {
			return [][]byte{reply}
		}
		text := decode([]byte(e["msg"].(string)))
		change(text)
		return [][]byte{resealed(m.key, e["salt"].(string), encode(text))}
	}
}

// enveloped changes the envelopes of replies.
func enveloped(change func(*mutation, map[string]any)) func(*mutation, []byte, []byte) [][]byte {
	return func(m *mutation, request, reply []byte) [][]byte {
		e := envelope(reply)
		change(m, e)
		return [][]byte{append([]byte("plj0"), encode(e)...)}
	}
}

// requested changes requests and signs them again.
func requested(change func(map[string]any)) func(*mutation, []byte) []byte {
	return func(m *mutation, datagram []byte) []byte {
		e := envelope(datagram)
		if e == nil {
			return datagram
		}
		msg, _ := e["msg"].(string)
		request := decode([]byte(msg))
		if request == nil {
			return datagram
		}
		change(request)
		return resealed(m.key, fmt.Sprint(e["salt"]), encode(request))
	}
}

// skewOf returns how far ahead the clock of a datagram is, in seconds.
func skewOf(datagram []byte) (int64, bool) {
	salt, _ := envelope(datagram)["salt"].(string)
	clock, err := strconv.ParseInt(salt, 10, 64)
	return clock - time.Now().Unix(), err == nil
}

// redated sets requests with a skew in the allowed range to the current time.
func redated(fine func(skew int64) bool) func(*mutation, []byte) []byte {
	return func(m *mutation, datagram []byte) []byte {
		if skew, ok := skewOf(datagram); ok && fine(skew) {
			return resealed(m.key, strconv.FormatInt(time.Now().Unix(), 10), inner(datagram))
		}
		return datagram
	}
}
