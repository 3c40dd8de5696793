package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestJudge(t *testing.T) {
	files := fstest.MapFS{
		"internal/x/a.go":   {Data: []byte("package x\n\tif a < b {\n\tif c {\n")},
		"internal/x/b/b.go": {Data: []byte("package b\n")},
	}
	r := new(report)
	err := json.Unmarshal([]byte(`{"files": [
		{"file_name": "a.go", "mutations": [
			{"line": 2, "status": "LIVED", "type": "CONDITIONALS_BOUNDARY"}, {"line": 2, "status": "KILLED", "type": "CONDITIONALS_NEGATION"},
			{"line": 3, "status": "NOT COVERED", "type": "CONDITIONALS_NEGATION"}, {"line": 3, "status": "TIMED OUT", "type": "X"}]},
		{"file_name": "b/b.go", "mutations": [{"line": 1, "status": "LIVED", "type": "X"}]}]}`), r)
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := explanations("# about it\n\ninternal/x/a.go: if a < b {  # the limit is beyond reach\ninternal/x/b/b.go: * # only logs\n")
	if err != nil {
		t.Fatal(err)
	}
	c, left, err := judge(files, "internal/x", r, reasons)
	want := []string{"internal/x/a.go:3: CONDITIONALS_NEGATION in: if c {"}
	if err != nil || c != (counts{noticed: 2, explained: 2}) || !slices.Equal(left, want) {
		t.Errorf("%+v %q %v", c, left, err)
	}
	for _, bad := range []string{"internal/x/a.go", "internal/x/a.go: if c {", "internal/x/a.go: if c { # "} {
		if got, err := explanations(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

// What survivors.txt explains is there.
func TestSurvivors(t *testing.T) {
	reasons, err := explanations(survivors)
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
