package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
)

// TestBest: the best of several replies, in whatever order they arrive.
func TestBest(t *testing.T) {
	t.Parallel()
	type want struct {
		json               string
		serial             int64
		agreed, consistent bool
		err                error
	}
	for name, test := range map[string]struct {
		handlers []handler
		want     want
	}{
		"alone":                {[]handler{says(`"a"`, 7)}, want{`"a"`, 7, true, true, nil}},
		"newest of two":        {[]handler{says(`"a"`, 7), says(`"b"`, 8)}, want{`"b"`, 8, false, true, nil}},
		"newest of three":      {[]handler{says(`"a"`, 7), says(`"b"`, 9), says(`"c"`, 8)}, want{`"b"`, 9, false, true, nil}},
		"newest by the digit":  {[]handler{says(`"a"`, 9), says(`"b"`, 10)}, want{`"b"`, 10, false, true, nil}},
		"largest serial":       {[]handler{says(`"a"`, 9223372036854775806), says(`"b"`, 9223372036854775807)}, want{`"b"`, 9223372036854775807, false, true, nil}},
		"answer before errors": {[]handler{fails(`0`), says(`"a"`, 1), fails(`0`)}, want{`"a"`, 1, false, true, nil}},
		"newer, as it was":     {[]handler{says(`"a"`, 7), says(`"a"`, 8)}, want{`"a"`, 8, true, true, nil}},
		"majority":             {[]handler{says(`"a"`, 7), says(`"b"`, 7), says(`"a"`, 7)}, want{`"a"`, 7, true, true, nil}},
		"two and two":          {[]handler{says(`"a"`, 7), says(`"a"`, 7), says(`"b"`, 7), says(`"b"`, 7)}, want{serial: 7, err: ErrInconsistent}},
		"more, but too few":    {[]handler{says(`"a"`, 7), says(`"a"`, 7), says(`"b"`, 7), says(`"c"`, 7)}, want{`"a"`, 7, false, false, ErrInconsistent}},
		"errors that differ":   {[]handler{fails(`0`), fails(`2`), fails(`2`)}, want{err: ErrArgument}},
		"errors that are none": {[]handler{says(`1`, 9), fails(`0`), says(`2`, 9)}, want{err: ErrUnknownEntry}},
		"unreadable":           {[]handler{says(`1`, 9), says(`"a"`, 1)}, want{`"a"`, 1, false, true, nil}},
		"all unreadable":       {[]handler{says(`1`, 9), says(`2`, 1)}, want{err: ErrAnswer}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, backwards := range []bool{false, true} {
				if backwards {
					slices.Reverse(test.handlers)
				}
				c, servers := start(t, Options{}, test.handlers...)
				result, err := Query(patient(t), c, Master())
				if !errors.Is(err, test.want.err) {
					t.Fatalf("error %v, want %v", err, test.want.err)
				}
				if err != nil && result.JSON == nil {
					continue
				}
				got := want{string(result.JSON), result.Serial, result.Agreed, result.Consistent, test.want.err}
				if name == "two and two" { // both are equally good
					got.json = ""
				}
				if name == "majority" { // whether the client waited for the third
					got.consistent = true
				}
				if got != test.want {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
				if len(result.Replies)+len(result.Silent) != len(servers) {
					t.Errorf("replies %v and silence %v, of %d servers", names(result.Replies), result.Silent, len(servers))
				}
				if result.RoundTrip <= 0 {
					t.Errorf("round trip took %v", result.RoundTrip)
				}
			}
		})
	}
}

