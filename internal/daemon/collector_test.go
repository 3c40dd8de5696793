package daemon

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestPacePercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0:         100,
		1 << 20:   100,
		8 << 20:   53,
		32 << 20:  15,
		128 << 20: 6,
		1 << 34:   3,
	} {
		if got := pacePercent(live); got != want {
			t.Errorf("%d bytes: %d %%, want %d %%", live, got, want)
		}
	}
}

// A collection is forced only if the heap has grown.
func TestTightenOnlyWhatHasGrown(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // only forced collections
	forced := func(c *Collector) uint32 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c.Tighten()
		debug.SetGCPercent(-1)
		runtime.ReadMemStats(&after)
		return after.NumForcedGC - before.NumForcedGC
	}
	lasting := make([]byte, 64<<20)
	var c Collector
	if n := forced(&c); n != 1 {
		t.Errorf("%d collections at first", n)
	}
	if n := forced(&c); n != 0 {
		t.Errorf("%d collections when nothing has changed", n)
	}
	garbage = make([]byte, 8<<20)
	garbage = nil
	if n := forced(&c); n != 1 {
		t.Errorf("%d collections when there is garbage", n)
	}
	runtime.KeepAlive(lasting)
}

var garbage []byte
