package main

import (
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/advice"
	"gntconfd/internal/testing/screen"
)

// TestArgs: every command says in plain words which argument is missing or too many.
func TestArgs(t *testing.T) {
	for command := range advice.Commands(newRoot()) {
		if command.Args == nil {
			continue
		}
		for n := range 6 {
			err := command.Args(command, slices.Repeat([]string{"x"}, n))
			if err != nil && strings.Contains(err.Error(), "arg(s)") {
				t.Errorf("%s with %d arguments: %v", command.CommandPath(), n, err)
			}
		}
	}
}

// TestHelpFits: every command's help fits a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	t.Setenv("GANETI_ROOTDIR", "/nowhere")
	for command := range advice.Commands(newRoot()) {
		screen.Fits(t, append(strings.Fields(command.CommandPath())[1:], "--help"), run)
	}
}

// TestLongArguments: errors repeat a part of a long argument only.
func TestLongArguments(t *testing.T) {
	t.Setenv("GANETI_ROOTDIR", "/nowhere")
	for _, args := range [][]string{
		{"LONG"}, {"--LONG"}, {"help", "LONG"}, {"role", "LONG", "LONG"}, {"ping", "--key-file", "LONG"}, {"ping", "--timeout", "LONG"},
		{"ask", "LONG"}, {"ask", "config", "{LONG"}, {"locate", "LONG"}, {"watch", "LONG"}, {"latency", "LONG"}, {"decode", "--now", "LONG"},
		{"bench", "--mix", "LONG"}, {"bench", "--rate", "LONG"}, {"bench", "--server", "LONG"}, {"bench", "matrix", "--sizes", "LONG"}, {"bench", "writes", "--changes", "LONG"},
		{"gen-cluster", "--nodes", "LONG"}, {"inventory", "prometheus", "LONG"}, {"validate", "LONG"}, {"check", "--warning", "LONG"},
	} {
		screen.Bounded(t, args, run)
	}
}
