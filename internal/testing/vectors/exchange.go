package vectors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Target is a running daemon.
type Target struct {
	Addr   netip.AddrPort
	Key    []byte // all bytes of its hmac.key
	Config string // the path of its config.data, which error texts contain
	Clock  int64  // its clock in seconds since 1970, if that is stopped; 0 for the system clock
}

// Probe is a datagram for a daemon.
type Probe struct {
	*Message
	Key    []byte // signs the datagram and its answer, if it is not the target's
	Wanted bool   // whether an answer must come, and is worth waiting for
}

// Result is the result of sending a datagram.
type Result struct {
	Sent     []byte  // the datagram sent
	Outcome  Outcome // Answered, AnsweredError, Silent or Garbled
	Reply    *Reply  // nil if Silent or Garbled
	Datagram []byte  // the answer as received; nil if Silent
	// Err is what is wrong with a Garbled answer, or with how an answer came: it wraps
	// ErrGarbled or ErrTwice.
	Err error
}

// ErrTwice means that a datagram got more than one answer.
var ErrTwice = errors.New("more than one answer")

// ErrDeaf means that a daemon no longer answers pings.
var ErrDeaf = errors.New("no answer to a ping")

const (
	// patience is how long a daemon may take to answer a ping; it gets another one every
	// second. Only a failure uses it up.
	patience = 20
	// linger is how long to wait for an unwanted answer, after the answer to a ping.
	linger = 150 * time.Millisecond
	// alignment is how often to retry a datagram that must arrive in the second in which it
	// was built.
	alignment = 5
)

// fence is a ping sent after every datagram: its answer shows that the datagram before it
// got none, without a long wait, even on a slow machine.
var fence = Message{Request: json.RawMessage(`{"protocol":1,"type":0,"rsalt":"fence"}`)}

// Ready waits until the daemon answers a ping, in any way.
func (t Target) Ready(ctx context.Context) error {
	for deadline := time.Now().Add(patience * time.Second); time.Now().Before(deadline); {
		x, err := t.listen(ctx)
		if err != nil {
			return err
		}
		if err = x.send(t, t.Key, &fence); err == nil {
			err = x.read(ctx, t, 100*time.Millisecond, func() bool { return x.fenced || len(x.answers) > 0 })
		}
		x.conn.Close()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return fmt.Errorf("%w within %d seconds", ErrDeaf, patience)
}

// Exchange sends datagrams to the daemon, one after another, and returns the results in the
// same order. Each has its own socket, which stays open until the end, so that late and
// duplicate answers are seen; wanted answers may come up to timeout after the last of the
// others. After an error there are results only for the probes before the one that failed;
// it wraps ErrDeaf if the daemon is the cause. A mute daemon answers nothing, not even
// pings.
func (t Target) Exchange(ctx context.Context, probes []Probe, timeout time.Duration, mute bool) ([]Result, error) {
	var (
		open  []*exchange
		first error
	)
	for _, probe := range probes {
		x, err := t.probe(ctx, probe, mute)
		if err != nil {
			first = err
			break
		}
		defer x.conn.Close()
		open = append(open, x)
	}
	var group sync.WaitGroup
	for i, x := range open {
		group.Go(func() {
			if probes[i].Wanted {
				x.read(ctx, t, timeout, func() bool { return len(x.answers) > 0 })
			}
			x.read(ctx, t, linger, func() bool { return false })
		})
	}
	group.Wait()
	results := make([]Result, len(open))
	for i, x := range open {
		results[i] = x.result(probes[i].Wanted)
	}
	return results, first
}

// probe sends a message, and then pings until one is answered.
func (t Target) probe(ctx context.Context, probe Probe, mute bool) (*exchange, error) {
	align := probe.Datagram != nil && probe.Datagram.Align && t.Clock == 0
	for range alignment {
		if early := time.Now().Truncate(time.Second); align && time.Since(early) > time.Second/2 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Until(early.Add(time.Second))):
			}
		}
		second := time.Now().Unix()
		x, err := t.listen(ctx)
		if err != nil {
			return nil, err
		}
		if probe.Key != nil {
			x.key = probe.Key
		}
		if err = x.send(t, x.key, probe.Message); err == nil && !mute {
			err = x.reach(ctx, t)
		}
		if err == nil && (!align || time.Now().Unix() == second) {
			return x, nil
		}
		x.conn.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no exchange within one second in %d attempts", alignment)
}