// TestAgreement: Query returns once a majority agrees, and not before.
func TestAgreement(t *testing.T) {
	t.Parallel()
	for n, enough := range []int{1, 2, 2, 3, 3, 4, 4, 5, 5} {
		n++
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			last := make(chan struct{}) // closed when all others have replied
			var handlers []handler
			for range enough - 1 {
				handlers = append(handlers, says(`"a"`, 7))
			}
			handlers = append(handlers, after(t, last, says(`"a"`, 7)))
			for range n - enough {
				handlers = append(handlers, from(tries+1, says(`"b"`, 8)))
			}
			var accepted atomic.Int64
			observe := func(e Event) {
				if e.Kind == Accepted && accepted.Add(1) == int64(enough-1) {
					close(last)
				}
			}
			if enough == 1 {
				close(last)
			}
			c, servers := start(t, Options{Coverage: All, Observe: observe}, handlers...)
			result, err := Query(patient(t), c, Master())
			if err != nil {
				t.Fatal(err)
			}
			if !result.Agreed || !result.Consistent || result.Answer != "a" {
				t.Errorf("agreed %v, consistent %v, %q", result.Agreed, result.Consistent, result.Answer)
			}
			var want []string
			for _, s := range servers[:enough] {
				want = append(want, s.name())
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, names(result.Replies)); diff != "" {
				t.Errorf("replies (-want +got):\n%s", diff)
			}
			if len(result.Silent) != n-enough {
				t.Errorf("%d are silent, want %d", len(result.Silent), n-enough)
			}
		})
	}
}

// TestReplyFields: what a result contains of each reply.
func TestReplyFields(t *testing.T) {
	t.Parallel()
	c, servers := start(t, Options{}, says(`"a"`, 7))
	result, err := Query(patient(t), c, Master())
	if err != nil {
		t.Fatal(err)
	}
	got := result.Replies[0]
	if got.RoundTrip <= 0 {
		t.Errorf("round trip took %v", got.RoundTrip)
	}
	want := Reply[string]{Peer: servers[0].name(), Addr: servers[0].addr, Answer: "a", JSON: json.RawMessage(`"a"`), Serial: 7, RoundTrip: got.RoundTrip}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

// TestDeadline: when ctx ends, the replies so far count.
func TestDeadline(t *testing.T) {
	t.Parallel()
	ctx, observe := until(t, Accepted)
	c, servers := start(t, Options{Observe: observe}, says(`"a"`, 7), silent, silent)
	result, err := Query(ctx, c, Master())
	if err != nil || result.Answer != "a" || result.Agreed || !result.Consistent {
		t.Fatalf("got %+v, %v", result, err)
	}
	got := []string{result.Silent[0].Peer, result.Silent[1].Peer}
	slices.Sort(got)
	if diff := cmp.Diff([]string{servers[1].name(), servers[2].name()}, got); diff != "" {
		t.Errorf("silent (-want +got):\n%s", diff)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	for name, handlers := range map[string][]handler{"without a reply": {silent}, "with one of three": {says(`"a"`, 7), silent, silent}} {
		ctx, cancel := context.WithCancel(patient(t))
		c, _ := start(t, Options{Observe: func(e Event) {
			if e.Kind == Accepted || e.Kind == Sent && len(handlers) == 1 {
				cancel()
			}
		}}, handlers...)
		if result, err := Query(ctx, c, Master()); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoReply) {
			t.Errorf("%s: got %+v, %v", name, result, err)
		}
		cancel()
		for _, err := range Replies(ctx, c, Master()) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: replies end with %v", name, err)
			}
		}
	}
}

// TestWithDeadline: a context without a deadline gets the protocol's.
func TestWithDeadline(t *testing.T) {
	t.Parallel()
	before := time.Now()
	ctx, cancel := withDeadline(t.Context())
	defer cancel()
	deadline, ok := ctx.Deadline()
	if left := deadline.Sub(before); !ok || left < 10*time.Second || left > 10*time.Second+patience {
		t.Errorf("%v left, want 10 s", left)
	}
	own, cancelOwn := context.WithTimeout(t.Context(), time.Hour)
	defer cancelOwn()
	ctx, cancel = withDeadline(own)
	cancel()
	if ctx.Err() != nil || ctx != own {
		t.Error("a context with a deadline is changed")
	}
}

// TestRefused: peers that refuse datagrams are not waited for once others have answered,
// and are asked last from then on.
func TestRefused(t *testing.T) {
	t.Parallel()
	var seen events
	good := serve(t, "127.0.0.1", says(`"a"`, 7))
	dead := []string{nobody(t), nobody(t), nobody(t)}
	c := newClient(t, Options{Peers: append(dead, good.name()), Observe: seen.observe})
	result, err := Query(patient(t), c, Master())
	if err != nil || result.Answer != "a" || result.Agreed {
		t.Fatalf("got %+v, %v", result, err)
	}
	if len(result.Silent) != len(dead) {
		t.Errorf("%d are silent, want %d", len(result.Silent), len(dead))
	}
	for _, silence := range result.Silent {
		if !errors.Is(silence.Err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v", silence.Peer, silence.Err)
		}
	}
	if got := seen.of(Unreachable); len(got) < len(dead) || !errors.Is(got[0].Err, syscall.ECONNREFUSED) || !slices.Contains(dead, got[0].Peer.String()) {
		t.Errorf("unreachable: %v", got)
	}
	for range 20 {
		q := Master()
		k, err := c.begin(&q.question)
		if err != nil {
			t.Fatal(err)
		}
		k.end()
		if first := k.targets[0].peer.name; first != good.name() {
			t.Fatalf("asks %s first, want %s", first, good.name())
		}
	}
}

