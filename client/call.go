package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
)

const (
	// firstPause is how long to wait for a reply before the first retry. Each pause is
	// twice as long as the one before, up to longestPause.
	firstPause   = 100 * time.Millisecond
	longestPause = 3200 * time.Millisecond
	// tries is how many unanswered attempts make a peer silent: with the pauses between
	// them, 1.5 seconds.
	tries = 4
	// hopeless is how many failed attempts in a row make a peer unreachable: with the
	// pauses between them, 0.3 seconds.
	hopeless = 3
	// roomy is a size in bytes that most requests fit into.
	roomy = 384
)

// opinion is what one peer says.
type opinion struct {
	peer      *peer
	from      netip.AddrPort
	status    wire.Status
	json      json.RawMessage
	serial    int64
	classic   bool // whether it comes from a daemon of Ganeti 2.6
	roundTrip time.Duration

	value any   // the answer, of the question's type
	err   error // instead of the value: a StatusError, or ErrAnswer
}

// call is one question in progress.
type call struct {
	client   *Client
	question *question
	salt     string
	datagram []byte
	start    time.Time
	thorough bool          // whether to ask the other peers even if these disagree
	wake     chan struct{} // gets an element when something below changes

	// What run knows about the peers' opinions.
	answers, failures int

	mu       sync.Mutex
	coverage int       // how many peers are asked at once
	targets  []*target // in the order in which they are asked
	asked    int       // how many of targets are asked
	arrived  []*opinion
	newest   int64 // the highest serial number of an answer
	counted  bool  // whether there is any answer
}

// target is a peer that is asked, or may be asked later.
type target struct {
	peer      *peer
	addrs     []netip.AddrPort // nil until they are known
	resolving bool             // whether a lookup is running
	sends     int
	nowhere   bool      // whether the last attempt is known to have failed
	streak    int       // how many attempts in a row have failed
	first     time.Time // number of attempts
	replied   bool
	roundTrip time.Duration
	err       error // the last error
}

// needed returns how many of n peers must agree: a majority, as in Ganeti's own client.
func needed(n int) int { return n/2 + 1 }

// begin makes a call for a question. The caller must end it.
func (c *Client) begin(q *question) (*call, error) {
	switch {
	case q.decode == nil:
		return nil, errNoQuestion
	case q.invalid != nil:
		return nil, q.invalid
	}
	if c.closed.Err() != nil {
		return nil, ErrClosed
	}
	c.keys.refresh()
	k := &call{client: c, question: q, salt: rand.Text(), start: time.Now(), wake: make(chan struct{}, 1)}
	request := wire.Request{Protocol: wire.ProtocolVersion, Type: q.typ, Query: q.query, Rsalt: k.salt}

	peers := slices.Clone(*c.peers.Load())
	duplicates := duplicates(peers)
	peers = slices.DeleteFunc(peers, func(p *peer) bool {
		_, fresh := p.known() // by then it may have been changed
		return duplicates[p] && fresh
	})
	mathrand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	// Silent peers come last.
	slices.SortStableFunc(peers, func(a, b *peer) int { return rank(a) - rank(b) })
	for _, p := range peers {
		k.targets = append(k.targets, &target{peer: p})
	}
	k.coverage = len(peers)
	switch c.options.Coverage {
	case All:
	case 0:
		k.coverage = min(k.coverage, wire.DefaultCoverage)
	default:
		k.coverage = min(k.coverage, c.options.Coverage)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if k.datagram, err = c.codec.SealRequest(make([]byte, 0, roomy), &request, time.Now()); err != nil {
		if errors.Is(err, protocol.ErrText) {
			err = fmt.Errorf("%w: %w", ErrQuery, err)
		}
		return nil, err
	}
	c.calls[k.salt] = k
	return k, nil
}

// needed returns how many of the peers asked at once must agree.
func (k *call) needed() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return needed(k.coverage)
}

func rank(p *peer) int {
	if p.silent.Load() {
		return 1
	}
	return 0
}

// end makes replies from now on count as late.
func (k *call) end() {
	k.client.mu.Lock()
	defer k.client.mu.Unlock()
	delete(k.client.calls, k.salt)
}

