package bench

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
)

// silence is the address of a socket that is never read from.
func silence(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func callSilence(t *testing.T, mix string) *caller {
	t.Helper()
	topics := mixOf(t, mix)
	c, err := newCaller(silence(t), sample.Key, topics, schedule(topics, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	c.patience = time.Second
	return c
}

// reply is a reply to a request of c.
func reply(t *testing.T, c *caller, i int32, key []byte, status wire.Status) []byte {
	t.Helper()
	text, err := (&wire.Reply{Protocol: 1, Status: status, Answer: []byte(`"x"`), Serial: 1}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	datagram, err := protocol.NewCodec(protocol.NewKeyring(key)).Seal(nil, c.rsalt(i, c.requests[i].generation), text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return datagram
}

// Latency counts from when a request was due, however late it was sent.
func TestLatencyFromDue(t *testing.T) {
	c := callSilence(t, "ping")
	if err := c.ask(100*time.Millisecond, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	c.take(reply(t, c, 0, sample.Key, wire.StatusOK), 400*time.Millisecond)
	if got := time.Duration(c.latency.Max()).Round(10 * time.Millisecond); c.replies != 1 || got != 300*time.Millisecond {
		t.Errorf("%d replies after %v", c.replies, got)
	}
}

// Only what is signed and belongs to a request on its way is a reply.
func TestReplies(t *testing.T) {
	type counts struct{ replies, refused, late, wrong, lost int }
	for name, test := range map[string]struct {
		meet func(c *caller, good []byte)
		want counts
	}{
		"good": {func(c *caller, good []byte) { c.take(good, 1) }, counts{replies: 1}},
		"an error": {func(c *caller, _ []byte) {
			c.take(reply(t, c, 0, sample.Key, wire.StatusError), 1)
		}, counts{replies: 1, refused: 1}},
		"twice": {func(c *caller, good []byte) { c.take(good, 1); c.take(good, 2) }, counts{replies: 1, wrong: 1}},
		"another key": {func(c *caller, _ []byte) {
			c.take(reply(t, c, 0, []byte("another"), wire.StatusOK), 1)
		}, counts{wrong: 1}},
		"changed": {func(c *caller, good []byte) {
			c.take(bytes.Replace(good, []byte("x"), []byte("y"), 1), 1)
		}, counts{wrong: 1}},
		"cut":     {func(c *caller, good []byte) { c.take(good[:len(good)-60], 1) }, counts{wrong: 1}},
		"nothing": {func(c *caller, _ []byte) { c.take(nil, 1) }, counts{wrong: 1}},
		"of a request that was not sent": {func(c *caller, _ []byte) {
			c.take(reply(t, c, 1, sample.Key, wire.StatusOK), 1)
		}, counts{wrong: 1}},
		"of a request that was not made": {func(c *caller, good []byte) {
			salt := []byte(c.rsalt(0, 0))
			c.take(bytes.Replace(good, salt, append(c.marker, "fffffff00000"...), 1), 1)
		}, counts{wrong: 1}},
		"late": {func(c *caller, good []byte) {
			c.expire(c.patience)
			c.expire(c.patience + 2)
			c.take(good, c.patience+3)
		}, counts{late: 1, lost: 1}},
	} {
		c := callSilence(t, "ping")
		if err := c.prepare(2); err != nil {
			t.Fatal(err)
		}
		if err := c.ask(1, 1); err != nil {
			t.Fatal(err)
		}
		test.meet(c, reply(t, c, 0, sample.Key, wire.StatusOK))
		if got := (counts{c.replies, c.refused, c.late, c.wrong, c.lost}); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		if waiting := c.sent - c.replies - c.lost; c.outstanding != waiting {
			t.Errorf("%s: %d outstanding, not %d", name, c.outstanding, waiting)
		}
	}
}

// A request is used again with the same signature, until that is old, and a changed
// reply to it is verified anew.
func TestRequestsAreUsedAgain(t *testing.T) {
	c := callSilence(t, "ping")
	var datagrams [][]byte
	for _, now := range []time.Duration{1, time.Second, resign + time.Second} {
		if err := c.ask(now, now); err != nil {
			t.Fatal(err)
		}
		datagrams = append(datagrams, c.requests[0].datagram)
		c.take(reply(t, c, 0, sample.Key, wire.StatusOK), now)
	}
	if len(c.requests) != 1 || c.replies != 3 {
		t.Errorf("%d requests, %d replies", len(c.requests), c.replies)
	}
	if !bytes.Equal(datagrams[0], datagrams[1]) || bytes.Equal(datagrams[1], datagrams[2]) {
		t.Errorf("sent %q", datagrams)
	}
	if err := c.ask(1, 1); err != nil {
		t.Fatal(err)
	}
	c.take(reply(t, c, 0, sample.Key, wire.StatusError), 2)
	if c.replies != 4 || c.refused != 1 {
		t.Errorf("%d replies, %d refused", c.replies, c.refused)
	}
}
