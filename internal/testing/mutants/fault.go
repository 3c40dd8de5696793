package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"gntconfd/internal/testing/overlay"
)

// gremlins is the program that finds the faults, in a fixed version.
const gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.5.0"

// fault is another operator in one place of the code.
type fault struct {
	file    string // from the root of the repository
	number  int    // of the line
	line    string
	kind    string // as gremlins calls it
	text    []byte // of the file, with the fault
	noticed bool
}

func (f *fault) String() string {
	return fmt.Sprintf("%s:%d: %s in: %s", f.file, f.number, f.kind, f.line)
}

// replacements are the operators that gremlins puts in the place of others.
var replacements = map[string]map[string]string{
	"ARITHMETIC_BASE":       {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"},
	"CONDITIONALS_BOUNDARY": {"<=": "<", ">=": ">", "<": "<=", ">": ">="},
	"CONDITIONALS_NEGATION": {"==": "!=", "!=": "==", "<=": ">", ">=": "<", "<": ">=", ">": "<="},
	"INCREMENT_DECREMENT":   {"++": "--", "--": "++"},
	"INVERT_NEGATIVES":      {"-": "+"},
}

// find has gremlins find faults in a package and those below it. It says of each whether a
// test reaches it, but takes the conditions of cases for what no test reaches; so all are
// tried. result is a file to write.
func find(ctx context.Context, name, result string) ([]*fault, error) {
	command := exec.CommandContext(ctx, "go", "run", gremlins, "unleash", "--dry-run", "--silent", "--output", result, "./"+name)
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gremlins: %w\n%s", err, out)
	}
	found, err := os.ReadFile(result)
	if err != nil {
		return nil, err
	}
	return parse(os.DirFS("."), name, found)
}

// parse reads what gremlins has found in a package, whose files it reads, too.
func parse(files fs.FS, name string, found []byte) ([]*fault, error) {
	var report struct {
		Files []struct {
			Name      string `json:"file_name"` // below the package
			Mutations []struct {
				Line, Column int
				Type         string
			}
		}
	}
	if err := json.Unmarshal(found, &report); err != nil {
		return nil, fmt.Errorf("gremlins: %w", err)
	}
	var faults []*fault
	for _, file := range report.Files {
		full := path.Join(name, file.Name)
		text, err := fs.ReadFile(files, full)
		if err != nil {
			return nil, err
		}
		lines := bytes.SplitAfter(text, []byte("\n"))
		for _, m := range file.Mutations {
			if m.Line < 1 || m.Line > len(lines) || m.Column < 1 || m.Column > len(lines[m.Line-1]) {
				return nil, fmt.Errorf("%s has no line %d with a column %d", full, m.Line, m.Column)
			}
			at := len(bytes.Join(lines[:m.Line-1], nil)) + m.Column - 1
			was, is, err := replace(m.Type, text[at:])
			if err != nil {
				return nil, fmt.Errorf("%s:%d:%d: %w", full, m.Line, m.Column, err)
			}
			faults = append(faults, &fault{
				file: full, number: m.Line, line: string(bytes.TrimSpace(lines[m.Line-1])), kind: m.Type,
				text: slices.Concat(text[:at], []byte(is), text[at+len(was):]),
			})
		}
	}
	return faults, nil
}

// replace returns the operator at the beginning of text and what a fault of a kind puts in its
// place.
func replace(kind string, text []byte) (was, is string, err error) {
	for _, length := range []int{2, 1} { // "<=" is no "<"
		was := string(text[:min(length, len(text))])
		if is, ok := replacements[kind][was]; ok {
			return was, is, nil
		}
	}
	return "", "", fmt.Errorf("no operator for %s", kind)
}

// overlay writes an overlay for the go command into a new folder dir, and returns its name.
func (f *fault) overlay(dir string) (string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return overlay.Write(dir, map[string]string{f.file: string(f.text)})
}

// The suite and the tests of a package take at most a quarter of this.
const (
	suiteLimit = 2 * time.Minute
	testsLimit = 5 * time.Minute
)

// suiteNotices reports whether the conformance suite fails with an overlay.
func suiteNotices(ctx context.Context, overlay, _ string) (bool, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "suite")
	if noticed, err := fails(ctx, suiteLimit, "go", "build", "-ldflags=-w", "-overlay="+overlay, "-o", program, "./cmd/confd-conformance"); noticed || err != nil {
		return noticed, err
	}
	return fails(ctx, suiteLimit, program, "--timeout", "2s")
}

// testsNotice reports whether the tests of the package in a folder fail with an overlay.
func testsNotice(ctx context.Context, overlay, folder string) (bool, error) {
	return fails(ctx, testsLimit, "go", "test", "-vet=off", "-ldflags=-w", "-failfast", "-overlay="+overlay, "./"+folder)
}

// fails reports whether a command exits with an error or takes longer than limit.
func fails(ctx context.Context, limit time.Duration, name string, args ...string) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	command := exec.CommandContext(limited, name, args...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with what it starts
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	err := command.Run()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) || limited.Err() != nil {
		return true, nil
	}
	return false, err
}
