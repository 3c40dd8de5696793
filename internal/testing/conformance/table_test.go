package conformance

import (
	"strings"
	"testing"
)

func TestWriteTable(t *testing.T) {
	result := func(id string, verdict Verdict, deviation string) *Result {
		return &Result{Case: Case{ID: id, Deviation: deviation}, Verdict: verdict}
	}
	var out strings.Builder
	err := WriteTable(&out, []Column{
		{"ours", &Report{Results: []*Result{result("3.0/a/1", Passed, "utf-8"), result("3.0/a/2", Passed, ""), result("auto/b/1", Passed, "")}}},
		{"theirs", &Report{Results: []*Result{result("3.0/a/1", Known, "utf-8"), result("3.0/a/2", Failed, ""), result("3.0/c/1", Skipped, "")}}},
	})
	const want = "| area | ours | theirs |\n|---|--:|--:|\n" +
		"| `3.0/a` | 2 | 0 of 2 |\n| `auto/b` | 1 | – |\n| `3.0/c` | – | – |\n| **all** | 3 | 0 of 2 |\n" +
		"\n| not passed because of the deviation | ours | theirs |\n|---|--:|--:|\n| `utf-8` | 0 | 1 |\n| for another reason | 0 | 1 |\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, &out, want)
	}
}
