package reload

import (
	"testing"
	"time"
)

func TestAlarm(t *testing.T) {
	type step struct {
		ms         int
		wrong      string
		over, ring bool
	}
	for name, steps := range map[string][]step{
		"passes":            {{0, "a", false, false}, {99, "a", false, false}, {100, "", false, false}, {300, "", false, false}},
		"lasts":             {{0, "a", false, false}, {100, "a", false, true}, {300, "a", false, false}, {310, "", true, false}},
		"comes again":       {{0, "a", false, false}, {100, "a", false, true}, {110, "", true, false}, {120, "a", false, false}, {220, "a", false, true}},
		"changes":           {{0, "a", false, false}, {60, "b", false, false}, {100, "b", false, true}, {110, "c", false, false}, {150, "d", false, false}, {210, "d", false, true}},
		"changes and back":  {{0, "a", false, false}, {100, "a", false, true}, {110, "b", false, false}, {150, "a", false, false}, {400, "a", false, false}},
		"never quite right": {{0, "a", false, false}, {50, "", false, false}, {60, "a", false, false}, {120, "a", false, false}, {160, "a", false, true}},
	} {
		a := alarm{lasting: 100 * time.Millisecond}
		for _, s := range steps {
			now := time.Unix(1e9, 0).Add(time.Duration(s.ms) * time.Millisecond)
			if over, ring := a.note(now, s.wrong), a.ring(now); over != s.over || ring != s.ring {
				t.Errorf("%s: after %d ms over is %v and ring %v", name, s.ms, over, ring)
			}
		}
	}
}
