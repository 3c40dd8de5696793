package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"reflect"
	"time"

	"gntconfd/gen/wire"
)

// Replies asks several peers and yields each reply as it arrives. It ends when all have
// replied, or with an error: when ctx ends, or after 10 seconds without a deadline,
// *NoReplyError names the peers that have not replied. The other errors are those of Query
// before any reply. Ending the loop ends the question.
func Replies[A any](ctx context.Context, c *Client, q Question[A]) iter.Seq2[Reply[A], error] {
	return func(yield func(Reply[A], error) bool) {
		ctx, cancel := withDeadline(ctx)
		defer cancel()
		k, err := c.begin(&q.question)
		if err != nil {
			yield(Reply[A]{}, fmt.Errorf("request type %d: %w", q.typ, err))
			return
		}
		goOn := true
		err = k.run(ctx, func(o *opinion) bool {
			goOn = yield(replyOf[A](o), nil)
			return goOn
		})
		silence := k.silence()
		switch {
		case !goOn:
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			yield(Reply[A]{}, err)
		case len(silence) > 0:
			yield(Reply[A]{}, &NoReplyError{Asked: silence, Waited: time.Since(k.start), cause: context.Cause(ctx)})
		}
	}
}

// Fresh yields replies without those that say nothing new: the same answer as the newest
// before, or one with a lower serial number. It skips peers' errors once there is an
// answer, and repeated errors.
func Fresh[A any](replies iter.Seq2[Reply[A], error]) iter.Seq2[Reply[A], error] {
	return func(yield func(Reply[A], error) bool) {
		var (
			answered bool
			newest   Reply[A]
			failures = make(map[string]bool)
		)
		for reply, err := range replies {
			switch {
			case err != nil:
			case reply.Err != nil:
				if answered || failures[string(reply.JSON)] {
					continue
				}
				failures[string(reply.JSON)] = true
			case answered && (reply.Serial < newest.Serial || reply.Serial == newest.Serial && sameReply(reply, newest)):
				continue
			default:
				answered, newest = true, reply
			}
			if !yield(reply, err) {
				return
			}
		}
	}
}

// sameReply reports whether two replies contain the same answer.
func sameReply[A any](a, b Reply[A]) bool {
	var q question
	return string(a.JSON) == string(b.JSON) || q.canonical(a.JSON) == q.canonical(b.JSON) ||
		reflect.DeepEqual(a.Answer, b.Answer) // lists whose order does not matter are sorted there
}

// Watch repeats the question about once per interval every, and yields the results that
// differ from the previous one: the first result, and then the changes. It yields a failure
// once, and the next result even if it has not changed. It skips an answer with a lower
// serial number than the last, unless a majority agrees on it and no other peer that
// replies has a newer one. While a change is being copied to the peers, they contradict
// each other: that is a failure if it lasts for 2 seconds. The sequence ends when ctx does,
// with ErrClosed, or with another permanent error.
func Watch[A any](ctx context.Context, c *Client, q Question[A], every time.Duration) iter.Seq2[Result[A], error] {
	return func(yield func(Result[A], error) bool) {
		var (
			known    bool // whether the caller has received last
			failing  bool
			disputed time.Time // since when the peers have contradicted each other; zero if they do not
			last     Result[A]
			expected int64 = math.MinInt64 // the serial number of last
		)
		for {
			asking, cancel := context.WithTimeout(ctx, wire.ExpireTimeout*time.Second)
			// While a change is being copied to the peers, a majority may not have it yet
			// although the caller has seen it.
			result, err := query(asking, c, q, expected)
			cancel()
			wait := every
			if !errors.Is(err, ErrInconsistent) {
				disputed = time.Time{}
			} else if disputed.IsZero() {
				disputed = time.Now()
			}
			switch {
			case ctx.Err() != nil:
				return
			case !failing && !disputed.IsZero() && time.Since(disputed) < c.disagreements.patience:
				wait = min(every, c.disagreements.patience)
			case err != nil:
				passing := errors.Is(err, ErrNoReply) || errors.Is(err, ErrInconsistent) || errors.Is(err, ErrAnswer) ||
					errors.As(err, new(*StatusError))
				if (!failing || !passing) && !yield(result, err) || !passing {
					return
				}
				failing = true
			case known && result.Serial < last.Serial && !result.Agreed:
			case known && !failing && q.canonical(result.JSON) == q.canonical(last.JSON):
				last, expected = result, result.Serial
			default:
				known, failing, last, expected = true, false, result, result.Serial
				if !yield(result, nil) {
					return
				}
			}
			if !pause(ctx, wait) {
				return
			}
		}
	}
}
