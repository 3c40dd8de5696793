package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each fault has its place in the source, and they are all different.
func TestFaults(t *testing.T) {
	all, err := readFaults(files)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no faults")
	}
	source := os.DirFS("../../..")
	names := make(map[string]bool)
	for _, f := range all {
		if name := f.area + ": " + f.name; names[name] {
			t.Errorf("%s is listed twice", name)
		} else {
			names[name] = true
		}
		if len(f.changes) == 0 {
			t.Errorf("%s: %s changes nothing", f.area, f.name)
		}
		if _, err := f.apply(source); err != nil {
			t.Errorf("%s: %s: %v", f.area, f.name, err)
		}
		for _, c := range f.changes {
			if c.old == c.new {
				t.Errorf("%s: %s replaces a text of %s by itself", f.area, f.name, c.file)
			}
		}
	}
}

func TestParse(t *testing.T) {
	found, err := parse("# why\n== one\na.go\n-x\n-y\n+z\n-v\n\n== two\n\na.go\n-x\nb.go\n-\ty\n+\tz\n+\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []fault{
		{name: "one", changes: []change{{"a.go", "x\ny\n", "z\n"}, {"a.go", "v\n", ""}}},
		{name: "two", changes: []change{{"a.go", "x\n", ""}, {"b.go", "\ty\n", "\tz\n\n"}}},
	}
	if diff := cmp.Diff(want, found, cmp.AllowUnexported(fault{}, change{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for text, message := range map[string]string{
		"a.go\n-x\n":                     "1: no fault begins",
		"== one\n-x\n":                   "2: no file is named",
		"== one\na.go\n\n+x\n":           "4: no text to replace",
		"== one\na.go\n-x\n== two\n-x\n": "5: no file is named",
	} {
		if _, err := parse(text); err == nil || !strings.HasPrefix(err.Error(), message) {
			t.Errorf("%q: error %v, want %s", text, err, message)
		}
	}
}
