package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gntconfd/internal/testing/conformance"
)

// longest is how long the suite may take with a fault. Without one it takes a quarter of a minute.
const longest = 5 * time.Minute

// trial is what the suite says of a fault.
type trial struct {
	failed int
	first  string // the id of the first test that failed
	err    error  // why the suite could not be run
}

// suite is the program that runs the vectors.
const suite = "./cmd/confd-conformance"

// try builds the programs with a fault in a folder of its own and runs the suite.
func try(ctx context.Context, dir, name string, f fault) trial {
	report, err := report(ctx, filepath.Join(dir, name), f)
	if err != nil {
		return trial{err: err}
	}
	var t trial
	for _, r := range report.Results {
		if r.Verdict != conformance.Failed {
			continue
		}
		if t.failed++; t.failed == 1 {
			t.first = r.ID
		}
	}
	return t
}

// report runs the suite with a fault.
func report(ctx context.Context, dir string, f fault) (*conformance.Report, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // programs are large
	overlay, err := writeOverlay(dir, f)
	if err != nil {
		return nil, err
	}
	program, err := build(ctx, dir, overlay, suite)
	if err != nil {
		return nil, err
	}
	args := []string{"--json"}
	if f.side == "client" {
		client, err := build(ctx, dir, overlay, "./internal/testing/conformance/clientside/goclient")
		if err != nil {
			return nil, err
		}
		args = []string{"client", "--json", "--", client}
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); ctx.Err() != nil {
		return nil, fmt.Errorf("the suite has not ended within %v", longest)
	} else if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		return nil, fmt.Errorf("the suite ended without a report: %w\n%.2000s", err, &stderr)
	}
	return conformance.ReadReport(&stdout)
}

// writeOverlay writes the changed source files into a folder, and returns the file that tells the
// compiler about them.
func writeOverlay(dir string, f fault) (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	contents, err := f.apply(os.DirFS(root))
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for name, text := range contents {
		to := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, name)] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o644)
}

// build compiles a program with an overlay and returns its path.
func build(ctx context.Context, dir, overlay, what string) (string, error) {
	program := filepath.Join(dir, filepath.Base(what))
	// Without debugging information it is linked faster.
	command := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-ldflags=-s -w", "-o", program, what)
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

// soundness runs the suite without a fault: otherwise whatever else is wrong would count.
func soundness(ctx context.Context, dir string, chosen []fault) error {
	done := make(map[string]bool)
	for _, f := range chosen {
		if done[f.side] {
			continue
		}
		done[f.side] = true
		if t := try(ctx, dir, "sound-"+f.side, fault{side: f.side}); t.err != nil {
			return t.err
		} else if t.failed > 0 {
			return fmt.Errorf("%d tests of the %s fail without a fault, first %s", t.failed, f.side, t.first)
		}
	}
	return nil
}
