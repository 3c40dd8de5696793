package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// verdicts are the columns of the table.
var verdicts = []Verdict{Passed, Failed, Known, Skipped}

// area is a row of the table.
type area struct {
	name    string
	results []*Result
	count   map[Verdict]int
}

// areas groups the results, in their order.
func (r *Report) areas() []*area {
	var (
		areas  []*area
		byName = make(map[string]*area)
	)
	for _, result := range r.Results {
		name := result.Area()
		a := byName[name]
		if a == nil {
			a = &area{name: name, count: make(map[Verdict]int)}
			byName[name] = a
			areas = append(areas, a)
		}
		a.results = append(a.results, result)
		a.count[result.Verdict]++
	}
	return areas
}

// WriteText writes the report as text: a table by area, and the details of failures. Tests
// that failed in the same way before anything was sent are reported together.
func (r *Report) WriteText(w io.Writer) error {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "passed\tfailed\tknown\tskipped\t  area\n")
	row := func(name string, count map[Verdict]int) {
		for _, verdict := range verdicts {
			fmt.Fprintf(table, "%d\t", count[verdict])
		}
		fmt.Fprintf(table, "  %s\n", name)
	}
	for _, area := range r.areas() {
		row(area.name, area.count)
	}
	count := r.Count()
	row("all of "+r.Subject, count)
	table.Flush()

	together := make(map[string]int)
	for _, result := range r.Results {
		if result.Verdict == Failed && len(result.Details) == 0 {
			together[result.Problem]++
		}
	}
	for _, result := range r.Results {
		if result.Verdict != Failed {
			continue
		}
		if len(result.Details) == 0 {
			switch more := together[result.Problem] - 1; {
			case more < 0:
				continue
			case more > 0:
				fmt.Fprintf(&out, "\nFAILED %s and %d more\n", result.ID, more)
			default:
				fmt.Fprintf(&out, "\nFAILED %s\n", result.ID)
			}
			together[result.Problem] = 0
			fmt.Fprintf(&out, "  %s\n", indented(2, result.Problem))
			continue
		}
		fmt.Fprintf(&out, "\nFAILED %s: %s\n  %s\n", result.ID, result.Note, indented(2, result.Problem))
		fmt.Fprintf(&out, "  %-13s  %s\n", "in", result.where())
		for _, detail := range result.Details {
			fmt.Fprintf(&out, "  %-13s  %s\n", detail.Name, indented(2+13+2, detail.Text))
		}
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(&out, "\nFAILED: %s\n", problem)
	}
	switch {
	case r.Failed():
		fmt.Fprintf(&out, "\nNOT CONFORMING: %d of %d failed\n", count[Failed]+len(r.Problems), len(r.Results))
	case count[Known] > 0:
		fmt.Fprintf(&out, "\nconforming, except for %d known failures of %d tests\n", count[Known], len(r.Results))
	default:
		fmt.Fprintf(&out, "\nconforming: %d of %d passed\n", count[Passed], len(r.Results))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// indented returns a text with all lines but the first indented.
func indented(width int, text string) string {
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", width))
}

// WriteJSON writes the whole report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		*Report
		Count  map[Verdict]int `json:"count"`
		Failed bool            `json:"failed"`
	}{r, r.Count(), r.Failed()})
}

// ReadReport reads what WriteJSON has written.
func ReadReport(r io.Reader) (*Report, error) {
	report := new(Report)
	return report, json.NewDecoder(r).Decode(report)
}

// WriteTAP writes the report in version 13 of the Test Anything Protocol. Known failures
// count as skipped.
func (r *Report) WriteTAP(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "TAP version 13\n1..%d\n", len(r.Results)+len(r.Problems))
	for i, result := range r.Results {
		line := fmt.Sprintf("ok %d - %s", i+1, result.ID)
		switch result.Verdict {
		case Failed:
			line = "not " + line
		case Known:
			line += " # SKIP known to fail: " + oneLine(result.Reason)
		case Skipped:
			line += " # SKIP " + oneLine(result.Problem)
		}
		fmt.Fprintln(&out, line)
		if result.Verdict == Failed {
			for line := range strings.Lines(result.text()) {
				fmt.Fprintf(&out, "# %s\n", strings.TrimSuffix(line, "\n"))
			}
		}
	}
	for i, problem := range r.Problems {
		fmt.Fprintf(&out, "not ok %d - known failures\n# %s\n", len(r.Results)+i+1, oneLine(problem))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// where returns the file that has the test, and the rule that it is about.
func (c Case) where() string {
	where := "spec/vectors/" + c.File
	if c.Rule != "" {
		where += fmt.Sprintf(", rule %s (%s)", c.Rule, c.Claim)
	}
	return where
}

// text returns a result in words.
func (r *Result) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n%s\nin: %s\n", r.Note, r.Problem, r.where())
	for _, detail := range r.Details {
		fmt.Fprintf(&out, "%s: %s\n", detail.Name, detail.Text)
	}
	return out.String()
}

// The elements of a JUnit report that all readers understand.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure"`
		Skipped *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit XML, with one suite per area. Known failures count
// as skipped.
func (r *Report) WriteJUnit(w io.Writer) error {
	suites := junitSuites{Name: r.Subject}
	add := func(suite junitSuite) {
		suites.Tests += suite.Tests
		suites.Failures += suite.Failures
		suites.Skipped += suite.Skipped
		suites.Suites = append(suites.Suites, suite)
	}
	for _, area := range r.areas() {
		suite := junitSuite{
			Name: area.name, Tests: len(area.results),
			Failures: area.count[Failed], Skipped: area.count[Known] + area.count[Skipped],
		}
		for _, result := range area.results {
			c := junitCase{Class: area.name, Name: result.ID}
			switch result.Verdict {
			case Failed:
				c.Failure = &junitMessage{result.Problem, result.text()}
			case Known:
				c.Skipped = &junitMessage{Message: "known to fail: " + result.Reason}
			case Skipped:
				c.Skipped = &junitMessage{Message: result.Problem}
			}
			suite.Cases = append(suite.Cases, c)
		}
		add(suite)
	}
	if len(r.Problems) > 0 {
		suite := junitSuite{Name: "known failures", Tests: len(r.Problems), Failures: len(r.Problems)}
		for _, problem := range r.Problems {
			suite.Cases = append(suite.Cases, junitCase{Class: suite.Name, Name: problem, Failure: &junitMessage{Message: problem}})
		}
		add(suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suites); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
