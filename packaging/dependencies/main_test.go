package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/dependencies.md has a row for every direct dependency, in the version in use.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([^ |]*\.[^ |]*/[^ |]*|go\.[^ |]*|pgregory[^ |]*) \|.* (v[0-9][^ ]*) \| [0-9]{4}-`).FindAllStringSubmatch(string(text), -1) {
		told = append(told, row[1]+" "+row[2])
	}
	// Read it, so that the test runs again when it changes.
	if _, err := os.ReadFile("../../go.mod"); err != nil {
		t.Fatal(err)
	}
	var used []module
	if err := list(&used, "-m", "-json=Path,Version,Main,Indirect", "all"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range used {
		if !m.Main && !m.Indirect {
			want = append(want, m.Path+" "+m.Version)
		}
	}
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("docs/dependencies.md has rows for\n%q\nand go.mod for\n%q", told, want)
	}
}

// docs/dependencies.md has a row for every npm package that a package.json names, in the version
// in use, and with who uses it.
func TestPackages(t *testing.T) {
	text, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var told, want []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z@/-]+) \| ([0-9.]+) \| ([^|]+) \|`).FindAllStringSubmatch(string(text), -1) {
		for user := range strings.SplitSeq(row[3], ", ") {
			told = append(told, user+" "+row[1]+" "+row[2])
		}
	}
	for _, folder := range []string{"ports/typescript", "internal/testing/generators"} {
		file, err := os.ReadFile(filepath.Join("../..", folder, "package.json"))
		if err != nil {
			t.Fatal(err)
		}
		var used struct{ Dependencies, DevDependencies map[string]string }
		if err := json.Unmarshal(file, &used); err != nil {
			t.Fatal(err)
		}
		if len(used.Dependencies) > 0 {
			t.Errorf("%s needs %v at run time", folder, used.Dependencies)
		}
		for name, version := range used.DevDependencies {
			want = append(want, folder+" "+name+" "+version)
		}
	}
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("docs/dependencies.md has rows for\n%q\nand the package.json for\n%q", told, want)
	}
}

func TestPackageOf(t *testing.T) {
	p := program{packages: map[string]pkg{"go.yaml.in/yaml/v3": {}, "golang.org/x/sys/unix": {}, "gopkg.in/x.v1": {}}}
	for symbol, want := range map[string]string{
		"go.yaml.in/yaml/v3.(*parser).parse":    "go.yaml.in/yaml/v3",
		"type:.eq.golang.org/x/sys/unix.Stat_t": "",
		"type:.*golang.org/x/sys/unix.Stat_t":   "golang.org/x/sys/unix",
		"golang.org/x/sys/unix.Open":            "golang.org/x/sys/unix",
		"gopkg.in/x%2ev1.Do":                    "gopkg.in/x.v1",
		"runtime.text":                          "",
	} {
		if got := p.packageOf(symbol); got != want {
			t.Errorf("%s: package %q, want %q", symbol, got, want)
		}
	}
}
