package resilience

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gntconfd/client"
	"gntconfd/internal/sample"
)

// newClient makes a client of the cluster whose peers are addresses. It is closed at the
// end of the test.
func newClient(t *testing.T, o client.Options, peers ...netip.Addr) *client.Client {
	t.Helper()
	o.Peers, o.Port, o.Key = names(peers), port, sample.Key
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func names(ips []netip.Addr) []string {
	var names []string
	for _, ip := range ips {
		names = append(names, ip.String())
	}
	return names
}

// errWrong is wrapped by errors about answers that no client may accept, however slow the
// machine is.
var errWrong = errors.New("wrong")

// query asks for the master and reports everything in the result that does not match the
// newest configuration.
func query(ctx context.Context, c *client.Client) (client.Result[string], error) {
	r, err := client.Query(ctx, c, client.Master())
	if err == nil && (r.Answer != master(newest) || r.Serial != newest) {
		err = fmt.Errorf("the answer is %s, serial %d", r.Answer, r.Serial)
	}
	for _, reply := range r.Replies {
		if reply.Err == nil && (reply.Serial > newest || reply.Answer != master(int(reply.Serial))) {
			err = errors.Join(err, fmt.Errorf("%w: %s says %s, serial %d", errWrong, reply.Peer, reply.Answer, reply.Serial))
		}
		if reply.Addr.String() != reply.Peer {
			err = errors.Join(err, fmt.Errorf("%w: the reply of %s comes from %s", errWrong, reply.Peer, reply.Addr))
		}
	}
	return r, err
}

// queryWithin is query with a short timeout, which doubles, up to patience, until it is
// enough: a busy machine may need long for what takes a client moments.
func queryWithin(t *testing.T, c *client.Client, time time.Duration) (client.Result[string], error) {
	for ; ; time *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), time)
		r, err := query(ctx, c)
		cancel()
		if err == nil || errors.Is(err, errWrong) || time > patience {
			return r, err
		}
	}
}

// tell describes a result briefly.
func tell(r client.Result[string]) string {
	text := fmt.Sprintf("%s after %v, agreed: %v, silent: %v", r.Answer, r.RoundTrip, r.Agreed, r.Silent)
	for _, reply := range r.Replies {
		text += fmt.Sprintf("\n%s after %v: %s, %d, %v", reply.Peer, reply.RoundTrip, reply.JSON, reply.Serial, reply.Err)
	}
	return text
}

// A cast is seven candidates, some of them good and the others bad.
type cast struct {
	peers []netip.Addr
	good  int // how many are good
}

func (c cast) String() string { return fmt.Sprintf("%d good of %v", c.good, c.peers) }

// goods returns the good ones, whose hosts have the first seven numbers.
func (c cast) goods() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(c.peers), func(ip netip.Addr) bool { return ip.Compare(addr(v4, 7)) > 0 })
}

// casts makes seven good candidates, the bad and the worse ones, and returns all sets of
// seven with from to to good ones, in which each of the bad and of the worse ones has its
// fixed place.
func casts(t *testing.T, from, to int, w weather) []cast {
	t.Helper()
	first := addresses(populate(t, 1, slices.Repeat([]condition{good}, 7), w))
	var all []cast
	for i, others := range [][]condition{bad, worse} {
		other := addresses(populate(t, 8+7*i, others, w))
		for set := range uint(1) << 7 {
			one := cast{peers: slices.Clone(other), good: bits.OnesCount(set)}
			for place := range one.peers {
				if set>>place&1 == 1 {
					one.peers[place] = first[place]
				}
			}
			if from <= one.good && one.good <= to {
				all = append(all, one)
			}
		}
	}
	return all
}

// coverages are how many peers the clients ask at first: all, and 6 of the 7.
var coverages = map[string]int{"all": client.All, "default": 0}

// TestMinority: the right answer arrives from one, two or three good candidates of seven,
// whichever they are, while the others are dead, slow, stale, have another key or clock,
// are cut off or restart all the time.
func TestMinority(t *testing.T) {
	connect(t, ipv4Only)
	var all sync.WaitGroup
	for _, cast := range casts(t, 1, 3, weather{}) {
		for covered, coverage := range coverages {
			c := newClient(t, client.Options{Coverage: coverage}, cast.peers...)
			all.Go(func() {
				for attempt := range 2 { // the second one knows who was silent
					if r, err := queryWithin(t, c, 1200*time.Millisecond); err != nil {
						t.Errorf("%v, coverage %s, attempt %d: %v\n%s", cast, covered, attempt+1, err, tell(r))
					}
				}
			})
		}
	}
	all.Wait()
}

// TestAges: the newest answer arrives from candidates with configurations of different ages
// that all reply.
func TestAges(t *testing.T) {
	connect(t, ipv4Only)
	var ages []condition
	for i := range 7 {
		ages = append(ages, condition{serial: newest - i})
	}
	peers := addresses(populate(t, 1, ages, weather{}))
	for covered, coverage := range coverages {
		t.Run(covered, func(t *testing.T) {
			for range 50 {
				if r, err := query(t.Context(), newClient(t, client.Options{Coverage: coverage}, peers...)); err != nil {
					t.Fatalf("%v\n%s", err, tell(r))
				}
			}
		})
	}
}

