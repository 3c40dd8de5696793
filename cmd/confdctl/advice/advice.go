// Package advice adds advice to errors.
package advice

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Error is an error with advice.
type Error struct {
	error
	Advice string
}

// New adds advice to err.
func New(err error, advice string) error { return &Error{err, advice} }

func (e *Error) Unwrap() error { return e.error }

// Usage adds to an error in the command line where to read more, unless the error says so
// itself.
func Usage(command *cobra.Command, err error) error {
	if errors.As(err, new(*Error)) {
		return err
	}
	return &Error{err, "See " + command.CommandPath() + " --help."}
}

// Args turns errors about a command's arguments into usage errors.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return Usage(command, err)
		}
		return nil
	}
}

// Flag makes an error about a command's flags a usage error, in words where it was in
// those of the program's inside, with the flag that may have been meant.
func Flag(command *cobra.Command, err error) error {
	text := err.Error()
	if i := strings.Index(text, ": strconv."); i >= 0 {
		text = text[:i] + ": not a number, or not in its range"
	}
	if i := strings.Index(text, ": time: "); i >= 0 {
		text = text[:i] + ": not a time such as 500ms, 10s or 2m"
	}
	plain := errors.New(text)
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		command.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := Nearest(unknown.GetSpecifiedName(), names); near != "" {
			return New(plain, "Did you mean --"+near+"?")
		}
	}
	return Usage(command, plain)
}
