package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gntconfd/gen/wire"
)

const (
	// firstPause is how long a reply is waited for before the request is sent again.
	// Each pause is twice as long as the one before, up to longestPause.
	firstPause   = 100 * time.Millisecond
	longestPause = 3200 * time.Millisecond
	// tries is how many sendings a peer may leave unanswered before it counts as
	// silent: with the pauses between them, for 1.5 seconds.
	tries = 4
	// hopeless is how many sendings in a row must get nowhere before a peer is out of
	// reach: with the pauses between them they take 0.3 seconds.
	hopeless = 3
	// roomy is a size that most requests fit into, in bytes.
	roomy = 384
)

// opinion is what one peer says.
type opinion struct {
	peer      *peer
	from      netip.AddrPort
	status    wire.Status
	json      json.RawMessage
	serial    int64
	classic   bool // from a daemon of Ganeti 2.6
	roundTrip time.Duration

	value any   // the answer, of the type of the question
	err   error // in its place: StatusError, or ErrAnswer
}

// call is one question on its way.
type call struct {
	client   *Client
	question *question
	salt     string
	datagram []byte
	start    time.Time
	thorough bool          // whether the others are asked as well when they do not
	wake     chan struct{} // has an element when something below has changed

	// What run knows of the peers' opinions.
	answers, failures int

	mu       sync.Mutex
	coverage int       // how many peers are asked at once
	targets  []*target // in the order in which they are asked
	asked    int       // how many of them are
	arrived  []*opinion
	newest   int64 // the highest serial of an answer
	counted  bool  // whether there is any
}

// target is a peer that is asked, or may yet be.
type target struct {
	peer      *peer
	addrs     []netip.AddrPort // nil until they are known
	resolving bool             // whether they are being looked up
	sends     int
	nowhere   bool      // whether the last of them is known not to have got there
	streak    int       // how many in a row have not
	first     time.Time // of the sendings
	replied   bool
	roundTrip time.Duration
	err       error // the last trouble with it
}

// needed returns how many of n peers must agree, as Ganeti's own client has it.
func needed(n int) int { return n/2 + 1 }

// begin makes a call of a question. It must be ended.
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
	doubles := doubles(peers)
	peers = slices.DeleteFunc(peers, func(p *peer) bool {
		_, fresh := p.known() // else it may be another by now
		return doubles[p] && fresh
	})
	mathrand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	// Those that were silent come last.
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
		return nil, err
	}
	c.calls[k.salt] = k
	return k, nil
}

// needed returns how many of the peers that are asked at once must agree.
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

// end lets what comes now count as late.
func (k *call) end() {
	k.client.mu.Lock()
	defer k.client.mu.Unlock()
	delete(k.client.calls, k.salt)
}

// run sends the request and hands out what the peers say, until each returns false,
// all have spoken, or ctx ends, which is an error. A thorough call goes on to those
// that were not asked at first, and so does one that has got no answer yet. Once
// there is something to tell, peers that are known to be silent are not waited for
// any longer than they would need.
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

// widen sends the request to as many more peers as were asked at first, and returns
// whether there are any.
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

// again sends the request to those that have not replied, and to as many others.
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

// send sends the request to a target: to one of its addresses after the other, where
// it has several. The call is locked.
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

// resolve looks the addresses of a target up, and sends it the request.
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
	case k.double(t):
		k.drop(ctx, t)
	default:
		t.sends, t.err = 0, nil
		k.send(ctx, t)
	}
}

// failed notes that the last sending to a target got nowhere. The call is locked.
func (k *call) failed(t *target, err error) {
	t.err = err
	if !t.nowhere {
		t.nowhere = true
		t.streak++
	}
	k.stir()
}

// double reports whether a target is another one by another name. The call is locked.
func (k *call) double(t *target) bool {
	var peers []*peer
	for _, other := range k.targets {
		peers = append(peers, other.peer)
	}
	return doubles(peers)[t.peer]
}

// drop takes a target that is asked off the list, and asks another in its place. The
// call is locked.
func (k *call) drop(ctx context.Context, t *target) {
	k.targets = slices.DeleteFunc(k.targets, func(other *target) bool { return other == t })
	k.asked--
	k.coverage = min(k.coverage, len(k.targets))
	if k.asked < k.coverage {
		k.asked++
		k.send(ctx, k.targets[k.asked-1])
	}
	k.stir()
}

// hopeless reports whether all peers are out of reach.
func (k *call) hopeless() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !slices.ContainsFunc(k.targets, func(t *target) bool {
		return t.replied || !t.nowhere || t.streak < hopeless
	})
}

// receive takes a reply in and says what it is.
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
	// Only Ganeti 2.6 and before leave members out, and give errors a serial.
	o.classic = !reply.Serial.Set || reply.Answer == nil || o.status != wire.StatusOK && o.serial != 0
	k.arrived = append(k.arrived, o)
	k.stir()
	if o.status == wire.StatusOK {
		stale := k.counted && o.serial < k.newest
		k.newest, k.counted = max(k.newest, o.serial), true
		if stale {
			return Stale, o.roundTrip
		}
	}
	return Accepted, o.roundTrip
}

// unreachable notes that what was sent to an address did not get there.
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

// ignored notes that something came from a peer that was no reply.
func (k *call) ignored(from netip.AddrPort, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.targets[:k.asked] {
		if slices.Contains(t.addrs, from) && !t.replied {
			t.err = fmt.Errorf("ignored a datagram: %w", err)
		}
	}
}

// stir wakes run. The call is locked.
func (k *call) stir() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// next returns the next opinion that has arrived, or nil.
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

// outstanding tells whether replies are waited for, whether any of them has come
// since or may come of peers that are not known to be silent, and how long the
// slowest took.
func (k *call) outstanding() (waiting, awake bool, slowest time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	replied := 0
	awake = len(k.arrived) > 0 // which must not be passed over
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

// giveUp marks the peers that have been asked often enough as silent.
func (k *call) giveUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.targets[:k.asked] {
		if !t.replied && t.sends >= tries {
			t.peer.silent.Store(true)
		}
	}
}

// silence lists those that were asked and have not replied, or so late that it made
// no difference.
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

// jitter returns a time of about d, so that clients do not fall into step.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*mathrand.Float64()))
}

// pause waits for about d, and returns whether ctx lasts.
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