// run sends the request and passes on the peers' opinions, until each returns false, all
// peers have replied, or ctx ends, which is an error. It goes on to peers that were not
// asked at first if the call is thorough or has no answer yet. Once there is an opinion,
// run does not wait for silent peers longer than they would need.
func (k *call) run(ctx context.Context, each func(*opinion) bool) error {
	defer k.end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k.widen(ctx)
	pause := firstPause
	resend := time.NewTimer(jitter(pause))
	defer resend.Stop()
	var settled <-chan time.Time
	for over, err := false, error(nil); ; {
		for o := k.next(); o != nil; o = k.next() {
			k.question.interpret(o)
			if o.err == nil {
				k.answers++
			} else {
				k.failures++
			}
			if !each(o) {
				return nil
			}
		}
		if over {
			return err
		}
		waiting, awake, slowest := k.outstanding()
		switch {
		case awake:
			settled = nil
		case (k.thorough || k.answers == 0) && k.widen(ctx):
			continue
		case !waiting, k.client.options.GiveUp && k.hopeless():
			return nil
		case settled == nil && k.answers+k.failures > 0:
			settled = time.After(max(firstPause, 2*slowest))
		}
		select {
		case <-ctx.Done():
			k.giveUp()
			over, err = true, ctx.Err()
		case <-k.client.closed.Done():
			return ErrClosed
		case <-settled:
			over = true
		case <-resend.C:
			k.again(ctx)
			pause = min(2*pause, longestPause)
			resend.Reset(jitter(pause))
		case <-k.wake:
		}
	}
}

// widen sends the request to as many more peers as were asked at first. It returns false if
// there are none.
func (k *call) widen(ctx context.Context) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	more := k.targets[k.asked:min(k.asked+k.coverage, len(k.targets))]
	for _, t := range more {
		k.asked++
		k.send(ctx, t)
	}
	return len(more) > 0
}

// again resends the request to peers that have not replied, and sends it to as many others.
func (k *call) again(ctx context.Context) {
	k.mu.Lock()
	for _, t := range k.targets[:k.asked] {
		if !t.replied {
			k.send(ctx, t)
		}
	}
	k.mu.Unlock()
	k.widen(ctx)
}

// send sends the request to a target; if the target has several addresses, to one after the
// other. The caller holds the lock.
func (k *call) send(ctx context.Context, t *target) {
	before := t.sends
	t.sends++
	if !t.nowhere {
		t.streak = 0
	}
	t.nowhere = false
	if t.sends > tries {
		t.peer.silent.Store(true)
	}
	addrs, fresh := t.peer.known()
	if !fresh {
		if !t.resolving {
			t.resolving = true
			go k.resolve(ctx, t)
		}
		return
	}
	t.addrs = addrs
	if t.first.IsZero() {
		t.first = time.Now()
	}
	kind := Sent
	if before > 0 {
		kind = Resent
	}
	addr := addrs[before%len(addrs)]
	if err := k.client.write(k.datagram, addr); err != nil {
		k.failed(t, err)
		return
	}
	k.client.observe(Event{Kind: kind, Peer: addr})
}

// resolve looks up the addresses of a target, and sends it the request.
func (k *call) resolve(ctx context.Context, t *target) {
	err := t.peer.resolve(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	t.resolving = false
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		t.peer.silent.Store(true)
		k.failed(t, err)
	case k.isDuplicate(t):
		k.drop(ctx, t)
	default:
		t.sends, t.err = 0, nil
		k.send(ctx, t)
	}
}

// failed notes that the last attempt for a target failed. The caller holds the lock.
func (k *call) failed(t *target, err error) {
	t.err = err
	if !t.nowhere {
		t.nowhere = true
		t.streak++
	}
	k.wakeUp()
}

// isDuplicate reports whether a target is the same daemon as another one. The caller holds the
// lock.
func (k *call) isDuplicate(t *target) bool {
	var peers []*peer
	for _, other := range k.targets {
		peers = append(peers, other.peer)
	}
	return duplicates(peers)[t.peer]
}

