package server

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
)

func TestHistogram(t *testing.T) {
	if !slices.IsSorted(DurationBounds[:]) || !slices.IsSorted(SizeBounds[:]) {
		t.Error("bounds that do not ascend")
	}
	var h histogram
	for _, value := range []uint64{0, 192, 193, 61440, 61441} {
		h.add(&SizeBounds, value, 2)
	}
	var got Histogram
	h.addTo(&got)
	want := Histogram{Sum: 2 * (192 + 193 + 61440 + 61441)}
	want.Buckets[0], want.Buckets[1], want.Buckets[14], want.Buckets[15] = 4, 2, 2, 2
	if got != want || got.Count() != 10 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Each request type and each status is counted for itself.
func TestRepliesAreCountedByTypeAndStatus(t *testing.T) {
	w := &worker{}
	var want [requestTypes][statuses]uint64
	times := uint64(0)
	for request := range wire.RequestDataCollectors + 1 {
		for status := range wire.StatusNotImplemented + 1 {
			times++
			want[request][status] = times
			for range times {
				w.counters.replied(request, status, 500)
			}
		}
	}
	var got Counts
	w.counters.addTo(&got)
	if got.Queries != want {
		t.Errorf("%v, want %v", got.Queries, want)
	}
}

// Counting the type, size and duration of a reply allocates nothing.
func TestCountingAllocatesNothing(t *testing.T) {
	w := &worker{}
	if n := testing.AllocsPerRun(100, func() {
		w.counters.replied(3, 1, 500)
		w.counters.took(time.Millisecond, 7)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCounting(b *testing.B) {
	w := &worker{}
	for i := 0; b.Loop(); i++ {
		w.counters.replied(3, 0, 500)
		if i%8 == 0 {
			w.counters.took(20*time.Microsecond, 8)
		}
	}
}

func TestBusy(t *testing.T) {
	now := time.Now()
	s := &Server{now: func() time.Time { return now }}
	working, waiting := newWorker(s, nil), newWorker(s, nil)
	s.workers = []*worker{working, waiting}
	waiting.busySince.Store(0)
	now = now.Add(time.Minute)
	if got := s.Busy(); got != time.Minute {
		t.Errorf("busy for %v", got)
	}
	working.busySince.Store(0)
	if got := s.Busy(); got != 0 {
		t.Errorf("waiting, but busy for %v", got)
	}
}

func TestBusyWhileNotServing(t *testing.T) {
	s, err := Listen(Options{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if s.Busy() == 0 {
		t.Error("it serves before Serve")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	await(t, func() bool { return s.Busy() == 0 }, func() any { return s.Busy() })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s.Busy() == 0 {
		t.Error("it serves after Serve")
	}
}

// Only callers that were answered are noted, and only on request. A batch without one does
// not fulfil it.
func TestCallers(t *testing.T) {
	s := start(t, slog.New(slog.DiscardHandler))
	s.SetResponder(sampleBook(t))
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	ping := asking(t, codec, `"type":0`, time.Now())
	conn := dial(t, s)
	ask(t, conn, ping)
	if got := s.AppendCallers(nil); len(got) != 0 {
		t.Errorf("callers %v before anybody asked for them", got)
	}
	stranger, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, net.UDPAddrFromAddrPort(s.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Write([]byte("plj0 who is there?")); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return s.Counts().Dispositions[DroppedJSON] == 1 }, func() any { return s.Counts() })
	var got []netip.Addr
	ask(t, conn, ping)
	await(t, func() bool { got = s.AppendCallers(got); return len(got) > 0 }, func() any { return got })
	if want := []netip.Addr{netip.MustParseAddr("127.0.0.1")}; !slices.Equal(got, want) {
		t.Errorf("callers %v", got)
	}
}
