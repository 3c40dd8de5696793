package reload

import "time"

// pace decides when to check a file next. It reads no clock.
type pace struct {
	patience time.Duration // how long the first of several changes waits
	share    int           // checks may take one part in so many of the time
	longest  time.Duration // the longest pause after a check, unless checks have exceeded burst
	burst    time.Duration // how much checks may take at once beyond their share

	first     time.Time // the first change not checked yet; zero if there is none
	settled   time.Time // when the last change counts as settled
	paid      time.Time // when the checks so far will have kept to their share
	notBefore time.Time // no check before this time
	poll      time.Time // no check later than this time
}

// change records that the file may have changed, and how long to wait for further changes.
func (p *pace) change(now time.Time, settle time.Duration) {
	if !p.pending() {
		p.first = now
	}
	p.settled = now.Add(settle)
}

// pending reports whether there are unchecked changes.
func (p *pace) pending() bool { return !p.first.IsZero() }

// worked begins the pause after a check that took cost. The pause keeps checks to their share of
// the time, but is at most longest until checks have exceeded their share by burst: so the
// second of two changes is read soon even if loading takes long.
func (p *pace) worked(now time.Time, cost time.Duration) {
	share := time.Duration(p.share)
	p.paid = later(p.paid, now).Add(share * min(cost, p.burst))
	p.notBefore = later(now.Add(min((share-1)*cost, p.longest)), p.paid.Add(-share*p.burst))
}

// checked records that the file is being checked, and when to poll it next.
func (p *pace) checked(poll time.Time) {
	p.first, p.poll = time.Time{}, poll
}

// pollBy makes the next poll come no later than a time; the zero time changes nothing.
func (p *pace) pollBy(at time.Time) {
	if !at.IsZero() {
		p.poll = earlier(p.poll, at)
	}
}

// wake ends the pause.
func (p *pace) wake() { p.notBefore = time.Time{} }

// next returns when to check.
func (p *pace) next() time.Time {
	at := p.poll
	if p.pending() {
		at = earlier(at, earlier(p.settled, p.first.Add(p.patience)))
	}
	return later(at, p.notBefore)
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