// TestRefusedButOne: if only one peer can be reached and gives an error, that is the
// result.
func TestRefusedButOne(t *testing.T) {
	t.Parallel()
	one := serve(t, "127.0.0.1", fails(`"none"`))
	c := newClient(t, Options{Peers: []string{nobody(t), nobody(t), one.name()}})
	var status *StatusError
	if _, err := Query(patient(t), c, Master()); !errors.As(err, &status) || status.Text != "none" {
		t.Errorf("got %v", err)
	}
}

// TestRefusedBesides: refused datagrams do not prevent sending to peers that are alive. It
// took many tries to see this fail.
func TestRefusedBesides(t *testing.T) {
	t.Parallel()
	good := serve(t, "127.0.0.1", silent)
	c := newClient(t, Options{Peers: []string{good.name(), nobody(t), nobody(t), nobody(t), nobody(t), nobody(t)}})
	for range 500 {
		q := Master()
		k, err := c.begin(&q.question)
		if err != nil {
			t.Fatal(err)
		}
		k.widen(t.Context())
		for _, silence := range k.silence() {
			if silence.Peer == good.name() && silence.Err != nil {
				t.Errorf("%s: %v", silence.Peer, silence.Err)
			}
		}
		k.end()
	}
}

// TestRefusedAlone: the error says that nobody listened.
func TestRefusedAlone(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "::1"} {
		dead := netip.AddrPortFrom(netip.MustParseAddr(host), netip.MustParseAddrPort(nobody(t)).Port()).String()
		if conn, err := net.Dial("udp", dead); err != nil {
			t.Skip(err)
		} else {
			conn.Close()
		}
		ctx, observe := until(t, Unreachable)
		c := newClient(t, Options{Peers: []string{dead}, Observe: observe})
		_, err := Query(ctx, c, Ping())
		var noReply *NoReplyError
		if !errors.As(err, &noReply) || !errors.Is(err, ErrNoReply) || !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if len(noReply.Asked) != 1 || noReply.Asked[0].Peer != dead || !strings.Contains(err.Error(), dead+" (connection refused)") {
			t.Errorf("got %v", err)
		}
	}
}

// TestRefusedByAll: with GiveUp, the error comes quickly when nobody can be reached.
func TestRefusedByAll(t *testing.T) {
	t.Parallel()
	var seen events
	peers := []string{nobody(t), nobody(t), nobody(t)}
	c := newClient(t, Options{Peers: peers, Coverage: 2, GiveUp: true, Observe: seen.observe})
	_, err := Query(patient(t), c, Ping())
	var noReply *NoReplyError
	if !errors.As(err, &noReply) || len(noReply.Asked) != len(peers) || !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	sent := make(map[string]int)
	for _, e := range append(seen.of(Sent), seen.of(Resent)...) {
		sent[e.Peer.String()]++
	}
	for _, p := range peers {
		if sent[p] < hopeless {
			t.Errorf("%d requests to %s, want %d at least", sent[p], p, hopeless)
		}
	}
}

// TestUnreachableName: a name that cannot be looked up is tried no longer than an
// unreachable peer.
func TestUnreachableName(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Peers: []string{"no-such-node.invalid"}, GiveUp: true})
	var noReply *NoReplyError
	if _, err := Query(patient(t), c, Ping()); !errors.As(err, &noReply) || !errors.As(err, new(*net.DNSError)) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestHopeless: a peer is unreachable after several failed attempts in a row, however often
