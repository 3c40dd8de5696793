package measure

import (
	"slices"
	"testing"

	"gntconfd/gen/wire"
	"gntconfd/internal/bench"
)

// TestMeasuredRequests: each type can be measured by its name.
func TestMeasuredRequests(t *testing.T) {
	for _, name := range wire.RequestWords[:] {
		if !slices.Contains(bench.Questions(), name) {
			t.Errorf("confdctl bench does not know %s", name)
		}
	}
	if slices.Contains(moreQueries(), "ping") || !slices.Contains(moreQueries(), "config-disk") {
		t.Errorf("more queries: %v", moreQueries())
	}
}
