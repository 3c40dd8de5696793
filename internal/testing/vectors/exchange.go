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

// Target is a daemon that listens.
type Target struct {
	Addr   netip.AddrPort
	Key    []byte // all bytes of its hmac.key
	Config string // the path of its config.data, which error texts mention
	Clock  int64  // its clock, in seconds since 1970, when that stands still; 0 for the system's
}

// Probe is a datagram for a daemon.
type Probe struct {
	*Message
	Wanted bool // whether an answer must come, and is worth waiting for
}

// Result is what came of a datagram.
type Result struct {
	Sent     []byte  // the datagram
	Outcome  Outcome // Answered, AnsweredError, Silent or Garbled
	Reply    *Reply  // nil when Silent or Garbled
	Datagram []byte  // the answer as it came; nil when Silent
	// Err is what was wrong with a Garbled answer, or with the way in which
	// any came: it wraps ErrGarbled or ErrTwice.
	Err error
}

// ErrTwice means that a datagram was answered more than once.
var ErrTwice = errors.New("more than one answer")

// ErrDeaf means that a daemon does not answer pings any more.
var ErrDeaf = errors.New("no answer to a ping")

const (
	// patience is how long a daemon may take to answer a ping; each second that
	// it takes it is sent another. It is only ever used up by a failure.
	patience = 20
	// linger is how long an answer that must not come is waited for, after the
	// answer to a ping.
	linger = 150 * time.Millisecond
	// alignment is how often a datagram that must arrive within the second that
	// it was made in is tried.
	alignment = 5
)

// fence is a ping that is sent after every datagram: its answer shows that the
// datagram before it got none, without waiting for long, and on a slow machine
// too.
var fence = Message{Request: json.RawMessage(`{"protocol":1,"type":0,"rsalt":"fence"}`)}

// Ready waits until the daemon answers a ping, with whatever it may be.
func (t Target) Ready(ctx context.Context) error {
	for deadline := time.Now().Add(patience * time.Second); time.Now().Before(deadline); {
		x, err := listen(ctx)
		if err != nil {
			return err
		}
		if err = x.send(t, &fence); err == nil {
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

// Exchange sends datagrams to the daemon, one after another, and tells what came
// of each, in their order. Every one has a socket of its own that is open until
// the end, so that answers which come late or twice are seen; those that are
// wanted may come up to timeout after the last of the others. The error, which
// wraps ErrDeaf where it is the daemon's doing, means that there are no results
// for the probe that the results end before, and for those behind it. A mute
// daemon answers nothing at all, pings neither.
func (t Target) Exchange(ctx context.Context, probes []Probe, timeout time.Duration, mute bool) ([]Result, error) {
	var (
		open  []*exchange
		first error
	)
	for _, probe := range probes {
		x, err := t.probe(ctx, probe.Message, mute)
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

// probe sends a message, and a ping after it until one is answered.
func (t Target) probe(ctx context.Context, m *Message, mute bool) (*exchange, error) {
	align := m.Datagram != nil && m.Datagram.Align && t.Clock == 0
	for range alignment {
		if early := time.Now().Truncate(time.Second); align && time.Since(early) > time.Second/2 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Until(early.Add(time.Second))):
			}
		}
		second := time.Now().Unix()
		x, err := listen(ctx)
		if err != nil {
			return nil, err
		}
		if err = x.send(t, m); err == nil && !mute {
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

// exchange is a datagram under way.
type exchange struct {
	conn    *net.UDPConn
	sent    []byte
	fenced  bool     // whether the ping behind the datagram was answered
	answers []Result // to the datagram, and those that nobody can tell
	// elsewhere is the last thing that came from another address than the
	// daemon's. It may be a stranger's, as ports are used again and again, and
	// counts only where there is no answer.
	elsewhere *Result
}

// listen opens the socket of a datagram. It is not connected, so that answers from
// elsewhere are seen too.
func listen(ctx context.Context) (*exchange, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", ":0")
	if err != nil {
		return nil, err
	}
	return &exchange{conn: conn.(*net.UDPConn)}, nil
}

func (x *exchange) send(t Target, m *Message) error {
	now := time.Now()
	if t.Clock != 0 {
		now = time.Unix(t.Clock, 0)
	}
	datagram, err := m.Build(t.Key, now)
	if err != nil {
		return err
	}
	if x.sent == nil {
		x.sent = datagram
	}
	_, err = x.conn.WriteToUDPAddrPort(datagram, t.Addr)
	return err
}

// reach pings the daemon until it answers, or until so much has come that the
// answer must be among it, though it cannot be told.
func (x *exchange) reach(ctx context.Context, t Target) error {
	for range patience {
		if err := x.send(t, &fence); err != nil {
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
	return fmt.Errorf("%w behind the datagram within %d seconds", ErrDeaf, patience)
}

// read takes in what comes until enough, or with an error when that takes longer
// than wait.
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

// take sorts a datagram that came.
func (x *exchange) take(t Target, datagram []byte, from netip.AddrPort) {
	reply, err := ParseReply(datagram, t.Key, t.Config)
	there := from == t.Addr
	switch {
	case reply != nil && reply.Salt == "fence", reply == nil && there && bytes.Contains(datagram, []byte(`"fence"`)):
		x.fenced = true
	case !there:
		err = fmt.Errorf("%w: it comes from %s, and %s was asked", ErrGarbled, from, t.Addr)
		x.elsewhere = &Result{Outcome: Garbled, Datagram: datagram, Err: err}
	default:
		x.answers = append(x.answers, Result{Outcome: outcome(reply), Reply: reply, Datagram: datagram, Err: err})
	}
}

// result sums up what came.
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

func outcome(reply *Reply) Outcome {
	switch {
	case reply == nil:
		return Garbled
	case reply.Status == 0:
		return Answered
	}
	return AnsweredError
}

// Judge tells how what came of the vector differs from what must: from what
// Ganeti's own daemon of a release does or, for the release "", from what the project's must do.
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