// TestAlone: the right answer arrives from the only good candidate of seven, while the six
// others are all in the same condition.
func TestAlone(t *testing.T) {
	for _, other := range slices.Concat(bad, worse) {
		if other.serial > newest || strings.HasPrefix(other.name, "stale") {
			continue // silent like the dead, or as in TestAges
		}
		t.Run(other.name, func(t *testing.T) {
			connect(t, ipv4Only)
			conditions := []condition{good}
			for range 6 {
				conditions = append(conditions, other)
				other.serial = max(0, other.serial-10) // no two agree on an old answer
			}
			peers := addresses(populate(t, 1, conditions, weather{}))
			var all sync.WaitGroup
			for range 4 {
				for covered, coverage := range coverages {
					c := newClient(t, client.Options{Coverage: coverage}, peers...)
					all.Go(func() {
						if r, err := queryWithin(t, c, 700*time.Millisecond); err != nil {
							t.Errorf("coverage %s: %v\n%s", covered, err, tell(r))
						}
					})
				}
			}
			all.Wait()
		})
	}
}

// TestHealthyQuorum: if four or more of seven candidates are good, the answer to a client's
// first question arrives without waiting for bad ones, whichever the good ones are and
// however bad the others. The test counts what the client sends, because it sends less and
// less often while it waits: at most one retry before all are asked, and one after a
// majority agrees.
func TestHealthyQuorum(t *testing.T) {
	connect(t, ipv4Only)
	// The round trip is so long that the client sends its first retry meanwhile.
	sets := casts(t, 4, 7, weather{delay: 150 * time.Millisecond})
	var some errgroup.Group
	some.SetLimit(32)
	for _, cast := range sets {
		for covered, coverage := range coverages {
			some.Go(func() error {
				var sent record
				c := newClient(t, client.Options{Coverage: coverage, Observe: sent.add}, cast.peers...)
				r, err := query(t.Context(), c)
				if err != nil || !r.Agreed {
					t.Errorf("%v, coverage %s: %v\n%s", cast, covered, err, tell(r))
				}
				if before, after := sent.repetitions(cast.goods()); before > 1 || after > 1 {
					t.Errorf("%v, coverage %s: requests were resent %d times before all were asked, and %d times after enough had replied\n%s",
						cast, covered, before, after, tell(r))
				}
				return nil
			})
		}
	}
	some.Wait()
}

// A record is what a client has sent and received, in order.
type record struct {
	mu     sync.Mutex
	events []client.Event
}

func (r *record) add(e client.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// repetitions returns how often a request was resent to the same peer: until the last peer
// was asked, and after four good ones had replied.
func (r *record) repetitions(good []netip.Addr) (before, after int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	resent, counted := make(map[netip.Addr]int), make(map[netip.Addr]int)
	replies := 0
	for _, e := range r.events {
		ip := e.Peer.Addr()
		switch e.Kind {
		case client.Sent:
			for _, n := range resent {
				before = max(before, n)
			}
		case client.Resent:
			resent[ip]++
			if replies >= 4 {
				counted[ip]++
				after = max(after, counted[ip])
			}
		case client.Accepted:
			if slices.Contains(good, ip) {
				replies++
			}
		}
	}
	return before, after
}

// TestRefused asks many candidates that are not running, whose hosts refuse every single
// request: those reports must not prevent sending to another candidate.
func TestRefused(t *testing.T) {
	connect(t, ipv4Only)
	refused := condition{serial: newest, after: func(t *testing.T, c *candidate) {
		c.inside(t, func() {
			// By default hosts report that at most once a second.
			if err := os.WriteFile("/proc/sys/net/ipv4/icmp_ratelimit", []byte("0"), 0); err != nil {
				t.Log(err)
			}
		})
		c.end(t, syscall.SIGTERM)
	}}
	conditions := append(slices.Repeat([]condition{good}, 7), slices.Repeat([]condition{refused}, 6)...)
	peers := addresses(populate(t, 1, conditions, weather{}))
	c := newClient(t, client.Options{Coverage: client.All}, peers...)
	const questions = 1000
	for range questions {
		if r, err := query(t.Context(), c); err != nil || !r.Agreed {
			t.Fatalf("%v\n%s", err, tell(r))
		}
	}
	if sent := c.Stats().Of(client.Sent); sent != uint64(questions*len(peers)) {
		t.Errorf("%d requests were sent instead of %d", sent, questions*len(peers))
	}
	t.Logf("refused %d times", c.Stats().Of(client.Unreachable))
}

// TestWeather asks hundreds of questions, fifty at a time, over networks that lose a
// quarter of the datagrams each way, and repeat and reorder others. Every question gets the
// right answer.
func TestWeather(t *testing.T) {
	connect(t, ipv4Only)
	stale := condition{serial: newest - 1}
	rough := weather{delay: 5 * time.Millisecond, loss: 0.25, duplication: 0.25, reordering: 0.25}
	candidates := populate(t, 1, []condition{good, good, stale, good, stale, good, good}, rough)
	c := newClient(t, client.Options{}, addresses(candidates)...)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 8 {
				if r, err := query(t.Context(), c); err != nil {
					t.Errorf("%v\n%s", err, tell(r))
				}
			}
		})
	}
	all.Wait()
	stats := c.Stats()
	for _, kind := range []client.EventKind{client.Resent, client.Duplicate, client.Late, client.Stale} {
		t.Logf("%s: %d", kind, stats.Of(kind))
		if stats.Of(kind) == 0 {
			t.Errorf("the network is too good: no datagram is %s", kind)
		}
	}
}
