package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReplies: every peer's reply as it arrives, and finally who has not replied.
func TestReplies(t *testing.T) {
	t.Parallel()
	order := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})}
	close(order[0])
	c, servers := start(t, Options{},
		after(t, order[0], says(`"a"`, 7)), after(t, order[1], fails(`0`)), after(t, order[2], says(`"b"`, 8)), after(t, order[3], says(`"a"`, 6)))
	var got []string
	for reply, err := range Replies(patient(t), c, Master()) {
		if err != nil {
			t.Fatal(err)
		}
		if reply.RoundTrip <= 0 || !slices.ContainsFunc(servers, func(s *server) bool { return s.name() == reply.Peer && s.addr == reply.Addr }) {
			t.Errorf("reply %+v", reply)
		}
		got = append(got, fmt.Sprintf("%s %d %v", reply.Answer, reply.Serial, errors.Is(reply.Err, ErrUnknownEntry)))
		if len(got) < len(order) {
			close(order[len(got)])
		}
	}
	if diff := cmp.Diff([]string{"a 7 false", " 0 true", "b 8 false", "a 6 false"}, got); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
	if stats := c.Stats(); stats.Of(Accepted) != 3 || stats.Of(Stale) != 1 {
		t.Errorf("counted %v", stats)
	}
}

// TestRepliesSilence: the last error says who did not reply.
func TestRepliesSilence(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{false, true} {
		t.Run(fmt.Sprintf("ctx ends %v", ends), func(t *testing.T) {
			t.Parallel()
			ctx, observe := until(t, Accepted)
			if !ends { // but the peer is given up on
				ctx, observe = patient(t), nil
			}
			c, servers := start(t, Options{Observe: observe}, says(`"a"`, 7), silent)
			var answers int
			var last error
			for _, err := range Replies(ctx, c, Master()) {
				if last != nil {
					t.Error("there is something after the error")
				}
				if last = err; err == nil {
					answers++
				}
			}
			var noReply *NoReplyError
			if answers != 1 || !errors.As(last, &noReply) || len(noReply.Asked) != 1 || noReply.Asked[0].Peer != servers[1].name() || noReply.Waited <= 0 {
				t.Fatalf("%d answers, and %v", answers, last)
			}
			if errors.Is(last, context.DeadlineExceeded) != (ctx.Err() != nil) {
				t.Errorf("got %v", last)
			}
		})
	}
}

// TestRepliesBreak: ending the loop ends the question.
func TestRepliesBreak(t *testing.T) {
	t.Parallel()
	c, _ := start(t, Options{}, says(`"a"`, 7), silent)
	for reply, err := range Fresh(Replies(patient(t), c, Master())) {
		if err != nil || reply.Answer != "a" {
			t.Errorf("got %+v, %v", reply, err)
		}
		break
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.calls) > 0 {
		t.Errorf("%d questions are still known", len(c.calls))
	}
}

// TestFreshReplies: what Fresh does with the replies of servers.
func TestFreshReplies(t *testing.T) {
	t.Parallel()
	var next [5]chan struct{}
	for i := range next {
		next[i] = make(chan struct{})
	}
	var replies atomic.Int64
	c, _ := start(t, Options{Observe: func(e Event) {
		if e.Kind == Accepted || e.Kind == Stale {
			if n := replies.Add(1); int(n) < len(next) {
				close(next[n])
			}
		}
	}}, after(t, next[0], fails(`"no"`)), after(t, next[1], says(`{"a":1,"b":2}`, 7)), after(t, next[2], says(`{"b":2, "a":1}`, 7)),
		after(t, next[3], says(`{}`, 6)), after(t, next[4], says(`{"a":3}`, 8)))
	close(next[0])
	var got []string
	for reply, err := range Fresh(Replies(patient(t), c, Config("/x"))) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(reply.JSON))
	}
	if diff := cmp.Diff([]string{`"no"`, `{"a":1,"b":2}`, `{"a":3}`}, got); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
}

