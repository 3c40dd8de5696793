package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// original are the long options of Ganeti's own daemon. An abbreviation that is unique
// among them keeps its meaning, whatever other options exist.
var original = []string{"foreground", "no-user-checks", "debug", "port", "bind", "syslog", "help", "version", "help-completion"}

// expandPrefix returns the full name of an abbreviated long option, if the abbreviation is
// unique.
func expandPrefix(flags *pflag.FlagSet, name string) pflag.NormalizedName {
	if candidates := matching(flags, name); len(candidates) == 1 {
		name = candidates[0]
	}
	return pflag.NormalizedName(name)
}

// matching returns the names of the options that a long option, full or abbreviated, can
// mean.
func matching(flags *pflag.FlagSet, name string) []string {
	var all, first []string
	exact := false
	flags.VisitAll(func(flag *pflag.Flag) {
		exact = exact || flag.Name == name
		if strings.HasPrefix(flag.Name, name) {
			all = append(all, flag.Name)
			if slices.Contains(original, flag.Name) {
				first = append(first, flag.Name)
			}
		}
	})
	switch {
	case exact:
		return []string{name}
	case len(first) > 0:
		return first
	}
	return all
}

// joinSyslog joins --syslog with the next argument if that is a value for it. The value is
// optional.
func joinSyslog(args []string) []string {
	var joined []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) > len("--") && strings.HasPrefix("--syslog", arg) && i+1 < len(args) &&
			slices.Contains([]string{"no", "yes", "only"}, args[i+1]) {
			i++
			arg += "=" + args[i]
		}
		joined = append(joined, arg)
	}
	return joined
}

// parseError returns the message for a parsing error in the words of Ganeti's daemon, and
// the exit code.
func parseError(flags *pflag.FlagSet, err error) (text string, code int) {
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "bool":
		text = fmt.Sprintf("option `--%s' doesn't allow an argument", invalid.GetFlag().Name)
	case errors.As(err, &invalid):
		return fmt.Sprintf("Error while parsing command line arguments:\n%v", err), exitFailure
	case errors.As(err, &missing):
		value, _ := pflag.UnquoteUsage(missing.GetFlag())
		text = fmt.Sprintf("option `%s' requires an argument %s", asTyped(missing.GetSpecifiedName(), missing.GetSpecifiedShortnames()), strings.ToUpper(value))
	case errors.As(err, &unknown):
		name, short := unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()
		text = fmt.Sprintf("unrecognized option `%s'", asTyped(name, short))
		if candidates := matching(flags, name); short == "" && len(candidates) > 1 {
			text = fmt.Sprintf("option `--%s' is ambiguous; could be one of: --%s", name, strings.Join(candidates, ", --"))
		}
	default:
		text = err.Error()
	}
	return "Command line error: " + text, exitUsage
}

// asTyped returns an option as the user wrote it, long or short.
func asTyped(name, short string) string {
	if short != "" {
		return "-" + name
	}
	return "--" + name
}

// completionType is the annotation of an option with the type of its value, in the terms of
// Ganeti's --help-completion.
const completionType = "completion"

// complete sets the type of an option's value, for completion.
func complete(flags *pflag.FlagSet, name, what string) {
	flags.Lookup(name).Annotations = map[string][]string{completionType: {what}}
}

// completion returns the options in the format of Ganeti's --help-completion.
func completion(flags *pflag.FlagSet) string {
	var text strings.Builder
	flags.VisitAll(func(flag *pflag.Flag) {
		what := "string"
		switch flag.Value.Type() {
		case "bool":
			what = "none"
		case "uint16":
			what = "integer"
		}
		if known := flag.Annotations[completionType]; len(known) > 0 {
			what = known[0]
		}
		if flag.Shorthand != "" {
			fmt.Fprintf(&text, "-%s,", flag.Shorthand)
		}
		fmt.Fprintf(&text, "--%s %s\n", flag.Name, what)
	})
	return text.String()
}