// exchange is a datagram in progress.
type exchange struct {
	conn    *net.UDPConn
	key     []byte // of the datagram and its answer; pings have the target's
	sent    []byte
	fenced  bool     // whether the ping after the datagram was answered
	answers []Result // to the datagram, and those that cannot be attributed
	// elsewhere is the last datagram from an address other than the daemon's. It may be
	// unrelated, because ports are reused, so it counts only if there is no answer.
	elsewhere *Result
}

// listen opens the socket for a datagram. It is not connected, so that answers from other
// addresses are seen too.
func (t Target) listen(ctx context.Context) (*exchange, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", ":0")
	if err != nil {
		return nil, err
	}
	return &exchange{conn: conn.(*net.UDPConn), key: t.Key}, nil
}

func (x *exchange) send(t Target, key []byte, m *Message) error {
	now := time.Now()
	if t.Clock != 0 {
		now = time.Unix(t.Clock, 0)
	}
	datagram, err := m.Build(key, now)
	if err != nil {
		return err
	}
	if x.sent == nil {
		x.sent = datagram
	}
	_, err = x.conn.WriteToUDPAddrPort(datagram, t.Addr)
	return err
}

// reach pings the daemon until it answers, or until so many datagrams have arrived that the
// answer must be among them, even if it cannot be identified.
func (x *exchange) reach(ctx context.Context, t Target) error {
	for range patience {
		if err := x.send(t, t.Key, &fence); err != nil {
			return err
		}
		err := x.read(ctx, t, time.Second, func() bool { return x.fenced || len(x.answers) > 1 })
		if err == nil || ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	if len(x.answers) > 0 {
		return nil
	}
	return fmt.Errorf("%w after the datagram within %d seconds", ErrDeaf, patience)
}

// read reads datagrams until it has enough. It returns an error if that takes longer than
// wait.
func (x *exchange) read(ctx context.Context, t Target, wait time.Duration, enough func() bool) error {
	x.conn.SetReadDeadline(time.Now().Add(wait))
	defer context.AfterFunc(ctx, func() { x.conn.SetReadDeadline(time.Now()) })()
	buf := make([]byte, 1<<16)
	for !enough() {
		n, from, err := x.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		x.take(t, bytes.Clone(buf[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
	return nil
}

// take classifies a received datagram.
func (x *exchange) take(t Target, datagram []byte, from netip.AddrPort) {
	ping, _ := ParseReply(datagram, t.Key, t.Config)
	reply, err := ParseReply(datagram, x.key, t.Config)
	there := from == t.Addr
	switch {
	case ping != nil && ping.Salt == "fence", reply == nil && there && bytes.Contains(datagram, []byte(`"fence"`)):
		x.fenced = true
	case !there:
		err = fmt.Errorf("%w: it comes from %s, but %s was asked", ErrGarbled, from, t.Addr)
		x.elsewhere = &Result{Outcome: Garbled, Datagram: datagram, Err: err}
	default:
		x.answers = append(x.answers, Result{Outcome: OutcomeOf(reply), Reply: reply, Datagram: datagram, Err: err})
	}
}

// result summarizes what was received.
func (x *exchange) result(wanted bool) Result {
	result := Result{Outcome: Silent}
	switch {
	case len(x.answers) > 0:
		result = x.answers[0]
	case wanted && x.elsewhere != nil:
		result = *x.elsewhere
	}
	if len(x.answers) > 1 && x.fenced {
		result.Err = fmt.Errorf("%w, the second is %.200q", ErrTwice, x.answers[1].Datagram)
	}
	result.Sent = x.sent
	return result
}

// OutcomeOf returns the outcome that a reply shows: Garbled for nil, which is no reply.
func OutcomeOf(reply *Reply) Outcome {
	switch {
	case reply == nil:
		return Garbled
	case reply.Status == 0:
		return Answered
	}
	return AnsweredError
}

// Judge returns how a result differs from what the vector expects: from what Ganeti's own
// daemon of a release does or, for the release "", from what this project's must do.
func (v *Vector) Judge(got Result, release string) error {
	want, reply := v.Expected(release)
	switch {
	case errors.Is(got.Err, ErrTwice):
		return got.Err
	case got.Outcome != want && got.Reply != nil:
		return fmt.Errorf("%s (%.200s), want %s", got.Outcome, got.Reply.Answer, want)
	case got.Outcome != want && got.Err != nil:
		return fmt.Errorf("%s, want %s: %w", got.Outcome, want, got.Err)
	case got.Outcome != want:
		return fmt.Errorf("%s, want %s", got.Outcome, want)
	case reply != nil:
		return Compare(reply, got.Reply)
	}
	return nil
}
