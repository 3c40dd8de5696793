package vectors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Target is a daemon that listens.
type Target struct {
	Addr   string // host:port
	Key    []byte // all bytes of its hmac.key
	Config string // the path of its config.data, which error texts mention
}

// Result is what was seen of a datagram.
type Result struct {
	Outcome  Outcome // Answered, AnsweredError, Silent or Garbled
	Reply    *Reply  // nil when Silent or Garbled
	Datagram []byte  // as it came
	Err      error   // what was wrong with a Garbled one
}

const (
	// patience is how long a daemon may take to answer. It is only ever used up
	// by a failure.
	patience = 20 * time.Second
	// grace is how long an answer that must not come is waited for.
	grace = 50 * time.Millisecond
	// alignment is how often a datagram that must arrive within the second that
	// it was made in is tried.
	alignment = 5
)

// fence is a ping that is sent after every datagram: its answer shows that the
// datagram before it got none, without waiting for long, and on a slow machine
// too.
var fence = Message{Request: json.RawMessage(`{"protocol":1,"type":0,"rsalt":"fence"}`)}

// Run sends the vector to the daemon and tells how what came of it differs from
// what must: from the project's own expectation or, if real, from what Ganeti's
// own daemon does.
func (t Target) Run(ctx context.Context, v *Vector, real bool) error {
	want, reply := v.Expected(real)
	wait := patience
	if want == Silent {
		wait = grace
	}
	var got Result
	var err error
	if v.Outcome == DroppedDisabled && !real {
		got, err = t.ask(ctx, &v.Message, wait, false)
	} else {
		got, err = t.Ask(ctx, &v.Message, wait)
	}
	if err != nil {
		return err
	}
	switch {
	case got.Outcome != want && got.Reply != nil:
		return fmt.Errorf("%s (%.200s), want %s", got.Outcome, got.Reply.Answer, want)
	case got.Outcome != want:
		return errors.Join(fmt.Errorf("%s, want %s", got.Outcome, want), got.Err)
	case reply != nil:
		return Compare(reply, got.Reply)
	}
	return nil
}

// Ask sends one datagram and waits for what comes of it, up to wait longer than
// for the answer to a ping that was sent after it. The error is about the means,
// not the daemon's answer: it is not nil when the daemon does not even answer the
// ping, or answers a datagram more than once.
func (t Target) Ask(ctx context.Context, m *Message, wait time.Duration) (Result, error) {
	if m.Datagram == nil || !m.Datagram.Align {
		return t.ask(ctx, m, wait, true)
	}
	for range alignment {
		if early := time.Now().Truncate(time.Second); time.Since(early) > time.Second/2 {
			select {
			case <-ctx.Done():
				return Result{}, ctx.Err()
			case <-time.After(time.Until(early.Add(time.Second))):
			}
		}
		second := time.Now().Unix()
		result, err := t.ask(ctx, m, wait, true)
		if err != nil || time.Now().Unix() == second {
			return result, err
		}
	}
	return Result{}, fmt.Errorf("no exchange within one second in %d attempts", alignment)
}

// ask sends one datagram and, if told to, the fence behind it.
func (t Target) ask(ctx context.Context, m *Message, wait time.Duration, fencing bool) (Result, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", t.Addr)
	if err != nil {
		return Result{}, err
	}
	defer conn.Close()
	messages, patience := []*Message{m, &fence}, patience
	if !fencing {
		messages, patience = messages[:1], wait
	}
	for _, message := range messages {
		datagram, err := message.Build(t.Key, time.Now())
		if err != nil {
			return Result{}, err
		}
		if _, err := conn.Write(datagram); err != nil {
			return Result{}, err
		}
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })()
	buf := make([]byte, 1<<16)
	result := Result{Outcome: Silent}
	for fenced := !fencing; !fenced || result.Outcome == Silent; {
		n, err := conn.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && fenced && ctx.Err() == nil:
			return result, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return result, fmt.Errorf("%s does not answer a ping", t.Addr)
		case err != nil:
			return result, err
		}
		reply, err := ParseReply(buf[:n], t.Key, t.Config)
		if err == nil && reply.Salt == "fence" {
			fenced = true
			conn.SetReadDeadline(time.Now().Add(wait))
			continue
		}
		if result.Outcome != Silent {
			return result, errors.New("more than one answer")
		}
		result = Result{Outcome: outcome(reply), Reply: reply, Datagram: bytes.Clone(buf[:n]), Err: err}
	}
	return result, nil
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
