package vectors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gntconfd/internal/testing/jsonvalue"
)

// serve runs a daemon that answers the fence, and any other datagram with answers. It
// returns its target.
func serve(t *testing.T, answers ...[]byte) Target {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if bytes.Contains(buf[:n], []byte("fence")) {
				conn.WriteTo(reply("fence", 0), from)
				continue
			}
			for _, answer := range answers {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return Target{Addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), Key: testKey, Config: "config.data"}
}

// reply returns the datagram of a reply whose answer is true.
func reply(salt string, status int64) []byte {
	msg := string(jsonvalue.Encode(map[string]any{"protocol": 1, "status": status, "answer": true, "serial": 0}))
	return append([]byte(magic), jsonvalue.Encode(map[string]string{"msg": msg, "salt": salt, "hmac": sign(testKey, salt, msg)})...)
}

func TestJudge(t *testing.T) {
	wanted := &Reply{Salt: "rs", Protocol: 1, Serial: number(0), Answer: json.RawMessage(`true`)}
	for name, test := range map[string]struct {
		answers [][]byte
		vector  Vector
		release string
		problem string // a part of the error, or none
	}{
		"silence as wanted":     {vector: Vector{Outcome: DroppedHMAC}},
		"answer, not garbled":   {vector: Vector{Outcome: AnsweredError, Real: []Real{{Releases: []string{"1"}, Outcome: Garbled}}}, release: "1", answers: [][]byte{reply("rs", 0)}, problem: "answered (true), want garbled"},
		"answer as wanted":      {vector: Vector{Outcome: Answered, Reply: wanted}, answers: [][]byte{reply("rs", 0)}},
		"any answer":            {vector: Vector{Outcome: Answered}, answers: [][]byte{reply("xy", 0)}},
		"other salt":            {vector: Vector{Outcome: Answered, Reply: wanted}, answers: [][]byte{reply("xy", 0)}, problem: "salt"},
		"other status":          {vector: Vector{Outcome: Answered, Reply: wanted}, answers: [][]byte{reply("rs", 1)}, problem: "answered_error (true), want answered"},
		"answer instead":        {vector: Vector{Outcome: DroppedClock}, answers: [][]byte{reply("rs", 0)}, problem: "want silent"},
		"garbled instead":       {vector: Vector{Outcome: Answered}, answers: [][]byte{{'x'}}, problem: "garbled, want answered: garbled reply: no magic"},
		"two answers":           {vector: Vector{Outcome: Answered}, answers: [][]byte{reply("rs", 0), reply("rs", 0)}, problem: "more than one answer"},
		"silent only when real": {vector: Vector{Outcome: Answered, Real: []Real{{Releases: []string{"1"}, Outcome: Silent}}}, release: "1"},
		"another release":       {vector: Vector{Outcome: Answered, Reply: wanted, Real: []Real{{Releases: []string{"1"}, Outcome: Silent}}}, release: "2", answers: [][]byte{reply("rs", 0)}},
		"two releases":          {vector: Vector{Outcome: Answered, Real: []Real{{Releases: []string{"1"}, Outcome: AnsweredError}, {Releases: []string{"2", "3"}, Outcome: Silent}}}, release: "3"},
	} {
		t.Run(name, func(t *testing.T) {
			test.vector.Raw = []byte("x")
			want, _ := test.vector.Expected(test.release)
			probes := []Probe{{Message: &test.vector.Message, Wanted: want != Silent}}
			results, err := serve(t, test.answers...).Exchange(t.Context(), probes, time.Minute, false)
			if err != nil {
				t.Fatal(err)
			}
			err = test.vector.Judge(results[0], test.release)
			switch {
			case err == nil && test.problem != "":
				t.Errorf("no error, want one about %q", test.problem)
			case err != nil && (test.problem == "" || !strings.Contains(err.Error(), test.problem)):
				t.Errorf("error %q, want one about %q", err, test.problem)
			}
		})
	}
}

// A daemon that stops answering is distinguished from one that drops the datagram.
func TestExchangeWithMuteDaemon(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	target := Target{Addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), Key: testKey}
	probes := []Probe{{Message: &fence}}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := errors.New("it has ended")
	cancel(ended)
	if results, err := target.Exchange(ctx, probes, time.Second, false); !errors.Is(err, ended) || len(results) != 0 {
		t.Errorf("Exchange = %v, %v, want no results and %v", results, err, ended)
	}
	if err := target.Ready(ctx); !errors.Is(err, ended) {
		t.Errorf("Ready = %v, want %v", err, ended)
	}
	results, err := target.Exchange(t.Context(), probes, time.Second, true)
	if err != nil || len(results) != 1 || results[0].Outcome != Silent {
		t.Errorf("Exchange with a mute daemon = %v, %v, want silence", results, err)
	}
}

// Datagrams are built with the time of a stopped daemon's clock.
func TestExchangeWithAClock(t *testing.T) {
	target := serve(t)
	target.Clock = 1700000000
	salt := &Recipe{Inner: "x", Salt: "{now}", Skew: 300, Align: true}
	results, err := target.Exchange(t.Context(), []Probe{{Message: &Message{Datagram: salt}}}, time.Second, false)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(results[0].Sent, []byte("1700000300")) {
		t.Errorf("sent %q, want the salt 1700000300 in it", results[0].Sent)
	}
}

// A datagram from another address is no answer, but may explain why there is none.
func TestExchangeWithStrangers(t *testing.T) {
	from := netip.MustParseAddrPort("127.0.0.1:2")
	target := Target{Addr: netip.MustParseAddrPort("127.0.0.1:1"), Key: testKey}
	silent, answered := exchange{key: testKey}, exchange{key: testKey}
	answered.take(target, reply("rs", 0), target.Addr)
	for _, x := range []*exchange{&silent, &answered} {
		x.take(target, reply("rs", 0), from)
		x.take(target, reply("fence", 0), target.Addr)
	}
	if got := silent.result(false); got.Outcome != Silent || got.Err != nil {
		t.Errorf("silence becomes %s, %v", got.Outcome, got.Err)
	}
	if got := silent.result(true); got.Outcome != Garbled || !errors.Is(got.Err, ErrGarbled) {
		t.Errorf("a missing answer becomes %s, %v, want it %s", got.Outcome, got.Err, Garbled)
	}
	if got := answered.result(true); got.Outcome != Answered || got.Err != nil {
		t.Errorf("an answer becomes %s, %v", got.Outcome, got.Err)
	}
}
