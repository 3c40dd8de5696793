package ask

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"gntconfd/internal/advice"
)

func TestJudge(t *testing.T) {
	limit := limits{warning: 100, critical: 1500}
	for roundTrip, want := range map[time.Duration]struct {
		health health
		line   string
	}{
		312 * time.Microsecond:  {healthOK, "CONFD OK - version 3000000, serial 73, master node1 | rtt=0.000312s;0.1;1.5;0 serial=73"},
		100 * time.Millisecond:  {healthOK, "CONFD OK - version 3000000, serial 73, master node1 | rtt=0.100000s;0.1;1.5;0 serial=73"},
		101 * time.Millisecond:  {healthWarning, "CONFD WARNING - slow, 101.0 ms, version 3000000, serial 73, master node1 | rtt=0.101000s;0.1;1.5;0 serial=73"},
		1500 * time.Millisecond: {healthWarning, "CONFD WARNING - slow, 1500.0 ms, version 3000000, serial 73, master node1 | rtt=1.500000s;0.1;1.5;0 serial=73"},
		2 * time.Second:         {healthCritical, "CONFD CRITICAL - slow, 2000.0 ms, version 3000000, serial 73, master node1 | rtt=2.000000s;0.1;1.5;0 serial=73"},
	} {
		f := judge(limit, roundTrip, 73, "version 3000000, serial 73, master node1")
		if f.health != want.health || f.Error() != want.line {
			t.Errorf("%v: %d, %s\nwant %d, %s", roundTrip, f.health, f, want.health, want.line)
		}
	}
}

// TestSeconds: limits are shown with no other digits than they were given with.
func TestSeconds(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "0.0001": "0.0000001", "0.1": "0.0001", "0.3": "0.0003", "1": "0.001", "100": "0.1", "60e3": "60", "123456.789": "123.456789",
		"1e-300": "0." + strings.Repeat("0", 302) + "1",
	} {
		ms, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := seconds(ms); got != want {
			t.Errorf("%s ms are %s, want %s", text, got, want)
		}
	}
}

// What a monitoring system reads is one line, and only what follows the one bar in
// it is performance data.
func TestFindingLine(t *testing.T) {
	f := unknown(advice.New(errors.New("a | b\nc"), "Check that\n- d;\n- e."))
	if want := "CONFD UNKNOWN - a / b c. Check that d; e."; f.Error() != want {
		t.Errorf("%s\nwant %s", f, want)
	}
}
