package main

import (
	"testing"

	"gntconfd/internal/testing/screen"
)

// TestHelpFits: the help, and the report about a node's files, fit a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	t.Setenv("GANETI_ROOTDIR", "/nowhere/with/a/path/that/is/so/long/that/no/line/with/it/has/room/for/much/else")
	for _, args := range [][]string{{"--help"}, {"--unknown"}, {"--port", "nowhere"}, {"--check-config", "--no-user-checks"}} {
		screen.Fits(t, args, run)
	}
}

// TestLongArguments: errors repeat a part of a long argument only.
func TestLongArguments(t *testing.T) {
	t.Setenv("GANETI_ROOTDIR", t.TempDir())
	for _, args := range [][]string{
		{"LONG"}, {"--LONG"}, {"--port", "LONG"}, {"--check-config", "--no-user-checks", "--dialect", "LONG"}, {"--check-config", "--no-user-checks", "--bind", "LONG"},
		{"--foreground", "--no-user-checks", "--bind", "LONG"}, {"--foreground", "--no-user-checks", "--log-format", "LONG"}, {"--foreground", "--no-user-checks", "--syslog=LONG"},
	} {
		screen.Bounded(t, args, run)
	}
}
