// Package conformance runs tests of the confd protocol against any implementation and
// reports the results. RunServer runs the vectors of spec/vectors against a daemon. The
// reports, the selection of tests and the lists of known failures serve all kinds of tests.
package conformance

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"sync/atomic"

	"gntconfd/internal/testing/vectors"
)

// Case is one test.
type Case struct {
	ID   string `json:"id"` // its area, a slash, and its name
	Note string `json:"note"`
	File string `json:"file"` // that has it, in the folder of the vectors
	// Rule is the id in rules.json of what it tests, and Claim says who must pass it; both are
	// empty for tests of clients.
	Rule      string        `json:"rule,omitempty"`
	Claim     vectors.Claim `json:"claim,omitempty"`
	Deviation string        `json:"deviation,omitempty"` // the id in spec/deviations.json, if the test is about one
}

// Area returns the test's area: its ID up to the last slash.
func (c Case) Area() string { return path.Dir(c.ID) }

// Verdict is the verdict on a test.
type Verdict string

const (
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Known   Verdict = "known"   // failed, as expected
	Skipped Verdict = "skipped" // could not be run
)

// Result is the result of a test.
type Result struct {
	Case
	Verdict Verdict  `json:"verdict"`
	Problem string   `json:"problem,omitempty"` // what is wrong, or why it was skipped
	Reason  string   `json:"reason,omitempty"`  // why it is known to fail
	Details []Detail `json:"details,omitempty"` // what was sent and received; kept for failures
}

// Detail is a part of what happened in a test.
type Detail struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// End sets the verdict: passed without an error, skipped with ErrSkip, and failed
// with any other.
func (r *Result) End(err error) {
	switch {
	case err == nil:
		r.Verdict, r.Problem, r.Details = Passed, "", nil
	case errors.Is(err, ErrSkip):
		r.Verdict, r.Problem = Skipped, err.Error()
	default:
		r.Verdict, r.Problem = Failed, err.Error()
	}
}

// Report has the results of all tests.
type Report struct {
	Subject string    `json:"subject"` // the implementation that was tested
	Release string    `json:"release"` // of the spec and its vectors
	Results []*Result `json:"results"`
	// Problems are problems beyond single tests: outdated entries of the list of known
	// failures.
	Problems []string `json:"problems,omitempty"`
}

// Failed reports whether any test failed or there is any other problem.
func (r *Report) Failed() bool {
	return len(r.Problems) > 0 || r.Count()[Failed] > 0
}

// Count returns the number of tests by verdict.
func (r *Report) Count() map[Verdict]int {
	counts := make(map[Verdict]int)
	for _, result := range r.Results {
		counts[result.Verdict]++
	}
	return counts
}

// Choice says which tests to run, and which failures to expect.
type Choice struct {
	Run   *regexp.Regexp // matches a part of the ids of the tests to run; nil for all
	Claim vectors.Claim  // what the implementation claims: vectors.CoreClaim, or empty for everything
	Known *KnownFailing  // nil for none
	// Progress, if not nil, is told how many tests have ended.
	Progress func(step string)
}

func (c *Choice) chosen(test Case) bool {
	return (c.Run == nil || c.Run.MatchString(test.ID)) && (c.Claim == "" || test.Claim == "" || test.Claim == c.Claim)
}

// Select returns the tests to run.
func (c *Choice) Select(all []Case) []Case {
	return slices.DeleteFunc(slices.Clone(all), func(test Case) bool { return !c.chosen(test) })
}

// Counting returns a function to call with the number of tests finished since its last
// call, from any goroutine. all is the total.
func (c *Choice) Counting(all int) func(more int) {
	var ended atomic.Int64
	return func(more int) {
		if now := ended.Add(int64(more)); c.Progress != nil {
			c.Progress(fmt.Sprintf("%d of %d tests", now, all))
		}
	}
}

// Finish applies the list of known failures to a report: tests on it must fail, and every
// entry must match one of all existing tests.
func (c *Choice) Finish(report *Report, all []Case) {
	for _, result := range report.Results {
		entry := c.Known.find(result.Case)
		switch {
		case entry == nil:
		case result.Verdict == Failed:
			result.Verdict, result.Reason = Known, entry.reason
		case result.Verdict == Passed:
			result.End(fmt.Errorf("it passes, but line %d of %s says that it fails: remove that line", entry.line, c.Known.name))
		}
	}
	for _, entry := range c.Known.unmatched(all) {
		report.Problems = append(report.Problems, fmt.Sprintf("%s:%d: no test matches %s: remove the line", c.Known.name, entry.line, entry.pattern))
	}
}
