package main

import (
	"debug/buildinfo"
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