// the network reports one of them.
func TestHopeless(t *testing.T) {
	t.Parallel()
	c, servers := start(t, Options{}, silent)
	q := Ping()
	k, err := c.begin(&q.question)
	if err != nil {
		t.Fatal(err)
	}
	defer k.end()
	k.widen(t.Context())
	for i, refused := range []int{1, 5, 0, 1, 2, 1} {
		if k.hopeless() {
			t.Fatalf("given up before attempt %d", i+1)
		}
		for range refused {
			k.unreachable(servers[0].addr, syscall.ECONNREFUSED)
		}
		if i < 5 {
			k.again(t.Context())
		}
	}
	if !k.hopeless() {
		t.Error("not given up")
	}
}

// TestSilentBefore: a silent peer is asked last, and not waited for, until it replies.
func TestSilentBefore(t *testing.T) {
	t.Parallel()
	var deaf atomic.Bool
	deaf.Store(true)
	c, servers := start(t, Options{}, says(`"a"`, 7), func(r *request) {
		if !deaf.Load() {
			says(`"a"`, 7)(r)
		}
	})
	for range 2 {
		result, err := Query(patient(t), c, Master())
		if err != nil || result.Agreed || len(result.Silent) != 1 || result.Silent[0].Peer != servers[1].name() {
			t.Fatalf("got %+v, %v", result, err)
		}
	}
	if came := servers[1].came.Load(); came < tries+2 {
		t.Errorf("the silent peer was asked only %d times", came)
	}
	deaf.Store(false)
	wait(t, "the peer's reply", func() bool {
		result, err := Query(patient(t), c, Master())
		return err == nil && result.Agreed && len(result.Replies) == 2
	})
	if (*c.peers.Load())[1].silent.Load() {
		t.Error("the peer still counts as silent")
	}
}

// TestWiden: if the peers asked first do not help, others are asked.
func TestWiden(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]handler{"silence": silent, "errors": fails(`0`), "unreadable answers": says(`1`, 99)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handlers := []handler{handle, handle, handle, handle, says(`"a"`, 7)}
			c, servers := start(t, Options{Coverage: 1}, handlers...)
			result, err := Query(patient(t), c, Master())
			if err != nil || result.Answer != "a" || !result.Agreed {
				t.Fatalf("got %+v, %v", result, err)
			}
			if servers[4].came.Load() == 0 {
				t.Error("the peer with an answer was not asked")
			}
		})
	}
}

// TestWidenedAreWaitedFor: peers asked later are waited for like those asked first.
func TestWidenedAreWaitedFor(t *testing.T) {
	t.Parallel()
	var (
		mu    sync.Mutex
		order []*server // in the order in which they are asked
		newer = make(chan struct{})
	)
	handle := func(r *request) {
		mu.Lock()
		if !slices.Contains(order, r.server) {
			order = append(order, r.server)
		}
		at := slices.Index(order, r.server)
		mu.Unlock()
		switch at {
		case 0:
			says(`"old"`, 7)(r)
		case 1:
		case 2:
			says(`"new"`, 8)(r)
		case 3:
			after(t, newer, says(`"new"`, 8))(r)
		}
	}
	accepted := 0
	c, _ := start(t, Options{Coverage: 2, Observe: func(e Event) {
		if e.Kind == Accepted || e.Kind == Stale {
			if accepted++; accepted == 2 {
				time.AfterFunc(10*time.Millisecond, func() { close(newer) })
			}
		}
	}}, handle, handle, handle, handle)
	result, err := Query(patient(t), c, Master())
	if err != nil || result.Answer != "new" || !result.Agreed || len(result.Replies) != 3 {
		t.Errorf("got %+v, %v", result, err)
	}
}

// TestReplaceRefused: unreachable peers are replaced by others at once, so that a majority
// is possible.
func TestReplaceRefused(t *testing.T) {
	t.Parallel()
	a, b := serve(t, "127.0.0.1", says(`"a"`, 7)), serve(t, "127.0.0.1", says(`"a"`, 7))
	for range 10 {
		c := newClient(t, Options{Coverage: 2, Peers: []string{a.name(), nobody(t), nobody(t), b.name()}})
		result, err := Query(patient(t), c, Master())
		if err != nil || !result.Agreed {
			t.Fatalf("got %+v, %v", result, err)
		}
	}
}

