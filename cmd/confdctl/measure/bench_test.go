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

// TestNames: a name may precede a command, which is never mistaken for one.
func TestNames(t *testing.T) {
	for text, want := range map[string][2]string{
		"Ganeti 3.1~rc2: ganeti-confd -f -p {port}": {"Ganeti 3.1~rc2", "exec ganeti-confd -f -p 1"},
		"ganeti-confd -f -p {port}":                 {"compared", "exec ganeti-confd -f -p 1"},
		"A=b c:d --text 'x: y'":                     {"compared", "exec A=b c:d --text 'x: y'"},
		"./daemon --listen [::1]:{port}":            {"compared", "exec ./daemon --listen [::1]:1"},
	} {
		c := named(text, "compared")
		args := c.Command("/root", "1").Args
		if got := [2]string{c.Name, args[len(args)-1]}; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