// TestWatch: each change once. The servers go one step further when the test has seen what
// it should see or, if that is nothing, when they were asked again.
func TestWatch(t *testing.T) {
	t.Parallel()
	type step struct {
		handle handler
		want   string // of the result, or empty if there is none
	}
	text := func(serial int64, answer string) string { return fmt.Sprintf("%s %d", answer, serial) }
	steps := []step{
		{says(`["192.0.2.1","192.0.2.2"]`, 7), text(7, `["192.0.2.1","192.0.2.2"]`)},
		{says(`["192.0.2.2","192.0.2.1"]`, 7), ""}, // order does not matter
		{says(`["192.0.2.1","192.0.2.2"]`, 8), ""}, // something else has changed
		{says(`["192.0.2.1"]`, 9), text(9, `["192.0.2.1"]`)},
		{fails(`"no configuration"`), "no configuration"},
		{fails(`"no, still"`), ""},
		{says(`1`, 9), ""}, // another failure in a row
		{says(`["192.0.2.1"]`, 9), text(9, `["192.0.2.1"]`)},
		{fails(`0`), "unknown entry"},
		{says(`["192.0.2.3"]`, 10), text(10, `["192.0.2.3"]`)},
		{says(`["192.0.2.4"]`, 9), text(9, `["192.0.2.4"]`)}, // older, but all agree
		{says(`[]`, 11), text(11, `[]`)},
	}
	var at atomic.Int64      // the step
	var asked [2]atomic.Bool // since it began
	move := func() { at.Add(1); asked[0].Store(false); asked[1].Store(false) }
	serveStep := func(i int) handler {
		return func(r *request) {
			if now := at.Load(); now < int64(len(steps)) {
				if steps[now].want == "" && asked[i].Swap(true) {
					move()
					now++
				}
				steps[now].handle(r)
			}
		}
	}
	c, _ := start(t, Options{}, serveStep(0))
	for result, err := range Watch(patient(t), c, NodeIPs(), time.Microsecond) {
		now := at.Load()
		got := text(result.Serial, string(result.JSON))
		var status *StatusError
		if errors.As(err, &status) {
			got = status.Text
			if status.Code != nil {
				got = status.Code.Error()
			}
		} else if err != nil {
			t.Fatal(err)
		}
		if got != steps[now].want {
			t.Fatalf("step %d: got %q, want %q", now, got, steps[now].want)
		}
		if now == int64(len(steps)-1) {
			break
		}
		move()
	}
}

