package reload

import "time"

// pace says when to look at a file next. It reads no clock.
type pace struct {
	patience time.Duration // how long the first of several changes waits
	pause    time.Duration // from the end of a load to the next look

	first   time.Time // the first change not looked at yet; zero when there is none
	settled time.Time // when the last of them has settled
	rested  time.Time // no look before
	poll    time.Time // no look later
}

// change notes that the file may have changed, and how long that is left
// to settle.
func (p *pace) change(now time.Time, settle time.Duration) {
	if !p.pending() {
		p.first = now
	}
	p.settled = now.Add(settle)
}

// pending reports whether there are changes that have not been looked at.
func (p *pace) pending() bool { return !p.first.IsZero() }

// loaded begins the pause.
func (p *pace) loaded(now time.Time) { p.rested = now.Add(p.pause) }

// looked notes that the file is being looked at, and is to be polled at poll.
func (p *pace) looked(poll time.Time) {
	p.first, p.poll = time.Time{}, poll
}

// pollBy has the file polled at a time, or before; the zero time changes nothing.
func (p *pace) pollBy(at time.Time) {
	if !at.IsZero() {
		p.poll = earlier(p.poll, at)
	}
}

// wake ends the pause.
func (p *pace) wake() { p.rested = time.Time{} }

// next returns when to look.
func (p *pace) next() time.Time {
	at := p.poll
	if p.pending() {
		at = earlier(at, earlier(p.settled, p.first.Add(p.patience)))
	}
	return later(at, p.rested)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
