package vectors

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"
)

// serve runs a daemon that answers the fence, and every other datagram with
// answers. It returns its target.
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
	return Target{Addr: conn.LocalAddr().String(), Key: testKey, Config: "config.data"}
}

// reply is the datagram of a reply whose answer is true.
func reply(salt string, status int64) []byte {
	msg := string(compact(map[string]any{"protocol": 1, "status": status, "answer": true, "serial": 0}))
	return append([]byte(magic), compact(map[string]string{"msg": msg, "salt": salt, "hmac": sign(testKey, salt, msg)})...)
}

// A daemon without a configuration may be mute: then silence has no fence.
func TestRunDisabled(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	target := Target{Addr: conn.LocalAddr().String(), Key: testKey}
	v := Vector{Message: Message{Raw: []byte("x")}, Outcome: DroppedDisabled}
	if err := target.Run(t.Context(), &v, false); err != nil {
		t.Error(err)
	}
	if err := serve(t, reply("rs", 0)).Run(t.Context(), &v, false); err == nil {
		t.Error("an answer is taken for silence")
	}
}

func TestRun(t *testing.T) {
	wanted := &Reply{Salt: "rs", Protocol: 1, Serial: number(0), Answer: json.RawMessage(`true`)}
	for name, test := range map[string]struct {
		answers [][]byte
		vector  Vector
		real    bool
		problem string // a part of the error, or none
	}{
		"silence as wanted":     {vector: Vector{Outcome: DroppedHMAC}},
		"answer, not garbled":   {vector: Vector{Outcome: AnsweredError, Real: &Real{Outcome: Garbled}}, real: true, answers: [][]byte{reply("rs", 0)}, problem: "answered (true), want garbled"},
		"answer as wanted":      {vector: Vector{Outcome: Answered, Reply: wanted}, answers: [][]byte{reply("rs", 0)}},
		"any answer":            {vector: Vector{Outcome: Answered}, answers: [][]byte{reply("xy", 0)}},
		"other salt":            {vector: Vector{Outcome: Answered, Reply: wanted}, answers: [][]byte{reply("xy", 0)}, problem: "salt"},
		"other status":          {vector: Vector{Outcome: Answered, Reply: wanted}, answers: [][]byte{reply("rs", 1)}, problem: "answered_error (true), want answered"},
		"answer instead":        {vector: Vector{Outcome: DroppedClock}, answers: [][]byte{reply("rs", 0)}, problem: "want silent"},
		"garbled instead":       {vector: Vector{Outcome: Answered}, answers: [][]byte{{'x'}}, problem: "garbled reply: no magic"},
		"two answers":           {vector: Vector{Outcome: Answered}, answers: [][]byte{reply("rs", 0), reply("rs", 0)}, problem: "more than one answer"},
		"silent only when real": {vector: Vector{Outcome: Answered, Real: &Real{Outcome: Silent}}, real: true},
	} {
		t.Run(name, func(t *testing.T) {
			test.vector.Raw = []byte("x")
			err := serve(t, test.answers...).Run(t.Context(), &test.vector, test.real)
			switch {
			case err == nil && test.problem != "":
				t.Errorf("no error, want one about %q", test.problem)
			case err != nil && (test.problem == "" || !strings.Contains(err.Error(), test.problem)):
				t.Errorf("error %q, want one about %q", err, test.problem)
			}
		})
	}
}
