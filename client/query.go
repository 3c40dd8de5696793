package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"gntconfd/gen/wire"
)

// Result is the combined answer of several peers.
type Result[A any] struct {
	Answer A
	JSON   json.RawMessage // the answer as received
	// Serial is the serial number of the object asked about: the cluster, a node or an
	// instance; from a daemon of Ganeti 2.6, that of the configuration. Of two answers the
	// one with the higher serial number is newer.
	Serial int64
	// RoundTrip is the time from the question to the last reply that was needed.
	RoundTrip time.Duration
	// Agreed reports whether a majority gave this answer: 1, 2, 2, 3, 3, 4, 4, 5, 5 of 1 to
	// 9 peers asked. If it is false, others were silent or behind.
	Agreed bool
	// Consistent reports that no peer gave a different answer with the same serial number.
	Consistent bool
	Replies    []Reply[A] // the peers' replies, in the order of their arrival
	Silent     []Silence  // the peers that were asked and had not answered by then
}

// Reply is one peer's answer.
type Reply[A any] struct {
	Peer      string         // as host:port
	Addr      netip.AddrPort // the address that the reply came from
	Answer    A
	JSON      json.RawMessage // as received: the answer, or the error instead of it
	Serial    int64
	Err       error         // why there is no Answer: a *StatusError, or ErrAnswer
	RoundTrip time.Duration // since the first request to this peer
}

func replyOf[A any](o *opinion) Reply[A] {
	value, _ := o.value.(A)
	return Reply[A]{
		Peer: o.peer.name, Addr: o.from, Answer: value, JSON: o.json, Serial: o.serial, Err: o.err, RoundTrip: o.roundTrip,
	}
}

// withDeadline adds the protocol's deadline to a context without one.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, wire.ExpireTimeout*time.Second)
}

// Query asks several peers and returns the best answer: of those without an error, the one
// with the highest serial number. It returns once a majority agrees with it, all peers have
// replied, or ctx ends. Peers beyond the Coverage are asked as soon as those within it
// disagree. Peers that were silent before are asked too, but Query does not wait for them
// once all others have replied.
//
// If ctx ends and there is an answer, Query returns it without an error, with Result.Agreed
// false. The errors are ErrNoReply; a *StatusError if there are only errors;
// ErrInconsistent, with the result filled in all the same; ErrAnswer, ErrTooLarge,
// ErrQuery, ErrClosed, and that of a cancelled ctx.
func Query[A any](ctx context.Context, c *Client, q Question[A]) (Result[A], error) {
	return query(ctx, c, q, math.MinInt64)
}

// query is Query, except that an answer with a lower serial number than expected is not
// enough, even if a majority agrees, as long as another peer may have a newer one.
func query[A any](ctx context.Context, c *Client, q Question[A], expected int64) (Result[A], error) {
	var result Result[A]
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	k, err := c.begin(&q.question)
	if err != nil {
		return result, fmt.Errorf("request type %d: %w", q.typ, err)
	}
	k.thorough = true
	v := votes{question: &q.question}
	err = k.run(ctx, func(o *opinion) bool {
		v.add(o)
		result.Replies = append(result.Replies, replyOf[A](o))
		return v.best.err != nil || v.agreeing < k.needed() || v.best.serial < expected
	})
	result.RoundTrip = time.Since(k.start)
	result.Silent = k.silence()
	switch {
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return result, err
	case v.best == nil:
		return result, &NoReplyError{Asked: result.Silent, Waited: result.RoundTrip, cause: context.Cause(ctx)}
	case v.best.err != nil:
		return result, v.best.err
	}
	best := replyOf[A](v.best)
	result.Answer, result.JSON, result.Serial = best.Answer, best.JSON, best.Serial
	result.Agreed, result.Consistent = v.agreeing >= k.needed(), v.consistent
	switch {
	case !result.Agreed && !v.consistent:
		return result, fmt.Errorf("request type %d: %w at serial %d", q.typ, ErrInconsistent, best.Serial)
	case result.Agreed && c.disagreements.last(&v, time.Now()):
		c.options.Logger.Warn("inconsistent answers", "type", q.Type(), "serial", best.Serial)
	}
	return result, nil
}

// votes finds the best of several opinions.
type votes struct {
	question   *question
	all        []*opinion
	best       *opinion
	agreeing   int  // how many give the same answer as the best
	consistent bool // whether nobody gives a different one with the same serial number
}

// add adds an opinion.
func (v *votes) add(o *opinion) {
	v.all = append(v.all, o)
	v.best, v.agreeing, v.consistent = nil, 0, true
	for _, one := range v.all {
		agreeing := 0
		for _, other := range v.all {
			if v.same(one, other) {
				agreeing++
			}
		}
		if v.best == nil || better(one, v.best) || !better(v.best, one) && agreeing > v.agreeing {
			v.best, v.agreeing = one, agreeing
		}
	}
	for _, other := range v.all {
		if v.best.err == nil && other.err == nil && other.serial == v.best.serial && !v.same(v.best, other) {
			v.consistent = false
		}
	}
}

// better reports whether an opinion beats another, ignoring votes.
func better(a, b *opinion) bool {
	if (a.err == nil) != (b.err == nil) {
		return a.err == nil
	}
	var left, right *StatusError
	if a.err != nil { // a valid answer beats an unreadable one
		return errors.As(a.err, &left) && !errors.As(b.err, &right)
	}
	return a.serial > b.serial
}

// same reports whether two opinions are the same answer, or the same error.
func (v *votes) same(a, b *opinion) bool {
	if (a.err == nil) != (b.err == nil) {
		return false
	}
	return string(a.json) == string(b.json) || v.question.canonical(a.json) == v.question.canonical(b.json)
}
