package advice

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"gntconfd/internal/terminal"
)

// Program prepares the root command of a program, after its commands are added: help fits
// the terminal, errors about flags become advice, and help and completion of what does not exist
// are errors.
func Program(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(command *cobra.Command, args []string) {
		stdout := command.OutOrStdout()
		var text strings.Builder
		command.SetOut(&text)
		help(command, args)
		command.SetOut(stdout)
		io.WriteString(stdout, terminal.Fit(text.String(), terminal.Width(stdout)))
	})
	root.SetFlagErrorFunc(Flag)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		switch command.Name() {
		case "help":
			command.Args = Args(func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
				}
				return err
			})
		case "completion":
			command.Args = Args(cobra.NoArgs)
			command.RunE = func(command *cobra.Command, _ []string) error { return command.Help() } // so that Args counts
		}
	}
}

// Commands returns a command and all those below it.
func Commands(command *cobra.Command) iter.Seq[*cobra.Command] {
	return func(yield func(*cobra.Command) bool) {
		all := []*cobra.Command{command}
		for len(all) > 0 && yield(all[0]) {
			all = append(all[1:], all[0].Commands()...)
		}
	}
}

// Report prints an error of a program, in the words of text, with its advice.
func Report(stderr io.Writer, program, text string, err error) {
	if advised := (*Error)(nil); errors.As(err, &advised) {
		text += "\n" + strings.ReplaceAll(advised.Advice, "\n", "\n  ")
		text = strings.Replace(text, "\n", "\n  ", 1)
	}
	text = strings.ReplaceAll(text, "\t", "  ") // as in cobra's list of similar commands
	terminal.Say(stderr, program+": "+text)
}