// drop removes a target from the list and asks another in its place. The caller holds the
// lock.
func (k *call) drop(ctx context.Context, t *target) {
	k.targets = slices.DeleteFunc(k.targets, func(other *target) bool { return other == t })
	k.asked--
	k.coverage = min(k.coverage, len(k.targets))
	if k.asked < k.coverage {
		k.asked++
		k.send(ctx, k.targets[k.asked-1])
	}
	k.wakeUp()
}

// hopeless reports whether all peers are unreachable.
func (k *call) hopeless() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !slices.ContainsFunc(k.targets, func(t *target) bool {
		return t.replied || !t.nowhere || t.streak < hopeless
	})
}

// receive handles a reply and returns its kind.
func (k *call) receive(reply *wire.ClassicReply, from netip.AddrPort) (EventKind, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.targets[:k.asked], func(t *target) bool { return slices.Contains(t.addrs, from) })
	if i < 0 {
		return Stranger, 0
	}
	t := k.targets[i]
	if t.replied {
		return Duplicate, 0
	}
	t.replied = true
	t.roundTrip = time.Since(t.first)
	t.peer.silent.Store(false)
	o := &opinion{
		peer: t.peer, from: from, status: reply.Status, json: json.RawMessage(reply.Answer), serial: reply.Serial.Value,
		roundTrip: t.roundTrip,
	}
	if o.json == nil {
		o.json = json.RawMessage("null")
	}
	// Only Ganeti 2.6 and before omit members and send a serial number with errors.
	o.classic = !reply.Serial.Set || reply.Answer == nil || o.status != wire.StatusOK && o.serial != 0
	k.arrived = append(k.arrived, o)
	k.wakeUp()
	if o.status == wire.StatusOK {
		stale := k.counted && o.serial < k.newest
		k.newest, k.counted = max(k.newest, o.serial), true
		if stale {
			return Stale, o.roundTrip
		}
	}
	return Accepted, o.roundTrip
}

// unreachable notes that a datagram to an address was not delivered.
func (k *call) unreachable(addr netip.AddrPort, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.targets[:k.asked] {
		if slices.Contains(t.addrs, addr) && !t.replied {
			t.peer.silent.Store(true)
			k.failed(t, err)
		}
	}
}

// asks reports whether the request was sent to an address.
func (k *call) asks(addr netip.AddrPort) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.targets[:k.asked], func(t *target) bool { return slices.Contains(t.addrs, addr) })
}

// ignored notes that a peer sent something that is not a reply.
func (k *call) ignored(from netip.AddrPort, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.targets[:k.asked] {
		if slices.Contains(t.addrs, from) && !t.replied {
			t.err = fmt.Errorf("ignored a datagram: %w", err)
		}
	}
}

// wakeUp wakes run. The caller holds the lock.
func (k *call) wakeUp() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// next returns the next opinion, or nil.
func (k *call) next() *opinion {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.arrived) == 0 {
		return nil
	}
	o := k.arrived[0]
	k.arrived = k.arrived[1:]
	return o
}

// outstanding reports whether there are peers to wait for, whether any reply has arrived
// meanwhile or may come from peers that are not silent, and how long the slowest reply
// took.
func (k *call) outstanding() (waiting, awake bool, slowest time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	replied := 0
	awake = len(k.arrived) > 0 // a reply that has arrived must be read
	for _, t := range k.targets[:k.asked] {
		if t.replied {
			replied++
			slowest = max(slowest, t.roundTrip)
			continue
		}
		awake = awake || !t.peer.silent.Load()
	}
	return replied < k.asked, awake, slowest
}

// giveUp marks peers as silent that have been asked often enough.
func (k *call) giveUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.targets[:k.asked] {
		if !t.replied && t.sends >= tries {
			t.peer.silent.Store(true)
		}
	}
}

// silence lists the peers that were asked and did not reply in time.
func (k *call) silence() []Silence {
	k.mu.Lock()
	defer k.mu.Unlock()
	var silence []Silence
	for _, t := range k.targets[:k.asked] {
		if !t.replied || slices.ContainsFunc(k.arrived, func(o *opinion) bool { return o.peer == t.peer }) {
			silence = append(silence, Silence{Peer: t.peer.name, Err: t.err})
		}
	}
	return silence
}

// jitter returns a duration of about d, so that clients do not synchronize.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*mathrand.Float64()))
}

// pause waits for about d. It returns false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(jitter(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
