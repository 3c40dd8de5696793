package reload

import "time"

// lasting is how long something is wrong before it is told. Ganeti itself passes
// through such states: a file is empty, or another user's, until it is written, a key is
// gone until the next one comes.
const lasting = time.Second

// alarm says when to tell that something is wrong: once it has been so for a while, and
// again when something else has been. It reads no clock.
type alarm struct {
	lasting time.Duration
	wrong   string    // what is wrong; empty when nothing is
	told    string    // what has been told since nothing was
	due     time.Time // when to tell what is wrong then; zero for never
}

// note notes what is wrong now, if anything. It reports whether this ends what has been
// told.
func (a *alarm) note(now time.Time, wrong string) (over bool) {
	over = wrong == "" && a.told != ""
	a.wrong = wrong
	switch {
	case wrong == "":
		a.told, a.due = "", time.Time{}
	case wrong == a.told:
		a.due = time.Time{}
	case a.due.IsZero():
		a.due = now.Add(a.lasting)
	}
	return over
}

// ring reports whether to tell what is wrong, once.
func (a *alarm) ring(now time.Time) bool {
	if a.due.IsZero() || now.Before(a.due) {
		return false
	}
	a.told, a.due = a.wrong, time.Time{}
	return true
}
