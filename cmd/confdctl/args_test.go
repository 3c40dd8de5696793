package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestArgs: every command says in plain words which argument is missing or too many.
func TestArgs(t *testing.T) {
	commands := []*cobra.Command{newRoot()}
	for len(commands) > 0 {
		command := commands[0]
		commands = append(commands[1:], command.Commands()...)
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
