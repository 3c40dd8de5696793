package bench

import (
	"context"
	"errors"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gntconfd/internal/udp"
)

// Load is how a server is asked. In a closed loop each reply makes room for a new request. In
// an open loop, which has a rate, requests are due at fixed times, whatever becomes of the
// earlier ones.
type Load struct {
	// Window is the number of requests on their way in a closed loop.
	Window int
	// Rate is the number of requests a second in an open loop; 0 for a closed one.
	Rate float64
	// Share, unless it is 0, makes Rate that share of the requests a second that
	// the same server answers in a closed loop.
	Share float64
	// Sockets is the number of sockets that share the load, each with a thread.
	Sockets int
	// Duration is how long requests are sent.
	Duration time.Duration
	// Patience is the time after which a request without a reply is lost.
	Patience time.Duration
	// Noise is the number of broken and forged datagrams a second that are sent meanwhile.
	Noise float64
	// Hostile is the number of datagrams a second that are sent meanwhile to cost the server
	// as much as possible.
	Hostile float64

	stop <-chan struct{} // ends the sending early, unless it is nil
	most int             // requests of each socket in a closed loop, unless it is 0
}

const (
	// ahead is the number of requests of a caller that are made before a load.
	ahead = 1024
	// maxLag is how late the sender of an open loop may be. Requests that have been due for
	// longer count as unsent: then the sender is overloaded.
	maxLag = 100 * time.Millisecond
	// warming is how many times as long as a load it may take to know the replies.
	warming = 4
	// pause is the longest wait for a datagram before checking other things.
	pause = 20 * time.Millisecond
)

// run puts load on a server.
func (l Load) run(ctx context.Context, s *Server, topics []topic) (result, error) {
	callers, err := l.prepare(ctx, s, topics)
	defer closeAll(callers)
	if err != nil {
		return newResult(), err
	}
	return l.drive(ctx, s, callers)
}

func closeAll(callers []*caller) {
	for _, c := range callers {
		c.close()
	}
}

// prepare returns callers for drive, which must be closed in any case. For a closed loop,
// they have sent their requests once, as far as there was time for that, and know the
// replies: to verify them takes longer than to send large ones.
func (l Load) prepare(ctx context.Context, s *Server, topics []topic) (callers []*caller, err error) {
	number := min(l.Sockets, max(l.Window, 1))
	for i := range number {
		c, err := newCaller(s.Addr, s.Key, topics, schedule(topics, uint64(i)))
		if err != nil {
			return callers, err
		}
		callers = append(callers, c)
		c.echo, c.patience = s.echo, l.Patience
		if err := c.prepare(ahead); err != nil {
			return callers, err
		}
	}
	if l.Rate > 0 || l.Window <= 1 {
		return callers, nil
	}
	var group errgroup.Group
	for i, c := range callers {
		group.Go(func() error {
			known := l
			known.most, known.Duration = len(c.requests), warming*l.Duration
			c.begin = time.Now()
			defer func() { c.result, c.waiting = newResult(), nil }()
			return c.closed(ctx, known, (l.Window+i)/number)
		})
	}
	return callers, group.Wait()
}

// drive puts load on a server.
func (l Load) drive(ctx context.Context, s *Server, callers []*caller) (result, error) {
	sum := newResult()
	// Collect the garbage of preparing now, not while latencies are measured.
	runtime.GC()

	noisy, quiet := context.WithCancel(ctx)
	defer quiet()
	var noises errgroup.Group
	noises.Go(func() error { return makeNoise(noisy, s.Addr, l.Noise, broken) })
	noises.Go(func() error {
		return makeNoise(noisy, s.Addr, l.Hostile, func() ([][]byte, error) { return Hostile(), nil })
	})

	var group errgroup.Group
	begin := time.Now()
	for i, c := range callers {
		c.begin = begin
		group.Go(func() error {
			defer lockThread()()
			if l.Rate > 0 {
				return c.open(ctx, l, i, len(callers))
			}
			return c.closed(ctx, l, (l.Window+i)/len(callers))
		})
	}
	err := group.Wait()
	quiet()
	err = errors.Join(err, noises.Wait(), ctx.Err())
	for _, c := range callers {
		sum.add(c.result)
	}
	return sum, err
}

// lockThread gives the goroutine a thread of its own that wakes up on time, and returns a
// function that undoes that.
func lockThread() func() {
	runtime.LockOSThread()
	// If this fails, wake-ups are some 50 us late.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
		runtime.UnlockOSThread()
	}
}

// end returns when sending ends, as far as is known now.
func (l Load) end(known, now time.Duration) time.Duration {
	select {
	case <-l.stop:
		return min(known, now)
	default:
		return known
	}
}

// closed keeps window requests in flight.
func (c *caller) closed(ctx context.Context, l Load, window int) error {
	fill := func(n int, now time.Duration) error {
		for range n {
			if l.most > 0 && c.sent >= l.most {
				break
			}
			if err := c.ask(now, now); err != nil {
				return err
			}
		}
		c.flush()
		return nil
	}
	if err := fill(window, time.Since(c.begin)); err != nil {
		return err
	}
	for end := l.Duration; c.outstanding > 0; {
		replies, now := c.receive(pause)
		lost, err := c.expire(now)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if end = l.end(end, now); now < end {
			if err := fill(replies+lost, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// open sends each request when it is due, the first of all callers one after the
// other. This is caller number of callers.
func (c *caller) open(ctx context.Context, l Load, number, callers int) error {
	interval := float64(time.Second) * float64(callers) / l.Rate
	offset := interval * float64(number) / float64(callers)
	due := time.Duration(offset)
	end := l.Duration
	for n := 0; due < end || c.outstanding > 0; {
		now := time.Since(c.begin)
		end = l.end(end, now)
		for room := udp.BatchSize; room > 0 && due < end && due <= now; {
			if now-due > maxLag {
				c.unsent++
			} else if err := c.ask(due, now); err != nil {
				return err
			} else {
				room--
			}
			n++
			due = time.Duration(offset + float64(n)*interval)
		}
		c.flush()
		// Read what has arrived before sending more, or it would be lost next.
		replies, now := c.receive(0)
		for c.batch.Len() == udp.BatchSize {
			_, now = c.receive(0)
		}
		if _, err := c.expire(now); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if replies == 0 && (due > now || due >= end) {
			wait := pause
			if due < end {
				wait = min(wait, due-now)
			}
			c.conn.Wait(wait)
		}
	}
	return nil
}