// TestWidenToAll: if all peers give an error, that is the result.
func TestWidenToAll(t *testing.T) {
	t.Parallel()
	c, servers := start(t, Options{Coverage: 2}, fails(`0`), fails(`0`), fails(`0`), fails(`"text"`))
	result, err := Query(patient(t), c, Master())
	if !errors.Is(err, ErrUnknownEntry) || len(result.Replies) != len(servers) {
		t.Errorf("got %v and replies of %v", err, names(result.Replies))
	}
}

// TestLost: requests are resent.
func TestLost(t *testing.T) {
	t.Parallel()
	var seen events
	c, servers := start(t, Options{Observe: seen.observe}, from(3, says(`"a"`, 7)))
	result, err := Query(patient(t), c, Master())
	if err != nil || !result.Agreed {
		t.Fatalf("got %+v, %v", result, err)
	}
	if sent, again := len(seen.of(Sent)), len(seen.of(Resent)); sent != 1 || again < 2 {
		t.Errorf("sent %d times, and again %d times", sent, again)
	}
	for _, event := range append(seen.of(Resent), seen.of(Accepted)...) {
		if event.Peer != servers[0].addr {
			t.Errorf("%v %v, want %v", event.Kind, event.Peer, servers[0].addr)
		}
	}
	if events := seen.of(Accepted); len(events) != 1 || events[0].RoundTrip < firstPause {
		t.Errorf("accepted %v, want a round trip since the first attempt", events)
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ coverage, want int }{{0, 6}, {1, 1}, {3, 3}, {8, 8}, {9, 8}, {All, 8}} {
		t.Run(fmt.Sprint(test.coverage), func(t *testing.T) {
			t.Parallel()
			handlers := slices.Repeat([]handler{says(`"a"`, 7)}, 8)
			c, _ := start(t, Options{Coverage: test.coverage}, handlers...)
			q := Master()
			k, err := c.begin(&q.question)
			if err != nil {
				t.Fatal(err)
			}
			defer k.end()
			k.widen(t.Context())
			if got := c.Stats().Of(Sent); got != uint64(test.want) || k.needed() != test.want/2+1 {
				t.Errorf("asked %d, need %d", got, k.needed())
			}
		})
	}
}

// TestShuffle: the load is spread over the peers.
func TestShuffle(t *testing.T) {
	t.Parallel()
	c, servers := start(t, Options{Coverage: 1}, says(`"a"`, 7), says(`"a"`, 7), says(`"a"`, 7))
	for range 100 {
		if _, err := Query(patient(t), c, Master()); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range servers {
		if s.came.Load() == 0 {
			t.Errorf("%s was never asked", s.name())
		}
	}
}

// TestIgnored: a datagram that is not a reply to the question does not end it, and is
// counted.
func TestIgnored(t *testing.T) {
	t.Parallel()
	right := replyText(0, `"right"`, 7)
	wrong := replyText(0, `"wrong"`, 8)
	for name, test := range map[string]struct {
		before func(*request)
		kind   EventKind
		err    error
	}{
		"other key":       {func(r *request) { r.write(sealed([]byte("other"), r.Rsalt, wrong)) }, Forged, protocol.ErrHMAC},
		"no signature":    {func(r *request) { r.write([]byte(`plj0{"msg":"{}","salt":"` + r.Rsalt + `","hmac":""}`)) }, Forged, protocol.ErrHMAC},
		"empty":           {func(r *request) { r.write(nil) }, Garbled, protocol.ErrMagic},
		"other magic":     {func(r *request) { r.write(append([]byte("plj1"), sealed(key, r.Rsalt, wrong)[4:]...)) }, Garbled, protocol.ErrMagic},
		"garbage":         {func(r *request) { r.write([]byte("plj0 garbage")) }, Garbled, nil},
		"other protocol":  {func(r *request) { r.reply(strings.Replace(wrong, `"protocol":1`, `"protocol":2`, 1)) }, Garbled, protocol.ErrProtocol},
		"status is text":  {func(r *request) { r.reply(strings.Replace(wrong, `"status":0`, `"status":"0"`, 1)) }, Garbled, nil},
		"no reply":        {func(r *request) { r.reply(`[]`) }, Garbled, nil},
		"its own request": {func(r *request) { r.reply(`{"protocol":1,"type":0,"rsalt":"x"}`) }, Garbled, nil},
		"larger than any": {func(r *request) { r.write(append(sealed(key, r.Rsalt, wrong), make([]byte, 61440)...)) }, Garbled, protocol.ErrTooLarge},
		"other salt":      {func(r *request) { r.write(sealed(key, "x", wrong)) }, Late, nil},
		"empty salt":      {func(r *request) { r.write(sealed(key, "", wrong)) }, Late, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen events
			c, servers := start(t, Options{Observe: seen.observe}, func(r *request) {
				if r.number == 1 {
					test.before(r)
				}
				r.reply(right)
			})
			result, err := Query(patient(t), c, Master())
			if err != nil || result.Answer != "right" || len(result.Replies) != 1 {
				t.Fatalf("got %+v, %v", result, err)
			}
			got := seen.of(test.kind)
			if len(got) == 0 || got[0].Peer != servers[0].addr || test.err != nil && !errors.Is(got[0].Err, test.err) {
				t.Errorf("%v: %v", test.kind, got)
			}
			if stats := c.Stats(); stats.Of(test.kind) == 0 || stats.Ignored() == 0 || stats.Of(Accepted) != 1 {
				t.Errorf("counted %v", stats)
			}
		})
	}
}

