package reload

import "time"

// pace says when to look at a file next. It reads no clock.
type pace struct {
	patience time.Duration // how long the first of several changes waits
	share    int           // looks may take one in so many parts of the time
	longest  time.Duration // the longest pause after a look, unless looks have been many
	burst    time.Duration // how much looks may take at once beyond their share

	first   time.Time // the first change not looked at yet; zero when there is none
	settled time.Time // when the last of them has settled
	paid    time.Time // when the looks so far have had their share
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

// worked begins the pause after a look that took as long as cost. The pause leaves looks
// their share of the time, but is not longer than longest until looks have taken burst
// more than that in all: the second of two changes does not wait for long even where a
// load takes long.
func (p *pace) worked(now time.Time, cost time.Duration) {
	share := time.Duration(p.share)
	p.paid = later(p.paid, now).Add(share * min(cost, p.burst))
	p.rested = later(now.Add(min((share-1)*cost, p.longest)), p.paid.Add(-share*p.burst))
}

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
