package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/overlay"
)

// longest is how long the suite may take with a fault. Without one it takes a quarter of a minute.
const longest = 5 * time.Minute

// trial is what the suite says of a fault.
type trial struct {
	failed []string // the ids of the tests that failed
	err    error    // why the suite could not be run
}

const (
	suite  = "./cmd/confd-conformance"
	client = "./internal/testing/conformance/clientside/goclient"
)

// try builds what has the fault in a new folder and runs the suite. clientSuite is the suite
// for clients.
func try(ctx context.Context, dir, clientSuite string, f *fault) trial {
	report, err := report(ctx, dir, clientSuite, f)
	if err != nil {
		return trial{err: err}
	}
	var t trial
	for _, r := range report.Results {
		if r.Verdict == conformance.Failed {
			t.failed = append(t.failed, r.ID)
		}
	}
	return t
}

// report returns the report of the suite for a fault.
func report(ctx context.Context, dir, clientSuite string, f *fault) (*conformance.Report, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // programs are large
	changed, err := writeOverlay(dir, f)
	if err != nil {
		return nil, err
	}
	var command []string
	switch f.side {
	case "daemon": // the suite has it inside
		program, err := build(ctx, dir, suite, changed)
		if err != nil {
			return nil, err
		}
		command = []string{program, "--json"}
	case "client":
		program, err := build(ctx, dir, client, changed)
		if err != nil {
			return nil, err
		}
		command = []string{clientSuite, "client", "--json", "--", program}
	default:
		return nil, fmt.Errorf("the suite has no tests of a %s", f.side)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("the suite has not ended within %v", longest))
	defer cancel()
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	run.Stdout, run.Stderr = &stdout, &stderr
	err = run.Run()
	exit := (*exec.ExitError)(nil)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &exit) && exit.ExitCode() == 1: // some tests failed
	case err != nil:
		return nil, fmt.Errorf("the suite ended without a report: %w\n%.4000s", err, &stderr)
	}
	return conformance.ReadReport(&stdout)
}

// writeOverlay writes the changed source files into a folder, and returns the file that tells the
// compiler about them.
func writeOverlay(dir string, f *fault) (string, error) {
	contents, err := f.apply(os.DirFS("."))
	if err != nil {
		return "", err
	}
	return overlay.Write(dir, contents)
}

// build compiles a program into a folder and returns its path.
func build(ctx context.Context, dir, what, overlay string) (string, error) {
	program := filepath.Join(dir, filepath.Base(what))
	// Without debugging information it is linked faster.
	command := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-ldflags=-s -w", "-o", program, what)
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}
