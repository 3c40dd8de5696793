package ports

import (
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// library builds the C library and returns the command that compiles a program with it. The
// program counts unfreed results, and fails if there are any.
func library(t *testing.T) (file string, compile func(source string, flags ...string) (program string)) {
	t.Helper()
	need(t, "cc", "gcc libc6-dev")
	folder := t.TempDir()
	file = filepath.Join(folder, "libconfd.so")
	run(t, "..", "go", "build", "-buildmode=c-shared", "-o", file, "./ports/c")
	return file, func(source string, flags ...string) string {
		program := filepath.Join(folder, filepath.Base(source)+".out")
		run(t, "c", append([]string{"cc", "-Wall", "-Wextra", "-Werror", "-fsanitize=address", "-I", ".", source,
			"-L", folder, "-lconfd", "-Wl,-rpath," + folder, "-o", program}, flags...)...)
		return program
	}
}

// TestC: the example asks every daemon for the master.
func TestC(t *testing.T) {
	t.Parallel()
	_, compile := library(t)
	master(t, compile("example/master.c"))
}

// TestPerl calls the library from a language without a port.
func TestPerl(t *testing.T) {
	t.Parallel()
	if err := exec.Command("perl", "-MFFI::Platypus", "-e", "1").Run(); err != nil {
		lack(t, "Perl's FFI::Platypus", "libffi-platypus-perl")
	}
	file, _ := library(t)
	master(t, "perl", "c/example/master.pl", file)
}

// master runs an example that asks every daemon for the master.
func master(t *testing.T, example ...string) {
	daemons(t, func(t *testing.T, server, keyFile string) {
		host, port, err := net.SplitHostPort(server)
		if err != nil {
			t.Fatal(err)
		}
		var reply struct{ Answer string }
		out := run(t, ".", append(example, host, port, keyFile)...)
		if err := json.Unmarshal(out, &reply); err != nil || reply.Answer != "node1.example.org" {
			t.Errorf("got %s, %v", out, err)
		}
	})
}

func TestCFailures(t *testing.T) {
	t.Parallel()
	_, compile := library(t)
	run(t, ".", compile("testdata/failures.c"))

	out, err := exec.Command(compile("testdata/failures.c", "-DLEAK")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "LeakSanitizer") {
		t.Errorf("a program that frees nothing is not noticed: %v, %s", err, out)
	}
}