// TestWatchOlder: an older answer is skipped unless a majority agrees on it.
func TestWatchOlder(t *testing.T) {
	t.Parallel()
	var phase, since atomic.Int64
	newer := func(r *request) {
		switch phase.Load() {
		case 0:
			says(`"new"`, 8)(r)
		case 1: // replies with an error: one older answer of two is left
			fails(`"no"`)(r)
			since.Add(1)
		default:
			says(`"newest"`, 9)(r)
		}
	}
	c, _ := start(t, Options{}, newer, says(`"old"`, 7))
	var got []string
	go func() {
		wait(t, "the watching goes on", func() bool { return since.Load() > 3 })
		phase.Store(2)
	}()
	for result, err := range Watch(patient(t), c, Master(), time.Microsecond) {
		if err != nil {
			t.Fatal(err)
		}
		phase.CompareAndSwap(0, 1)
		if got = append(got, result.Answer); result.Answer == "newest" {
			break
		}
	}
	if diff := cmp.Diff([]string{"new", "newest"}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestWatchMajorityBehind: while most peers lack a change that the caller has seen, their
// older answer is not delivered, although they agree on it.
func TestWatchMajorityBehind(t *testing.T) {
	t.Parallel()
	var phase, older atomic.Int64
	asked := make(map[string]bool) // of the one that is ahead, in phases 1 and 2
	ahead := func(r *request) {
		now := phase.Load()
		if now == 1 || now == 2 { // it replies after the others
			asked[r.Rsalt] = true
			for older.Load() < 2*int64(len(asked)) && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
			phase.Store(int64(len(asked)) + 1)
		}
		[]handler{says(`"new"`, 8), says(`"new"`, 9), says(`"new"`, 9), says(`"newest"`, 10)}[now](r)
	}
	behind := func(r *request) {
		[]handler{fails(`"no"`), says(`"old"`, 7), says(`"old"`, 8), says(`"newest"`, 10)}[phase.Load()](r)
	}
	var first netip.AddrPort
	c, servers := start(t, Options{Observe: func(e Event) {
		if (e.Kind == Accepted || e.Kind == Stale) && e.Peer != first && phase.Load() > 0 {
			older.Add(1)
		}
	}}, ahead, behind, behind)
	first = servers[0].addr
	var got []string
	for result, err := range Watch(patient(t), c, Master(), time.Microsecond) {
		if err != nil {
			t.Fatal(err)
		}
		phase.CompareAndSwap(0, 1)
		if got = append(got, result.Answer); len(got) == 2 {
			break
		}
	}
	if diff := cmp.Diff([]string{"new", "newest"}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestWatchEnds: a watch ends with its context, silently.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	c, servers := start(t, Options{}, says(`"a"`, 7))
	ctx, cancel := context.WithCancel(patient(t))
	n := 0
	for _, err := range Watch(ctx, c, Master(), time.Hour) {
		if err != nil {
			t.Error(err)
		}
		n++
		cancel()
	}
	if n != 1 {
		t.Errorf("%d results", n)
	}
	ctx, cancel = context.WithCancel(patient(t))
	go func() {
		before := servers[0].came.Load()
		wait(t, "the question is asked again", func() bool { return servers[0].came.Load() > before+3 })
		cancel()
	}()
	for range Watch(ctx, c, Master(), time.Millisecond) {
	}
}

// TestSetPeersWithin: the peers can be replaced inside the loop.
func TestSetPeersWithin(t *testing.T) {
	t.Parallel()
	c, servers := start(t, Options{}, says(`["192.0.2.1"]`, 7), says(`["192.0.2.1"]`, 7))
	other := serve(t, "127.0.0.1", says(`["192.0.2.2"]`, 8))
	n := 0
	for _, err := range Replies(patient(t), c, CandidateIPs()) { // replies of the old peers still count
		if err != nil {
			t.Fatal(err)
		}
		n++
		if err := c.SetPeers(other.name()); err != nil {
			t.Error(err)
		}
	}
	if n != len(servers) {
		t.Errorf("%d replies, want %d", n, len(servers))
	}
	result, err := Query(patient(t), c, CandidateIPs())
	if err != nil || len(result.Replies) != 1 || result.Replies[0].Peer != other.name() {
		t.Errorf("got %+v, %v", result, err)
	}
	for result, err := range Watch(patient(t), c, CandidateIPs(), time.Microsecond) {
		if err != nil {
			t.Fatal(err)
		}
		if result.Serial == 7 {
			break
		}
		if err := c.SetPeers(servers[0].name()); err != nil {
			t.Error(err)
		}
	}
}

// TestWatchDisagreement: peers that contradict each other until all have a change are not a
// failure, but a lasting contradiction is one.
func TestWatchDisagreement(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		patience time.Duration
		want     []string
	}{
		{time.Hour, []string{"a", "b"}},
		{0, []string{"a", "inconsistent", "b"}},
	} {
		t.Run(fmt.Sprint(test.patience), func(t *testing.T) {
			t.Parallel()
			// turns answers the first questions in one way and later ones in another.
			turns := func(questions int) handler {
				asked := make(map[string]bool)
				return func(r *request) {
					if asked[r.Rsalt] = true; len(asked) <= questions {
						says(`"a"`, 7)(r)
					} else {
						says(`"b"`, 7)(r)
					}
				}
			}
			c, _ := start(t, Options{}, turns(1), turns(4))
			c.disagreements.patience = test.patience
			var got []string
			for result, err := range Watch(patient(t), c, Master(), time.Millisecond) {
				if errors.Is(err, ErrInconsistent) {
					got = append(got, "inconsistent")
					continue
				} else if err != nil {
					t.Fatal(err)
				}
				if got = append(got, result.Answer); result.Answer == "b" {
					break
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
		})
	}
}
