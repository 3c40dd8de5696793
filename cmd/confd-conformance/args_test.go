package main

import (
	"strings"
	"testing"

	"gntconfd/internal/advice"
	"gntconfd/internal/testing/screen"
)

// TestHelpFits: every command's help fits a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	for command := range advice.Commands(newRoot()) {
		screen.Fits(t, append(strings.Fields(command.CommandPath())[1:], "--help"), run)
	}
}

// TestLongArguments: errors repeat a part of a long argument only.
func TestLongArguments(t *testing.T) {
	for _, args := range [][]string{
		{"LONG"}, {"--LONG"}, {"help", "LONG"}, {"--run", "(LONG"}, {"--dialect", "LONG"}, {"--ganeti", "LONG"}, {"--claim", "LONG"}, {"--known-failing", "LONG"}, {"--timeout", "LONG"},
		{"table", "LONG"}, {"table", "x=LONG"}, {"server", "LONG"}, {"server", "--", "LONG"}, {"server", "--address", "LONG", "--config", "orders"},
		{"server", "--address", "127.0.0.1:1", "--config", "LONG"}, {"client", "LONG"}, {"client", "--", "LONG"},
	} {
		screen.Bounded(t, args, run)
	}
}
