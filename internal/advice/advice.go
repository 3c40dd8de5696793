// Package advice tells people how to use a program: help that fits the terminal, and errors that
// say what to do.
package advice

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
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

// Args turns errors about a command's arguments into usage errors, and those about their number
// into plain words.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		err := check(command, args)
		if err == nil {
			return nil
		}
		text := err.Error()
		if !strings.HasPrefix(text, "accepts ") && !strings.HasPrefix(text, "requires ") {
			return Usage(command, err)
		}
		needed, most := arguments(command.Use)
		if len(args) < len(needed) {
			return Usage(command, errors.New(strings.Join(needed[len(args):], ", then ")+" is missing"))
		}
		return Usage(command, fmt.Errorf("%q is one argument too many", args[most]))
	}
}

// arguments returns from a command's synopsis, such as "ask TYPE [QUERY]", the arguments that it
// needs, and the number of all.
func arguments(use string) (needed []string, most int) {
	_, synopsis, _ := strings.Cut(use, " ")
	if strings.HasPrefix(synopsis, "{") { // one of several words, or none
		return nil, 1
	}
	words := strings.Fields(synopsis)
	for _, word := range words {
		if !strings.HasPrefix(word, "[") {
			needed = append(needed, strings.TrimSuffix(word, "..."))
		}
	}
	return needed, len(words)
}

// Within returns an error about a flag whose value is not from least to most.
func Within[T cmp.Ordered](flag string, value, least, most T) error {
	if value >= least && value <= most { // false for what is not a number
		return nil
	}
	digits := func(limit T) string { // not 1e+07
		if number, is := any(limit).(float64); is {
			return strconv.FormatFloat(number, 'f', -1, 64)
		}
		return fmt.Sprint(limit)
	}
	return fmt.Errorf("--%s %v: must be from %s to %s", flag, value, digits(least), digits(most))
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
