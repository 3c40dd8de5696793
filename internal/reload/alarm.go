package reload

import "time"

// lasting is how long a problem must last before it is reported. Ganeti itself causes short
// ones: a file is empty or has another owner until it is written, and a key is missing until the
// new one arrives.
const lasting = time.Second

// alarm decides when to report a problem: once when it has lasted for a while, and again when
// the problem changes. It reads no clock.
type alarm struct {
	lasting time.Duration
	wrong   string    // the present problem; empty when there is none
	told    string    // the problem last reported; empty after the problem has ended
	due     time.Time // when to report the problem; zero for never
}

// note records the present problem, if any. It reports whether this ends a problem that was
// reported.
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

// ring reports whether to report the problem now. It does so once for each problem.
func (a *alarm) ring(now time.Time) bool {
	if a.due.IsZero() || now.Before(a.due) {
		return false
	}
	a.told, a.due = a.wrong, time.Time{}
	return true
}
