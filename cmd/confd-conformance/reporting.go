package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/pflag"

	"gntconfd/internal/testing/conformance"
)

// reporting holds the options common to all tests: which of them to run, and how to report.
type reporting struct {
	pattern, knownFailing string
	list, json, tap       bool
	junit                 string
}

func (r *reporting) register(flags *pflag.FlagSet) {
	flags.StringVar(&r.pattern, "run", "", "run only tests whose id matches `regexp`")
	flags.BoolVar(&r.list, "list", false, "list the tests instead of running them")
	flags.StringVar(&r.knownFailing, "known-failing", "", "`file` with the list of known failures")
	flags.BoolVar(&r.json, "json", false, "print the report as JSON")
	flags.BoolVar(&r.tap, "tap", false, "print the report in the Test Anything Protocol")
	flags.StringVar(&r.junit, "junit", "", "also write a JUnit XML report to `file`")
}

// choice returns which tests to run. Progress goes to stderr.
func (r *reporting) choice(stderr io.Writer) (conformance.Choice, error) {
	var c conformance.Choice
	if r.json && r.tap {
		return c, errors.New("use either --json or --tap, not both")
	}
	if r.pattern != "" {
		var err error
		if c.Run, err = regexp.Compile(r.pattern); err != nil {
			return c, fmt.Errorf("--run: %w", err)
		}
	}
	if r.knownFailing != "" {
		f, err := os.Open(r.knownFailing)
		if err != nil {
			return c, fmt.Errorf("--known-failing: %w", err)
		}
		defer f.Close()
		if c.Known, err = conformance.ReadKnownFailing(f, r.knownFailing); err != nil {
			return c, fmt.Errorf("--known-failing: %w", err)
		}
	}
	c.Progress = progress(stderr)
	return c, nil
}

// progress returns a function that shows the progress on a terminal, once a run has taken a
// second. It returns nil if stderr is not a terminal.
func progress(stderr io.Writer) func(ended, all int) {
	terminal, ok := stderr.(*os.File)
	if !ok {
		return nil
	}
	info, err := terminal.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	began := time.Now()
	return func(ended, all int) {
		const line, erase = "\r%d of %d tests, %d s ", "\r\x1b[K"
		if seconds := int(time.Since(began).Seconds()); seconds > 0 {
			fmt.Fprintf(terminal, line, ended, all, seconds)
			if ended == all {
				fmt.Fprint(terminal, erase)
			}
		}
	}
}

// listed prints the selected tests, one per line: the id, a tab and the note.
func listed(w io.Writer, cases []conformance.Case) error {
	for _, c := range cases {
		if _, err := fmt.Fprintf(w, "%s\t%s\n", c.ID, c.Note); err != nil {
			return err
		}
	}
	return nil
}

// write prints the report. It returns errFailed if a test failed.
func (r *reporting) write(w io.Writer, report *conformance.Report) error {
	if len(report.Results) == 0 {
		return errors.New("no test matches --run: see --list")
	}
	if r.junit != "" {
		if err := writeJUnit(r.junit, report); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	form := report.WriteText
	switch {
	case r.json:
		form = report.WriteJSON
	case r.tap:
		form = report.WriteTAP
	}
	if err := form(w); err != nil {
		return err
	}
	if report.Failed() {
		return errFailed
	}
	return nil
}

func writeJUnit(name string, report *conformance.Report) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(report.WriteJUnit(f), f.Close())
}
