package resilience

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"gntconfd/client"
	"gntconfd/internal/sample"
)

// TestPeersChange replaces the peers of a client while fifty goroutines use it: the old
// peers are not needed any more.
func TestPeersChange(t *testing.T) {
	connect(t, ipv4Only)
	candidates := populate(t, 1, slices.Repeat([]condition{good}, 6), weather{})
	former, next := addresses(candidates[:3]), addresses(candidates[3:])
	c := newClient(t, client.Options{}, former...)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for ctx.Err() == nil {
				if r, err := query(t.Context(), c); err != nil {
					t.Errorf("%v\n%s", err, tell(r))
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for i := range 20 {
		peers := next
		if i%2 == 1 {
			peers = former
		}
		if err := c.SetPeers(names(peers)...); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := c.SetPeers(names(next)...); err != nil {
		t.Error(err)
	}
	time.Sleep(200 * time.Millisecond) // questions in progress keep the old peers
	for _, one := range candidates[:3] {
		one.unplug(t, 0)
	}
	time.Sleep(200 * time.Millisecond)
	cancel()
	all.Wait()
	if r, err := query(t.Context(), c); err != nil || !r.Agreed {
		t.Errorf("%v\n%s", err, tell(r))
	}
}

// TestFollow starts a client with two old candidates, while one out-of-date candidate gives
// a wrong list. It must find the current candidates, and follow them while all are replaced
// one by one.
func TestFollow(t *testing.T) {
	connect(t, ipv4Only)
	// The out-of-date one claims to be the only candidate.
	newCandidate(t, newHost(t, 9, ipv4Only), configuration(t, newest-1, v4, 9)).start(t)
	var candidates []*candidate
	for number := 1; number <= 6; number++ {
		c := newCandidate(t, newHost(t, number, ipv4Only), configuration(t, newest, v4, 1, 2, 3))
		c.start(t)
		candidates = append(candidates, c)
	}
	c := newClient(t, client.Options{Follow: 20 * time.Millisecond}, addr(v4, 9), addr(v4, 1))
	expectPeers := func(numbers ...int) {
		t.Helper()
		var want []string
		for _, number := range numbers {
			want = append(want, netip.AddrPortFrom(addr(v4, number), port).String())
		}
		var got []string
		for start := time.Now(); time.Since(start) < patience; time.Sleep(5 * time.Millisecond) {
			if got = slices.Sorted(slices.Values(c.Peers())); slices.Equal(got, want) {
				return
			}
		}
		t.Fatalf("the peers are %v instead of %v", got, want)
	}
	expectPeers(1, 2, 3)
	serial := newest
	for _, numbers := range [][]int{{2, 3, 4}, {3, 4, 5}, {4, 5, 6}} {
		serial++
		for _, c := range candidates {
			c.write(t, "config.data", configuration(t, serial, v4, numbers...))
		}
		expectPeers(numbers...)
		candidates[numbers[0]-2].unplug(t, 0) // it was a candidate before
	}
}

// TestStreams watches the serial number go up while candidates are up to date or lag
// behind, on a network that reorders datagrams: nothing older ever follows something newer,
// and the newest arrives.
func TestStreams(t *testing.T) {
	connect(t, ipv4Only)
	const last = newest + 20
	rough := weather{delay: time.Millisecond, loss: 0.1, duplication: 0.25, reordering: 0.25}
	stale := condition{serial: newest - 1}
	candidates := populate(t, 1, []condition{good, good, good, good, good, stale, stale}, rough)
	peers := addresses(candidates)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	var all sync.WaitGroup
	all.Go(func() { // the configuration reaches the candidates one after the other
		random := rand.New(rand.NewPCG(1, 1))
		for serial := newest + 1; serial <= last; serial++ {
			config := configuration(t, serial, v4, 1, 2, 3)
			for _, i := range random.Perm(5) {
				candidates[i].write(t, "config.data", config)
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	for name, coverage := range coverages {
		c := newClient(t, client.Options{Coverage: coverage}, peers...)
		all.Go(func() {
			newestYet := 0
			for r, err := range client.Watch(ctx, c, client.Master(), 10*time.Millisecond) {
				if err != nil || int(r.Serial) <= newestYet || r.Answer != master(int(r.Serial)) {
					t.Errorf("watching, coverage %s: after %d comes %v\n%s", name, newestYet, err, tell(r))
				}
				if newestYet = int(r.Serial); newestYet == last {
					return
				}
			}
			t.Errorf("watching, coverage %s: nothing comes after %d", name, newestYet)
		})
		all.Go(func() {
			for done := false; !done && ctx.Err() == nil; {
				newestYet := 0
				asking, cancel := context.WithTimeout(ctx, time.Second)
				for reply, err := range client.Fresh(client.Replies(asking, c, client.Master())) {
					if err != nil {
						break // there was not enough time for all to reply
					}
					if reply.Err != nil || int(reply.Serial) <= newestYet {
						t.Errorf("streaming, coverage %s: after %d comes %+v", name, newestYet, reply)
					}
					newestYet = int(reply.Serial)
				}
				cancel()
				done = newestYet == last
			}
			if ctx.Err() != nil {
				t.Errorf("streaming, coverage %s: %d is never seen", name, last)
			}
		})
	}
	all.Wait()
}

// TestWatchChange watches a change that reaches one candidate long before the six others:
// it is reported once, and nothing older after it. When they return to an older
// configuration, as from a backup, that is reported once all have it.
func TestWatchChange(t *testing.T) {
	connect(t, ipv4Only)
	candidates := populate(t, 1, slices.Repeat([]condition{good}, 7), weather{})
	peers := addresses(candidates)
	c := newClient(t, client.Options{}, peers...)
	ctx, cancel := context.WithCancel(t.Context())
	serials := make(chan int64, 100)
	var watching sync.WaitGroup
	watching.Go(func() {
		for r, err := range client.Watch(ctx, c, client.Master(), 2*time.Millisecond) {
			if err != nil {
				t.Errorf("%v\n%s", err, tell(r))
			}
			select {
			case serials <- r.Serial:
			default: // there are far too many
			}
		}
	})
	defer watching.Wait()
	defer cancel()
	for _, step := range []struct {
		who    []*candidate
		serial int // of the configuration that they get
		told   bool
	}{
		{nil, newest, true},
		{candidates[:1], newest + 1, true},
		{candidates[1:], newest - 10, false},
		{candidates[:1], newest - 10, true},
	} {
		for _, one := range step.who {
			one.write(t, "config.data", configuration(t, step.serial, v4, 1, 2, 3))
		}
		for _, one := range step.who {
			want := fmt.Sprintf("%q", master(step.serial))
			for start := time.Now(); ask(t, addr(v4, one.number), sample.Key, time.Now(), time.Second) != want; {
				if time.Since(start) > patience {
					t.Fatalf("host %d does not get to %d", one.number, step.serial)
				}
			}
		}
		if step.told {
			select {
			case got := <-serials:
				if got != int64(step.serial) {
					t.Errorf("the serial number is %d instead of %d", got, step.serial)
				}
			case <-time.After(patience):
				t.Fatalf("the serial number does not become %d", step.serial)
			}
		}
		time.Sleep(200 * time.Millisecond) // many more questions
		if len(serials) > 0 {
			t.Fatalf("after %d comes %d", step.serial, <-serials)
		}
	}
}