// TestIgnoredAlone: the error says what arrived instead of a reply.
func TestIgnoredAlone(t *testing.T) {
	t.Parallel()
	ctx, observe := until(t, Forged)
	c, servers := start(t, Options{Observe: observe}, func(r *request) {
		r.write(sealed([]byte("other"), r.Rsalt, replyText(0, `"wrong"`, 8)))
	})
	_, err := Query(ctx, c, Master())
	if !errors.Is(err, ErrNoReply) || !strings.Contains(err.Error(), servers[0].name()+" (ignored a datagram: signature is not valid for the key)") {
		t.Errorf("got %v", err)
	}
}

// TestDuplicate: a second reply from a peer does not count, whatever it says.
func TestDuplicate(t *testing.T) {
	t.Parallel()
	second := make(chan struct{})
	var once sync.Once
	c, _ := start(t, Options{Observe: func(e Event) {
		if e.Kind == Duplicate {
			once.Do(func() { close(second) })
		}
	}}, func(r *request) {
		says(`"a"`, 7)(r)
		says(`"b"`, 8)(r)
	}, after(t, second, says(`"a"`, 7)))
	result, err := Query(patient(t), c, Master())
	if err != nil || result.Answer != "a" || !result.Agreed || len(result.Replies) != 2 {
		t.Errorf("got %+v, %v", result, err)
	}
}

// TestLate: a reply to a question that has ended is ignored.
func TestLate(t *testing.T) {
	t.Parallel()
	var former atomic.Pointer[request]
	c, _ := start(t, Options{}, func(r *request) {
		if late := former.Swap(r); late != nil && late.Rsalt != r.Rsalt {
			late.reply(replyText(0, `"late"`, 8))
		}
		r.reply(replyText(0, `"now"`, 7))
	})
	for range 3 {
		if result, err := Query(patient(t), c, Master()); err != nil || result.Answer != "now" {
			t.Fatalf("got %+v, %v", result, err)
		}
	}
	if got := c.Stats().Of(Late); got < 2 {
		t.Errorf("%d are late, want 2", got)
	}
	if len(c.calls) > 0 {
		t.Errorf("%d questions are still known", len(c.calls))
	}
}

// TestOutstanding: a reply that has arrived but was not read yet is still expected.
func TestOutstanding(t *testing.T) {
	t.Parallel()
	c, k := waiting()
	codec := protocol.NewCodec(c.keys.ring)
	for _, target := range k.targets[:k.asked] {
		c.open(codec, sealed(key, k.salt, replyText(0, `"a"`, 7)), target.addrs[0])
	}
	for left := k.asked; left > 0; left-- {
		if _, awake, _ := k.outstanding(); !awake || len(k.silence()) != left {
			t.Errorf("with %d replies to look at: awake %v, silent %v", left, awake, k.silence())
		}
		k.next()
	}
	if waiting, awake, _ := k.outstanding(); waiting || awake || len(k.silence()) > 0 {
		t.Errorf("at the end: waiting %v, awake %v, silent %v", waiting, awake, k.silence())
	}
}

