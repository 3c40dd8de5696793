package terminal

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestProgress: nothing is said of what is soon over; of all else the present step, in one
// line, which is gone in the end.
func TestProgress(t *testing.T) {
	begin := time.Now()
	for name, test := range map[string]struct {
		width int
		after []time.Duration
		want  string
	}{
		"soon over": {80, []time.Duration{time.Second, 1999 * time.Millisecond}, ""},
		"long":      {80, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, "\r\x1b[K2 s: step 2 of it\r\x1b[K3 s: step 3 of it\r\x1b[K"},
		"narrow":    {10, []time.Duration{61 * time.Second}, "\r\x1b[K61 s: ste\r\x1b[K"},
		"no width":  {0, []time.Duration{2 * time.Second}, "\r\x1b[K2 s: step 1 of it\r\x1b[K"},
	} {
		var out strings.Builder
		ticks := make(chan time.Time)
		say, done := follow(&out, test.width, begin, ticks)
		for i, after := range test.after {
			say(fmt.Sprintf("step %d of it", i+1))
			ticks <- begin.Add(after)
			ticks <- begin // which returns when the line is there, and says nothing itself
		}
		done()
		done()
		if out.String() != test.want {
			t.Errorf("%s: %q, want %q", name, out.String(), test.want)
		}
	}
	say, done := Steps(new(strings.Builder))
	say("nothing for a file")
	done()
}
