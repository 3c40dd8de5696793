package server

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/lacking"
	"gntconfd/internal/testing/written"
)

// respond is a Responder whose replies are those of the sample cluster, after some work.
type respond struct {
	*answer.Book
	work func(*answer.Response)
}

func (r *respond) Respond(codec *protocol.Codec, now time.Time, s *answer.Scratch) (answer.Response, protocol.Refusal) {
	response, refusal := r.Book.Respond(codec, now, s)
	r.work(&response)
	return response, refusal
}

// A reply that is too large is counted each time, and logged once per configuration.
func TestTooLarge(t *testing.T) {
	var log written.Buffer
	s := start(t, slog.New(slog.NewTextHandler(&log, nil)))
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	conn := dial(t, s)
	book := sampleBook(t)
	long := bytes.Repeat([]byte("x"), wire.MaxDatagramSize)
	for _, work := range []func(*answer.Response){
		func(r *answer.Response) { r.Reply = book.TooLarge() },
		func(r *answer.Response) { r.Reply = answer.Reply{Text: long} },
	} {
		s.SetResponder(&respond{book, work})
		for range 2 {
			got := ask(t, conn, asking(t, codec, `"type":4`, time.Now()))
			if reply, _, err := codec.OpenReply(got); err != nil || string(reply.Answer) != `"`+answer.TooLargeText+`"` {
				t.Errorf("reply %+v, error %v", reply, err)
			}
		}
	}
	if got := s.Counts().TooLarge; got != [requestTypes]uint64{wire.RequestNodePIPList: 4} {
		t.Errorf("too large: %v", got)
	}
	if got := strings.Count(log.String(), "reply too large"); got != 2 {
		t.Errorf("%d lines about two configurations:\n%s", got, log.String())
	}
}

// A panic costs one datagram.
func TestPanic(t *testing.T) {
	var log written.Buffer
	s := start(t, slog.New(slog.NewTextHandler(&log, nil)))
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	conn := dial(t, s)
	first := true
	s.SetResponder(&respond{sampleBook(t), func(*answer.Response) {
		if first {
			first = false
			panic("on the first request")
		}
	}})
	ping := asking(t, codec, `"type":0`, time.Now())
	if _, err := conn.Write(ping); err != nil {
		t.Fatal(err)
	}
	ask(t, conn, ping)
	await(t, func() bool { return s.Counts().Dispositions[Answered] == 1 }, func() any { return s.Counts() })
	if got := s.Counts(); got.Panics != 1 || got.Dispositions[DroppedRequest] != 1 {
		t.Errorf("counts %+v", got)
	}
	if got := log.String(); !strings.Contains(got, `fault="on the first request"`) {
		t.Errorf("log:\n%s", got)
	}
	sums(t, s)
}

// A reply that cannot be sent is counted as such.
func TestWriteError(t *testing.T) {
	s := listen(t, Options{})
	done := make(chan error)
	go func() { done <- s.Serve(t.Context()) }()
	s.SetResponder(&respond{sampleBook(t), func(*answer.Response) { s.Close() }})
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	if _, err := dial(t, s).Write(asking(t, codec, `"type":0`, time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := s.Counts().Dispositions; got != [dispositions]uint64{WriteError: 1} {
		t.Errorf("dispositions %v", got)
	}
	sums(t, s)
}

// At debug level there is a line per datagram, with the cause if it was dropped for what
// is in it, and no contents otherwise.
func TestDebugLines(t *testing.T) {
	var log written.Buffer
	s := start(t, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	s.SetResponder(sampleBook(t))
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	conn := dial(t, s)
	for _, datagram := range []string{"plj0{]", "none", string(asking(t, codec, `"type":0`, time.Now()))} {
		if _, err := conn.Write([]byte(datagram)); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool { return strings.Count(log.String(), "disposition=") == 3 }, func() any { return log.String() })
	for line, want := range map[string]int{
		`msg="datagram dropped" from=` + conn.LocalAddr().String() + ` cause=`: 1,
		"size=6 disposition=dropped_json":                                      1,
		"size=4 disposition=dropped_magic":                                     1,
		" disposition=answered\n":                                              1,
	} {
		if got := strings.Count(log.String(), line); got != want {
			t.Errorf("%d lines with %s, want %d:\n%s", got, line, want, log.String())
		}
	}
}

// The server takes over a socket that is bound already.
func TestSharedSocket(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	socket, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	s := listen(t, Options{Socket: socket, Workers: 3})
	defer s.Close()
	if got := s.Addr().String(); got != conn.LocalAddr().String() || len(s.workers) != 3 {
		t.Errorf("%d workers on %s, want 3 on %s", len(s.workers), got, conn.LocalAddr())
	}
}

func TestListenErrors(t *testing.T) {
	used := listen(t, Options{})
	defer used.Close()
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	addr := stranger.LocalAddr().(*net.UDPAddr).AddrPort()
	if s, err := Listen(Options{Addr: addr, Workers: 1}); err == nil || !strings.Contains(err.Error(), addr.String()) {
		t.Errorf("address in use: server %v, error %v", s, err)
	}
}

// Datagrams are counted by address family.
func TestFamilies(t *testing.T) {
	probe, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		lacking.Skip(t, "no IPv6: %v", err)
	}
	probe.Close()
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	for address, want := range map[string][2]uint64{"127.0.0.1:0": {1, 0}, "[::1]:0": {0, 1}} {
		s := listen(t, Options{Addr: netip.MustParseAddrPort(address)})
		serve(t, s)
		s.SetResponder(sampleBook(t))
		ask(t, dial(t, s), asking(t, codec, `"type":0`, time.Now()))
		await(t, func() bool { return s.Counts().Dispositions[Answered] == 1 }, func() any { return s.Counts() })
		sums(t, s)
		if got := s.Counts(); [2]uint64{got.IPv4, got.IPv6} != want {
			t.Errorf("%s: %d datagrams by IPv4 and %d by IPv6", address, got.IPv4, got.IPv6)
		}
	}
}
