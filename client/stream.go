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

// Replies asks several peers and is the sequence of what each says, as it comes. It
// ends when all have replied, or with an error: *NoReplyError names those that have
// not when ctx ends, which is after 10 seconds when it has no deadline. The other
// errors are those of Query that come before any reply. Ending the loop ends the
// question.
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

// Fresh is a sequence of replies without those that tell nothing new: the same
// answer as the newest before them, or one with a lower serial number. Errors of
// peers are left out once there is an answer, and when the same came before.
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

// sameReply reports whether two replies hold the same answer.
func sameReply[A any](a, b Reply[A]) bool {
	var q question
	return string(a.JSON) == string(b.JSON) || q.canonical(a.JSON) == q.canonical(b.JSON) ||
		reflect.DeepEqual(a.Answer, b.Answer) // lists whose order means nothing are in order there
}

// Watch asks the question again and again, about as often as every says, and is the
// sequence of the results that differ from the one before: the first, and then the
// changes. A failure is delivered once, and the result after it whether it differs or
// not. An answer that is older than the last, by its serial number, is left out
// unless enough peers agree on it and none of the others that reply has a newer one.
// While a change is on its way to the peers they contradict each other: that is a failure
// when it lasts for 2 seconds. The sequence ends when ctx does, or with ErrClosed or another error that will not
// pass.
func Watch[A any](ctx context.Context, c *Client, q Question[A], every time.Duration) iter.Seq2[Result[A], error] {
	return func(yield func(Result[A], error) bool) {
		var (
			known    bool // whether last is what the caller knows
			failing  bool
			disputed time.Time // since when the peers have contradicted each other; zero if they do not
			last     Result[A]
			expected int64 = math.MinInt64 // the serial number of last
		)
		for {
			asking, cancel := context.WithTimeout(ctx, wire.ExpireTimeout*time.Second)
			// While a change is on its way to the peers, a quorum may not have it yet
			// that the caller knows already.
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
