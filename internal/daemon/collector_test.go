package daemon

import "testing"

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
