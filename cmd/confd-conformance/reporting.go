package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/spf13/pflag"

	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/vectors"
)

// reporting holds the options common to all tests: which of them to run, and how to report.
type reporting struct {
	pattern, knownFailing string
	claim                 string
	list, json, tap       bool
	junit                 string
}

func (r *reporting) register(flags *pflag.FlagSet) {
	flags.StringVar(&r.pattern, "run", "", "run only tests whose id matches `regexp`")
	flags.StringVar(&r.claim, "claim", "", "run only what an implementation that claims `part` must pass: core")
	flags.BoolVar(&r.list, "list", false, "list the tests instead of running them")
	flags.StringVar(&r.knownFailing, "known-failing", "", "`file` with the list of known failures")
	flags.BoolVar(&r.json, "json", false, "print the report as JSON")
	flags.BoolVar(&r.tap, "tap", false, "print the report in the Test Anything Protocol")
	flags.StringVar(&r.junit, "junit", "", "also write a JUnit XML report to `file`")
}

// choice returns which tests to run.
func (r *reporting) choice() (conformance.Choice, error) {
	var c conformance.Choice
	if r.json && r.tap {
		return c, errors.New("use either --json or --tap, not both")
	}
	switch c.Claim = vectors.Claim(r.claim); c.Claim {
	case "", vectors.CoreClaim:
	default:
		return c, fmt.Errorf("--claim: unknown part %.100q, only core", r.claim)
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
	return c, nil
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
