package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// Each fault changes one operator, in the place that gremlins names.
func TestParse(t *testing.T) {
	files := fstest.MapFS{
		"internal/x/a.go":   {Data: []byte("package x\n\tif a <= b {\n\ti++\n")},
		"internal/x/b/b.go": {Data: []byte("package b\nvar x = -1")},
	}
	faults, err := parse(files, "internal/x", []byte(`{"files": [
		{"file_name": "a.go", "mutations": [
			{"line": 2, "column": 7, "status": "RUNNABLE", "type": "CONDITIONALS_BOUNDARY"},
			{"line": 2, "column": 7, "status": "NOT COVERED", "type": "CONDITIONALS_NEGATION"},
			{"line": 3, "column": 3, "type": "INCREMENT_DECREMENT"}]},
		{"file_name": "b/b.go", "mutations": [{"line": 2, "column": 9, "type": "INVERT_NEGATIVES"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var texts, names []string
	for _, f := range faults {
		texts = append(texts, string(f.text))
		names = append(names, f.String())
	}
	if want := []string{
		"package x\n\tif a < b {\n\ti++\n", "package x\n\tif a > b {\n\ti++\n", "package x\n\tif a <= b {\n\ti--\n", "package b\nvar x = +1",
	}; !slices.Equal(texts, want) {
		t.Errorf("%q", texts)
	}
	if want := "internal/x/a.go:2: CONDITIONALS_NEGATION in: if a <= b {"; names[1] != want {
		t.Errorf("%q", names)
	}
	for _, bad := range []string{
		`{"line": 2, "column": 2, "type": "CONDITIONALS_BOUNDARY"}`,
		`{"line": 9, "column": 2, "type": "CONDITIONALS_BOUNDARY"}`,
		`{"line": 3, "column": 40, "type": "INCREMENT_DECREMENT"}`,
		`{"line": 3, "column": 3, "type": "UNKNOWN"}`,
	} {
		if faults, err := parse(files, "internal/x", []byte(`{"files": [{"file_name": "a.go", "mutations": [`+bad+`]}]}`)); err == nil {
			t.Errorf("%s: %v", bad, faults)
		}
	}
}

// A fault that is not noticed is an error unless it is explained, and so is a judge that finds
// something wrong without one.
func TestTry(t *testing.T) {
	t.Chdir("../../..")
	faults := []*fault{{file: "internal/x/a.go", text: []byte("noticed")}, {file: "internal/x/b.go", text: []byte("not")}}
	j := judge{notices: func(_ context.Context, overlay, dir string) (bool, error) {
		if dir != "internal/x" {
			t.Errorf("in %s", dir)
		}
		if overlay == "" {
			return false, nil
		}
		text, err := os.ReadFile(overlay)
		if err != nil {
			return false, err
		}
		changed, err := filepath.Glob(filepath.Join(filepath.Dir(overlay), "*.go"))
		if err != nil || len(changed) != 1 || !strings.Contains(string(text), changed[0]) {
			t.Errorf("%s, %q, %v", text, changed, err)
			return false, err
		}
		code, err := os.ReadFile(changed[0])
		return string(code) == "noticed", err
	}}
	if err := j.try(t.Context(), t.TempDir(), 2, faults); err != nil || !faults[0].noticed || faults[1].noticed {
		t.Errorf("%+v %+v %v", faults[0], faults[1], err)
	}
	j.notices = func(context.Context, string, string) (bool, error) { return true, nil }
	if err := j.try(t.Context(), t.TempDir(), 2, faults); err == nil || !strings.Contains(err.Error(), "without a fault") {
		t.Errorf("error %v", err)
	}
}

func TestExplanations(t *testing.T) {
	reasons, err := explanations("# about it\n\ninternal/x/a.go: if a < b {  # the limit is beyond reach\ninternal/x/b/b.go: * # only logs\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		file, line string
		want       bool
	}{
		{"internal/x/a.go", "if a < b {", true}, {"internal/x/a.go", "if c {", false}, {"internal/x/b/b.go", "if a < b {", true}, {"internal/x/c.go", "if a < b {", false},
	} {
		if got := explained(reasons, test.file, test.line); got != test.want {
			t.Errorf("%s: %s: %v", test.file, test.line, got)
		}
	}
	for _, bad := range []string{"internal/x/a.go", "internal/x/a.go: if c {", "internal/x/a.go: if c { # "} {
		if got, err := explanations(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

// What is explained is there.
func TestExplained(t *testing.T) {
	for _, j := range []judge{bySuite, byTests} {
		t.Run(j.file, j.testExplained)
	}
}

func (j *judge) testExplained(t *testing.T) {
	reasons, err := explanations(j.explanations)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range reasons {
		text, err := os.ReadFile("../../../" + e.file)
		if err != nil {
			t.Error(err)
			continue
		}
		found := e.text == "*"
		for line := range strings.Lines(string(text)) {
			found = found || strings.TrimSpace(line) == e.text
		}
		if !found {
			t.Errorf("%s has no line %q: what became of it?", e.file, e.text)
		}
	}
}
