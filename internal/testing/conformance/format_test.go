package conformance

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is a report with every kind of result.
func sample() *Report {
	r := &Report{Subject: "./my-confd", Problems: []string{"list.txt:7: no test matches x"}}
	for i, err := range []error{
		nil, errors.New("silent, want answered"), errors.New("it has ended"), errors.New("it has ended"),
		fmt.Errorf("%w: no such configuration", ErrSkip), errors.New("as we know"),
	} {
		result := &Result{Case: Case{ID: fmt.Sprintf("3.0/area-%d/test-%d", i/2, i), Note: "a <test>", File: "3.0/a.json", Rule: "order", Claim: "core"}}
		if i == 1 {
			result.Details = []Detail{{"sent", "plj0"}, {"got", "no\nanswer"}}
		}
		result.End(err)
		r.Results = append(r.Results, result)
	}
	r.Results[5].Verdict, r.Results[5].Reason = Known, "it is # old"
	return r
}

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var out strings.Builder
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWriteText(t *testing.T) {
	want := `  passed  failed  known  skipped  area
       1       1      0        0  3.0/area-0
       0       2      0        0  3.0/area-1
       0       0      1        1  3.0/area-2
       1       3      1        1  all of ./my-confd

FAILED 3.0/area-0/test-1: a <test>
  silent, want answered
  in             spec/vectors/3.0/a.json, rule order (core)
  sent           plj0
  got            no
                 answer

FAILED 3.0/area-1/test-2 and 1 more
  it has ended

FAILED: list.txt:7: no test matches x

NOT CONFORMING: 4 of 6 failed
`
	if diff := cmp.Diff(want, written(t, sample().WriteText)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	good := &Report{Subject: "it", Results: sample().Results[:1]}
	if got := written(t, good.WriteText); !strings.HasSuffix(got, "\nconforming: 1 of 1 passed\n") {
		t.Errorf("the report of a good one is\n%s", got)
	}
	good.Results = append(good.Results, sample().Results[5])
	if got := written(t, good.WriteText); !strings.HasSuffix(got, "\nconforming, except for 1 known failures of 2 tests\n") {
		t.Errorf("the report of one with known failures is\n%s", got)
	}
}

func TestWriteTAP(t *testing.T) {
	want := `TAP version 13
1..7
ok 1 - 3.0/area-0/test-0
not ok 2 - 3.0/area-0/test-1
# a <test>
# silent, want answered
# in: spec/vectors/3.0/a.json, rule order (core)
# sent: plj0
# got: no
# answer
not ok 3 - 3.0/area-1/test-2
# a <test>
# it has ended
# in: spec/vectors/3.0/a.json, rule order (core)
not ok 4 - 3.0/area-1/test-3
# a <test>
# it has ended
# in: spec/vectors/3.0/a.json, rule order (core)
ok 5 - 3.0/area-2/test-4 # SKIP skipped: no such configuration
ok 6 - 3.0/area-2/test-5 # SKIP known to fail: it is # old
not ok 7 - known failures
# list.txt:7: no test matches x
`
	if diff := cmp.Diff(want, written(t, sample().WriteTAP)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestWriteJUnit(t *testing.T) {
	text := written(t, sample().WriteJUnit)
	var got junitSuites
	if err := xml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := junitSuites{
		XMLName: xml.Name{Local: "testsuites"}, Name: "./my-confd", Tests: 7, Failures: 4, Skipped: 2,
		Suites: []junitSuite{
			{"3.0/area-0", 2, 1, 0, []junitCase{
				{Class: "3.0/area-0", Name: "3.0/area-0/test-0"},
				{Class: "3.0/area-0", Name: "3.0/area-0/test-1", Failure: &junitMessage{"silent, want answered", "a <test>\nsilent, want answered\nin: spec/vectors/3.0/a.json, rule order (core)\nsent: plj0\ngot: no\nanswer\n"}},
			}},
			{"3.0/area-1", 2, 2, 0, []junitCase{
				{Class: "3.0/area-1", Name: "3.0/area-1/test-2", Failure: &junitMessage{"it has ended", "a <test>\nit has ended\nin: spec/vectors/3.0/a.json, rule order (core)\n"}},
				{Class: "3.0/area-1", Name: "3.0/area-1/test-3", Failure: &junitMessage{"it has ended", "a <test>\nit has ended\nin: spec/vectors/3.0/a.json, rule order (core)\n"}},
			}},
			{"3.0/area-2", 2, 0, 2, []junitCase{
				{Class: "3.0/area-2", Name: "3.0/area-2/test-4", Skipped: &junitMessage{Message: "skipped: no such configuration"}},
				{Class: "3.0/area-2", Name: "3.0/area-2/test-5", Skipped: &junitMessage{Message: "known to fail: it is # old"}},
			}},
			{"known failures", 1, 1, 0, []junitCase{
				{Class: "known failures", Name: "list.txt:7: no test matches x", Failure: &junitMessage{Message: "list.txt:7: no test matches x"}},
			}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestWriteJSON(t *testing.T) {
	var got struct {
		Report
		Count  map[Verdict]int
		Failed bool
	}
	if err := json.Unmarshal([]byte(written(t, sample().WriteJSON)), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*sample(), got.Report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if want := map[Verdict]int{Passed: 1, Failed: 3, Known: 1, Skipped: 1}; !got.Failed || !cmp.Equal(want, got.Count) {
		t.Errorf("failed %t, count %v, want true, %v", got.Failed, got.Count, want)
	}
}
