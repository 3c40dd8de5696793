package conformance

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Column is an implementation in a table of several.
type Column struct {
	Name   string
	Report *Report
}

// WriteTable writes the results of several implementations side by side in Markdown: how many
// tests of each area each one passes, and which deviations the others are about.
func WriteTable(w io.Writer, columns []Column) error {
	var out strings.Builder
	row := func(first string, cell func(*Report) string) {
		fmt.Fprintf(&out, "| %s |", first)
		for _, c := range columns {
			fmt.Fprintf(&out, " %s |", cell(c.Report))
		}
		out.WriteByte('\n')
	}
	head := func(first string) {
		fmt.Fprintf(&out, "| %s |", first)
		for _, c := range columns {
			fmt.Fprintf(&out, " %s |", c.Name)
		}
		fmt.Fprintf(&out, "\n|---|%s\n", strings.Repeat("--:|", len(columns)))
	}
	head("area")
	var names, deviations []string
	for _, c := range columns {
		for _, r := range c.Report.Results {
			if !slices.Contains(names, r.Area()) {
				names = append(names, r.Area())
			}
			if r.Deviation != "" && r.Verdict != Passed && !slices.Contains(deviations, r.Deviation) {
				deviations = append(deviations, r.Deviation)
			}
		}
	}
	for _, name := range names {
		row("`"+name+"`", func(r *Report) string { return passed(r, func(r *Result) bool { return r.Area() == name }) })
	}
	row("**all**", func(r *Report) string { return passed(r, func(*Result) bool { return true }) })
	if len(deviations) > 0 {
		slices.Sort(deviations)
		out.WriteByte('\n')
		head("not passed because of the deviation")
		for _, deviation := range append(deviations, "") {
			row(name(deviation), func(r *Report) string {
				count := 0
				for _, result := range r.Results {
					if result.Deviation == deviation && (result.Verdict == Failed || result.Verdict == Known) {
						count++
					}
				}
				return fmt.Sprint(count)
			})
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// name returns what a row is called that is about a deviation, or none.
func name(deviation string) string {
	if deviation == "" {
		return "for another reason"
	}
	return "`" + deviation + "`"
}

// passed tells how many of some tests are passed.
func passed(r *Report, some func(*Result) bool) string {
	good, all := 0, 0
	for _, result := range r.Results {
		switch {
		case !some(result) || result.Verdict == Skipped:
		case result.Verdict == Passed:
			good, all = good+1, all+1
		default:
			all++
		}
	}
	switch {
	case all == 0:
		return "–"
	case good == all:
		return fmt.Sprint(all)
	}
	return fmt.Sprintf("%d of %d", good, all)
}
