package reload

import "time"

// pace says when to look at the files next. It reads no clock.
type pace struct {
	quiet    time.Duration // how long a change is left to settle
	patience time.Duration // how long the first of several changes waits
	pause    time.Duration // from the end of a load to the next look

	first, last time.Time // the changes not looked at yet; zero when there are none
	rested      time.Time // no look before
	poll        time.Time // no look later
}

// change notes that one of the files may have changed.
func (p *pace) change(now time.Time) {
	if !p.pending() {
		p.first = now
	}
	p.last = now
}

// pending reports whether there are changes that have not been looked at.
func (p *pace) pending() bool { return !p.first.IsZero() }

// loaded begins the pause.
func (p *pace) loaded(now time.Time) { p.rested = now.Add(p.pause) }

// looked notes that the files have been looked at and are to be polled at poll.
func (p *pace) looked(poll time.Time) {
	p.first, p.last, p.poll = time.Time{}, time.Time{}, poll
}

// next returns when to look.
func (p *pace) next() time.Time {
	at := p.poll
	if p.pending() {
		at = earlier(at, earlier(p.last.Add(p.quiet), p.first.Add(p.patience)))
	}
	if at.Before(p.rested) {
		at = p.rested
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
