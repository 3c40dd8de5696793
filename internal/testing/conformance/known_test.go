package conformance

import (
	"strings"
	"testing"
)

const list = `
# what is known
deviation:utf-8  # sends the wrong bytes
3.0/clock/zero   # reads it as now
3.0/size/*       # has small buffers
`

func known(t *testing.T) *KnownFailing {
	t.Helper()
	k, err := ReadKnownFailing(strings.NewReader(list), "list.txt")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestReadKnownFailing(t *testing.T) {
	for name, test := range map[string]struct{ text, problem string }{
		"no reason":     {"\n3.0/clock/zero\n", "list.txt:2: 3.0/clock/zero has no reason"},
		"empty reason":  {"3.0/clock/zero #\n", "list.txt:1: 3.0/clock/zero has no reason"},
		"broken":        {"3.0/[ # why\n", "list.txt:1: 3.0/[: syntax error in pattern"},
		"line too long": {strings.Repeat("x", 1<<20), "list.txt: bufio.Scanner: token too long"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadKnownFailing(strings.NewReader(test.text), "list.txt"); err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("error %v, want one with %q", err, test.problem)
			}
		})
	}
}

func TestFinish(t *testing.T) {
	cases := map[string]struct {
		before  Verdict
		want    Verdict
		mention string
	}{
		"3.0/clock/zero":   {Failed, Known, "reads it as now"},
		"3.0/clock/other":  {Failed, Failed, ""},
		"3.0/size/large":   {Failed, Known, "has small buffers"},
		"3.0/size/small":   {Passed, Failed, "line 5 of list.txt"},
		"3.0/size/skipped": {Skipped, Skipped, ""},
		"3.0/size/a/b":     {Failed, Failed, ""},
		"3.0/text/one":     {Failed, Known, "sends the wrong bytes"},
		"3.0/node/one":     {Passed, Passed, ""},
	}
	choice := Choice{Known: known(t)}
	var report Report
	var all []Case
	for id, c := range cases {
		r := &Result{Case: Case{ID: id}, Verdict: c.before}
		if strings.HasPrefix(id, "3.0/text/") {
			r.Deviation = "utf-8"
		}
		report.Results = append(report.Results, r)
		all = append(all, r.Case)
	}
	choice.Finish(&report, all)
	for _, r := range report.Results {
		c := cases[r.ID]
		if r.Verdict != c.want || !strings.Contains(r.Reason+r.Problem, c.mention) {
			t.Errorf("%s: %s %q %q, want %s with %q", r.ID, r.Verdict, r.Reason, r.Problem, c.want, c.mention)
		}
	}
	if len(report.Problems) != 0 {
		t.Errorf("problems %q, want none", report.Problems)
	}
}

// Entries must match existing tests, not necessarily tests of this run.
func TestFinishWithUnmatched(t *testing.T) {
	choice := Choice{Known: known(t)}
	var report Report
	choice.Finish(&report, []Case{{ID: "3.0/clock/zero"}, {ID: "3.0/sizes/x"}})
	want := []string{"list.txt:3: no test matches deviation:utf-8: remove the line", "list.txt:5: no test matches 3.0/size/*: remove the line"}
	if strings.Join(report.Problems, "\n") != strings.Join(want, "\n") || !report.Failed() {
		t.Errorf("problems %q, want %q", report.Problems, want)
	}
}
