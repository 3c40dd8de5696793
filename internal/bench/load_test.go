package bench

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gntconfd/gen/wire"
	"gntconfd/internal/daemon"
	"gntconfd/internal/sample"
	"gntconfd/internal/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run starts a daemon with the sample cluster.
func run(t *testing.T) *daemon.Daemon {
	t.Helper()
	d, _ := runWith(t)
	return d
}

// runWith starts a daemon with the sample cluster, and returns the file that it reads.
func runWith(t *testing.T) (d *daemon.Daemon, config string) {
	t.Helper()
	dir := t.TempDir()
	options := daemon.Options{
		Config: filepath.Join(dir, "config.data"),
		Key:    filepath.Join(dir, "hmac.key"),
		Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
		Logger: slog.New(slog.DiscardHandler),
	}
	for path, data := range map[string][]byte{options.Config: sample.Config, options.Key: sample.Key} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	d, err := daemon.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := d.Wait(); err != nil {
			t.Error(err)
		}
	})
	return d, options.Config
}

const patience = 10 * time.Second

// Every request of every load gets its reply.
func TestLoads(t *testing.T) {
	s := &Server{Addr: run(t).Addr(), Key: sample.Key}
	topics := mixOf(t, "ping=2,node-role,node-ip,node-instances")
	for name, test := range map[string]struct {
		load Load
		sent int // 0 where it depends on the machine
	}{
		"one":          {one, 1},
		"closed":       {Load{Window: 8, Sockets: 2, Duration: 20 * time.Millisecond, Patience: patience}, 0},
		"few":          {Load{Window: 2, Sockets: 5, Duration: time.Millisecond, Patience: patience}, 0},
		"open":         {Load{Rate: 1000, Sockets: 3, Window: 3, Duration: 100 * time.Millisecond, Patience: patience}, 100},
		"beside noise": {Load{Window: 4, Sockets: 1, Duration: 20 * time.Millisecond, Patience: patience, Noise: 1000}, 0},
	} {
		r, err := test.load.run(t.Context(), s, topics)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.sent == 0 || r.replies != r.sent || r.refused+r.lost+r.late+r.wrong > 0 || int64(r.replies) != r.latency.TotalCount() {
			t.Errorf("%s: %+v", name, r)
		}
		if test.sent > 0 && r.sent+r.unsent != test.sent {
			t.Errorf("%s: %d sent and %d unsent, not %d", name, r.sent, r.unsent, test.sent)
		}
	}
}

// All kinds of noise reach the daemon, and all are dropped.
func TestNoise(t *testing.T) {
	d := run(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- makeNoise(ctx, d.Addr(), 2000, func() ([][]byte, error) {
			kinds, err := broken()
			return append(kinds, Hostile()...), err
		})
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		kinds := 0
		for _, n := range d.Counts().Dispositions {
			if n > 0 {
				kinds++
			}
		}
		if kinds >= 3 { // of magic, JSON and HMAC
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("dispositions %v", d.Counts().Dispositions)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLost(t *testing.T) {
	load := Load{Rate: 1000, Sockets: 1, Duration: 5 * time.Millisecond, Patience: time.Millisecond}
	r, err := load.run(t.Context(), &Server{Addr: silence(t), Key: sample.Key}, mixOf(t, "ping"))
	if err != nil || r.replies != 0 || r.lost != r.sent || r.sent+r.unsent != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	var f Figures
	if r.fill(&f); f.PerSecond != 0 || f.Lost != r.lost {
		t.Errorf("%+v", f)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	load := Load{Window: 1, Sockets: 1, Duration: time.Hour, Patience: time.Hour}
	if _, err := load.run(ctx, &Server{Addr: silence(t), Key: sample.Key}, mixOf(t, "ping")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// An echo server is asked the same, and its replies are compared with that.
func TestEcho(t *testing.T) {
	for name, key := range map[string][]byte{"plain": nil, "HMAC": sample.Key} {
		addr, err := udp.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- Echo(ctx, addr, key) }()
		s := &Server{Addr: addr, Key: sample.Key, echo: true}
		if err := s.awaitEcho(ctx, []byte("?")); err != nil {
			t.Fatal(err)
		}
		load := Load{Window: 40, Sockets: 1, Duration: time.Millisecond, Patience: patience}
		r, err := load.run(ctx, s, mixOf(t, "ping"))
		if err != nil || r.sent < 40 || r.replies != r.sent || r.wrong > 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		short := r.bytes / r.replies
		for _, size := range []int{5000, wire.MaxDatagramSize, short / 2} {
			if err := s.order(ctx, order{size, size / 2}); err != nil {
				t.Fatal(err)
			}
			r, err := load.run(ctx, s, mixOf(t, "ping"))
			if err != nil || r.replies != r.sent || r.wrong > 0 || r.bytes/r.replies != max(size, short) {
				t.Errorf("%s, ordered %d: %d replies to %d requests, %d wrong, %d bytes, %v", name, size, r.replies, r.sent, r.wrong, r.bytes, err)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is known of a process grows with what it does.
func TestUsage(t *testing.T) {
	self := &Server{PID: os.Getpid()}
	before, err := self.usage()
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 2*time.Millisecond; {
	}
	after, err := self.usage()
	if err != nil || after.cpu <= before.cpu || after.resident < 1<<20 || after.peak < after.resident {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	if u, err := new(Server).usage(); err != nil || u.cpu+time.Duration(u.resident) != 0 {
		t.Errorf("unknown process: %+v, %v", u, err)
	}
	if _, err := (&Server{PID: 1 << 30}).usage(); err == nil {
		t.Error("a process that does not exist")
	}
}
