package main

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gntconfd/internal/testing/lacking"
)

// Packaged programs know their commit, even if the go command cannot find it.
func TestRevision(t *testing.T) {
	t.Chdir("../..")
	t.Setenv("GOFLAGS", "-buildvcs=false")
	head, err := call("git", "rev-parse", "HEAD")
	if err != nil {
		lacking.Skip(t, "the sources are not in a git repository: %v", err)
	}
	r := release{version: "1.2.3"}
	if err := r.fromCommit(); err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(head); r.revision != want {
		t.Errorf("revision %q, not %q", r.revision, want)
	}
	built := t.TempDir()
	if err := r.compile("ganeti-confd", built); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(built, "ganeti-confd")
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			t.Error("the go command found the commit: the test proves nothing")
		}
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), r.revision) {
		t.Error("the program does not contain the commit")
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil || !strings.Contains(string(out), "version 1.2.3") {
		t.Errorf("version: %s, %v", out, err)
	}
}

// The conformance suite beside the packages needs nothing but itself.
func TestSuiteAlone(t *testing.T) {
	t.Chdir("../..")
	r := release{version: "1.2.3"}
	built, output := t.TempDir(), t.TempDir()
	if err := r.compile("confd-conformance", built); err != nil {
		t.Fatal(err)
	}
	path, err := r.suite(built, output)
	if err != nil {
		t.Fatal(err)
	}
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if libraries, err := program.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs %v, %v", libraries, err)
	}
	command := exec.Command(path, "--run", "^3.0/orders/")
	command.Dir, command.Env = output, []string{"TMPDIR=" + output}
	if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), "25 of 25 passed") {
		t.Errorf("%v\n%s", err, out)
	}
}
