package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/answer/classic"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/question"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that should happen at once.
const patience = 10 * time.Second

// dial returns a client of s.
func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func ask(t *testing.T, conn net.Conn, request []byte) []byte {
	t.Helper()
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 1<<16)
	n, err := conn.Read(reply)
	if err != nil {
		t.Fatal(err)
	}
	return reply[:n]
}

// start runs a server with one worker, so that datagrams are handled in the order in which
// they are sent.
func start(t *testing.T, logger *slog.Logger) *Server {
	t.Helper()
	s := listen(t, Options{Logger: logger})
	serve(t, s)
	return s
}

// listen makes a server with the key of the sample cluster: on a free port of 127.0.0.1,
// with one worker and no log, unless the options say otherwise.
func listen(t *testing.T, o Options) *Server {
	t.Helper()
	if !o.Addr.IsValid() {
		o.Addr = netip.MustParseAddrPort("127.0.0.1:0")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Workers, o.Keys = max(o.Workers, 1), protocol.NewKeyring(sample.Key)
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve lets a server serve until the test ends.
func serve(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestEveryQuestionIsAnswered(t *testing.T) {
	s := start(t, slog.New(slog.DiscardHandler))
	s.SetResponder(sampleBook(t))
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	conn := dial(t, s)
	for _, q := range questions {
		got := ask(t, conn, asking(t, codec, q.Question, time.Now()))
		reply, salt, err := codec.OpenReply(got)
		if err != nil {
			t.Errorf("%s: %v", q.name, err)
			continue
		}
		if reply.Status != wire.StatusOK || salt != question.Rsalt {
			t.Errorf("%s: salt %q, reply %+v", q.name, salt, reply)
		}
	}
}

// Every datagram ends in exactly one disposition, even in a burst.
func TestDispositions(t *testing.T) {
	var log bytes.Buffer
	s := start(t, slog.New(slog.NewTextHandler(&log, nil)))
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	stranger := protocol.NewCodec(protocol.NewKeyring([]byte("another key")))
	now := time.Now()
	ping := asking(t, codec, `"type":0`, now)
	signed := func(text string) []byte {
		datagram, err := codec.Seal(nil, strconv.FormatInt(now.Unix(), 10), []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return datagram
	}
	// A request of the maximum size, whose reply must also contain the salt.
	const request = `{"protocol":1,"type":0,"rsalt":"%s"}`
	room := wire.MaxDatagramSize - len(signed(fmt.Sprintf(request, "")))
	longSalt := signed(fmt.Sprintf(request, strings.Repeat("x", room)))

	conn := dial(t, s)
	var want Counts
	// counts are the dispositions with known values.
	counts := func() Counts {
		c := s.Counts()
		c.Durations, c.Sizes = Histogram{}, Histogram{}
		return c
	}
	send := func(disposition Disposition, datagram []byte) {
		t.Helper()
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
		want.Dispositions[disposition]++
		want.IPv4++
		await(t, func() bool { return counts() == want }, func() any { return counts() })
	}
	send(DroppedDisabled, ping)
	s.SetResponder(answer.Unavailable("no configuration"))
	want.Queries[wire.RequestPing][wire.StatusError]++
	send(AnsweredError, ping)
	s.SetResponder(sampleBook(t))
	want.Queries[wire.RequestPing][wire.StatusOK]++
	send(Answered, ping)
	want.Queries[wire.RequestNodeRoleByName][wire.StatusError]++
	send(AnsweredError, asking(t, codec, `"type":1`, now))
	send(DroppedSize, nil)
	send(DroppedSize, make([]byte, wire.MaxDatagramSize+1))
	send(DroppedMagic, []byte("abcdefgh"))
	send(DroppedJSON, []byte("plj0{}"))
	send(DroppedHMAC, asking(t, stranger, `"type":0`, now))
	send(DroppedClock, asking(t, codec, `"type":0`, now.Add(-time.Hour)))
	send(DroppedRequest, signed(`{}`))
	send(DroppedSize, longSalt)

	burst := slices.Repeat([][]byte{ping, []byte("plj0"), []byte("none")}, 20)
	for _, datagram := range burst {
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
	}
	want.IPv4 += 60
	want.Dispositions[Answered] += 20
	want.Queries[wire.RequestPing][wire.StatusOK] += 20
	want.Dispositions[DroppedJSON] += 20
	want.Dispositions[DroppedMagic] += 20
	await(t, func() bool { return counts() == want }, func() any { return counts() })
	sums(t, s)
	if s.Counts().Durations.Sum == 0 {
		t.Error("replies take no time")
	}

	if strings.Contains(log.String(), strings.TrimSpace(string(sample.Key))) {
		t.Error("the key is in the log")
	}
	if strings.Contains(log.String(), "refused") {
		t.Errorf("strangers write to the log:\n%s", &log)
	}
}

// The dialect of Ganeti 2.6 has its own requests, errors and cases without a reply.
func TestClassicDispositions(t *testing.T) {
	s := start(t, slog.New(slog.DiscardHandler))
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	now := time.Unix(1356000300, 250_000_000)
	s.now = func() time.Time { return now }
	snapshot, err := cluster.Parse(sample.Config)
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, s)
	var want Counts
	for _, test := range []struct {
		book        Responder
		skew        int64
		request     string
		disposition Disposition
	}{
		{nil, 0, `{"protocol":1,"type":0,"rsalt":"rs"}`, DroppedDisabled},
		{classic.Prepare(snapshot), 0, `{"protocol":1,"type":0,"rsalt":"rs"}`, Answered},
		{classic.Prepare(snapshot), 300, `{"protocol":1,"type":0,"rsalt":"rs"}`, Answered},
		{classic.Prepare(snapshot), -300, `{"protocol":1,"type":0,"rsalt":"rs"}`, DroppedClock},
		{classic.Prepare(snapshot), 0, `{"protocol":1,"type":0,"rsalt":"rs","query":0}`, AnsweredError},
		{classic.Prepare(snapshot), 0, `{"protocol":1,"type":9,"rsalt":"rs"}`, AnsweredError},
		{classic.Prepare(snapshot), 0, `{"protocol":2,"type":0,"rsalt":"rs"}`, DroppedRequest},
		{classic.Prepare(snapshot), 0, `{"protocol":1,"type":1,"rsalt":"rs","query":[]}`, DroppedRequest},
		{nil, 0, `{"protocol":1,"type":0,"rsalt":"rs"}`, DroppedDisabled},
	} {
		s.SetResponder(test.book)
		datagram, err := codec.Seal(nil, strconv.FormatInt(now.Unix()+test.skew, 10), []byte(test.request), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
		want.Dispositions[test.disposition]++
		await(t, func() bool { return s.Counts().Dispositions == want.Dispositions }, func() any { return []any{test, s.Counts()} })
	}
	sums(t, s)
	if got := s.Counts().Queries[wire.RequestInstanceDisks][wire.StatusNotImplemented]; got != 1 {
		t.Errorf("%d queries are not implemented", got)
	}
}

// sums checks the equations that hold between the counts of an idle server.
func sums(t *testing.T, s *Server) {
	t.Helper()
	var c Counts
	var replies uint64
	// The duration of a reply is counted last, possibly after its client has received it.
	await(t, func() bool {
		c = s.Counts()
		replies = c.Dispositions[Answered] + c.Dispositions[AnsweredError] + c.Dispositions[WriteError]
		return c.Durations.Count() == replies
	}, func() any { return c })
	var all, queries uint64
	for _, n := range c.Dispositions {
		all += n
	}
	for _, statuses := range c.Queries {
		for _, n := range statuses {
			queries += n
		}
	}
	if c.IPv4+c.IPv6 != all || queries != replies || c.Sizes.Count() != replies {
		t.Errorf("%d datagrams, %d of them replied to, but %+v", all, replies, c)
	}
	if c.Sizes.Sum < replies*100 {
		t.Errorf("%d replies have %d bytes", replies, c.Sizes.Sum)
	}
}

// await waits until a condition is true.
func await(t *testing.T, condition func() bool, got func() any) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still %+v", got())
		}
	}
}