// TestNotFromPeers: datagrams from other addresses are not processed, valid or not, and do
// not affect a question.
func TestNotFromPeers(t *testing.T) {
	t.Parallel()
	seen := new(events)
	other := serve(t, "127.0.0.1", silent)
	garbage := []byte(wire.Magic + `{"x":` + strings.Repeat("[", 500))
	c, _ := start(t, Options{Observe: seen.observe}, func(r *request) {
		for range 3 {
			if _, err := other.conn.WriteToUDPAddrPort(garbage, r.from); err != nil {
				t.Error(err)
			}
		}
		r.reply(replyText(0, "3000000", 0))
	})
	if _, err := Query(t.Context(), c, Ping()); err != nil {
		t.Fatal(err)
	}
	wait(t, "the strangers", func() bool { return c.Stats().Of(Stranger) >= 3 }) // more if the request was sent again
	if n := c.Stats().Of(Garbled); n > 0 {
		t.Errorf("%d datagrams from other addresses were processed", n)
	}
}

// The zero Question is an error in every call.
func TestZeroQuestion(t *testing.T) {
	t.Parallel()
	c, s := start(t, Options{}, says("3000000", 0))
	var zero Question[int]
	if _, err := Query(t.Context(), c, zero); !errors.Is(err, ErrQuery) {
		t.Errorf("Query: %v", err)
	}
	for _, err := range Replies(t.Context(), c, zero) {
		if !errors.Is(err, ErrQuery) {
			t.Errorf("Replies: %v", err)
		}
	}
	for _, err := range Watch(t.Context(), c, zero, time.Millisecond) {
		if !errors.Is(err, ErrQuery) {
			t.Errorf("Watch: %v", err)
		}
	}
	if _, err := zero.Decode([]byte("1")); !errors.Is(err, ErrQuery) {
		t.Errorf("Decode: %v", err)
	}
	if n := s[0].came.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// TestStranger: a reply counts only if it comes from where the request went.
func TestStranger(t *testing.T) {
	t.Parallel()
	var seen events
	for _, host := range []string{"127.0.0.1", "127.0.0.9"} { // other port, other address
		other := serve(t, host, silent)
		c, _ := start(t, Options{Observe: seen.observe}, func(r *request) {
			other.conn.WriteToUDPAddrPort(sealed(key, r.Rsalt, replyText(0, `"elsewhere"`, 9)), r.from)
			time.AfterFunc(time.Millisecond, func() { says(`"a"`, 7)(r) })
		})
		result, err := Query(patient(t), c, Master())
		if err != nil || result.Answer != "a" {
			t.Errorf("got %+v, %v", result, err)
		}
		wait(t, "the stranger", func() bool { return c.Stats().Of(Stranger)+c.Stats().Of(Late) > 0 })
		if got := seen.of(Stranger); len(got) > 0 && got[len(got)-1].Peer != other.addr {
			t.Errorf("strangers %v, want %v", got, other.addr)
		}
	}
}

// TestStale: an older reply is a reply all the same.
func TestStale(t *testing.T) {
	t.Parallel()
	newer := make(chan struct{})
	var seen events
	c, servers := start(t, Options{Observe: func(e Event) {
		seen.observe(e)
		if e.Kind == Accepted {
			close(newer)
		}
	}}, says(`"b"`, 8), after(t, newer, says(`"a"`, 7)))
	result, err := Query(patient(t), c, Master())
	if err != nil || result.Answer != "b" || result.Agreed || !result.Consistent || len(result.Replies) != 2 {
		t.Errorf("got %+v, %v", result, err)
	}
	if got := seen.of(Stale); len(got) != 1 || got[0].Peer != servers[1].addr || got[0].RoundTrip <= 0 {
		t.Errorf("stale: %v", got)
	}
	if stats := c.Stats(); stats.Ignored() > stats.Of(Duplicate)+stats.Of(Late) {
		t.Errorf("ignored %v", stats)
	}
}

// TestCannotBeAsked: errors that come before anything is sent.
func TestCannotBeAsked(t *testing.T) {
	t.Parallel()
	c, servers := start(t, Options{}, says(`"a"`, 7))
	for name, test := range map[string]struct {
		question Question[json.RawMessage]
		want     error
	}{
		"too large":         {Config("/" + strings.Repeat("x", wire.MaxDatagramSize)), ErrTooLarge},
		"too large escaped": {Config("/" + strings.Repeat("é", wire.MaxDatagramSize/6)), ErrTooLarge},
		"not UTF-8":         {Config("/\xff"), ErrQuery},
		"number":            {Raw(0, json.RawMessage(`1`)), ErrQuery},
		"list":              {Raw(0, json.RawMessage(`[]`)), ErrQuery},
		"unknown parameter": {Raw(2, json.RawMessage(`{"4":"x"}`)), ErrQuery},
		"unknown field":     {Raw(3, json.RawMessage(`{"3":[3]}`)), ErrQuery},
		"no JSON":           {Raw(0, json.RawMessage(`{`)), ErrQuery},
		"two values":        {Raw(0, json.RawMessage(`"x" "y"`)), ErrQuery},
		"empty":             {Raw(0, json.RawMessage{}), ErrQuery},
		"unknown type":      {Raw(12, nil), ErrQuery},
		"negative type":     {Raw(-1, nil), ErrQuery},
		"huge type":         {Raw(1<<32, nil), ErrQuery},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Query(t.Context(), c, test.question)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "request type ") {
				t.Errorf("got %v, want %v", err, test.want)
			}
			for _, err := range Replies(t.Context(), c, test.question) {
				if !errors.Is(err, test.want) {
					t.Errorf("replies: got %v, want %v", err, test.want)
				}
			}
			n := 0
			for _, err := range Watch(patient(t), c, test.question, time.Millisecond) {
				if n++; n > 1 || !errors.Is(err, test.want) {
					t.Fatalf("watch: got %v for the %d. time, want %v", err, n, test.want)
				}
			}
		})
	}
	if _, err := Query(t.Context(), c, Locate("", netip.Addr{})); !errors.Is(err, ErrQuery) {
		t.Errorf("no address: got %v", err)
	}
	if _, err := Query(t.Context(), c, LocateAll("", netip.IPv6Loopback(), netip.Addr{})); !errors.Is(err, ErrQuery) {
		t.Errorf("some addresses: got %v", err)
	}
	if came := servers[0].came.Load(); came > 0 {
		t.Errorf("%d requests came", came)
	}
	if len(c.calls) > 0 {
		t.Errorf("%d questions are still known", len(c.calls))
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	c, _ := start(t, Options{}, func(*request) { asked <- struct{}{} }, silent)
	var running sync.WaitGroup
	for _, ask := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := Query(ctx, c, Master()); return err },
		func(ctx context.Context) (last error) {
			for _, last = range Replies(ctx, c, Master()) {
			}
			return last
		},
		func(ctx context.Context) (last error) {
			for _, last = range Watch(ctx, c, Master(), time.Millisecond) {
			}
			return last
		},
	} {
		running.Go(func() {
			if err := ask(patient(t)); !errors.Is(err, ErrClosed) {
				t.Errorf("while asking: got %v", err)
			}
		})
		<-asked
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		running.Wait()
		if _, err := Query(patient(t), c, Master()); !errors.Is(err, ErrClosed) {
			t.Errorf("after closing: got %v", err)
		}
	}
}

// TestMany: one client serves many goroutines, each with its own answers.
func TestMany(t *testing.T) {
	t.Parallel()
	echo := func(r *request) { says(fmt.Sprintf("%q", r.Query.Value.String), int64(len(r.Query.Value.String)))(r) }
	handlers := slices.Repeat([]handler{echo}, 8)
	c, servers := start(t, Options{Observe: func(Event) {}}, handlers...)
	var running sync.WaitGroup
	for i := range 40 {
		running.Go(func() {
			for j := range 10 {
				want := strings.Repeat("x", i) + fmt.Sprint(j)
				result, err := Query(patient(t), c, ConfigValue[string](want))
				if err != nil || result.Answer != want || result.Serial != int64(len(want)) || !result.Agreed {
					t.Errorf("got %+v, %v, want %s", result, err, want)
				}
				if i%10 == 0 {
					if err := c.SetPeers(c.Peers()...); err != nil {
						t.Error(err)
					}
					c.Stats()
				}
			}
		})
	}
	running.Wait()
	if got := len(c.Peers()); got != len(servers) {
		t.Errorf("%d peers, want %d", got, len(servers))
	}
}
