// Command kinds tells which mistakes the conformance suite alone notices. Each is one that the
// author of another daemon or client could make: no check of types, a former key that is never
// valid, the first reply instead of the freshest. It puts them into this project's own daemon
// and client library, one at a time, and runs the suite. Run it in the root of the repository:
//
//	go run ./internal/testing/kinds [--workers N] [--before COMMIT] [AREA...]
//
// The mistakes are in faults, one file per area. A mistake that no test notices is an error, as
// is one that does not compile: then a vector is missing, or the list is wrong. Only failed tests
// count, not a program that ends. A mistake takes a quarter of a minute, most of which is waiting.
//
// With --before COMMIT the table also says how many of them the tests noticed that there were
// in that commit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	workers := flag.Int("workers", 4, "how many faults to try at once; the suite mostly waits")
	before := flag.String("before", "", "also count what the tests noticed that were in this `commit`")
	flag.Parse()
	if err := run(ctx, os.Stdout, *workers, *before, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "kinds: %v\n", err)
		os.Exit(1)
	}
}

// errUnnoticed means that the suite must notice more.
var errUnnoticed = errors.New("no test fails with some of the faults: spec/vectors lacks a test for each")

// run tries the faults of some areas, or of all, and prints what the suite says: a line for each,
// then a table by area in Markdown.
func run(ctx context.Context, out io.Writer, workers int, before string, areas []string) error {
	all, err := readFaults(files)
	if err != nil {
		return err
	}
	var former map[string]bool
	if before != "" {
		if former, err = formerTests(ctx, before); err != nil {
			return err
		}
	}
	for _, area := range areas {
		if !slices.ContainsFunc(all, func(f fault) bool { return f.area == area }) {
			return fmt.Errorf("no faults in the area %q", area)
		}
	}
	chosen := slices.DeleteFunc(all, func(f fault) bool { return len(areas) > 0 && !slices.Contains(areas, f.area) })
	dir, err := os.MkdirTemp("", "kinds")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	none := fault{area: "sound", name: "no fault"}
	overlay, err := writeOverlay(dir, &none)
	if err != nil {
		return err
	}
	clientSuite, err := build(ctx, dir, suite, overlay)
	if err != nil {
		return err
	}
	// Without a fault all tests pass, even on a busy machine: otherwise that would count.
	for _, side := range sides(chosen) {
		none.side = side
		chosen = append([]fault{none}, chosen...)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	trials := make([]chan trial, len(chosen))
	for i := range trials {
		trials[i] = make(chan trial, 1)
	}
	var next atomic.Int64
	for range workers {
		go func() {
			for i := int(next.Add(1)) - 1; i < len(chosen); i = int(next.Add(1)) - 1 {
				trials[i] <- try(ctx, filepath.Join(dir, strconv.Itoa(i)), clientSuite, &chosen[i])
			}
		}()
	}
	var counts []count
	broken := 0
	for i, f := range chosen {
		t := <-trials[i]
		switch {
		case t.err != nil:
			fmt.Fprintf(out, "%s: %s: %v\n", f.area, f.name, t.err)
			broken++
			continue
		case len(f.changes) == 0 && len(t.failed) > 0:
			return fmt.Errorf("without a fault %d tests of the %s fail, first %s", len(t.failed), f.side, t.failed[0])
		case len(f.changes) == 0:
			continue
		}
		if len(counts) == 0 || counts[len(counts)-1].area != f.area {
			counts = append(counts, count{area: f.area})
		}
		c := &counts[len(counts)-1]
		c.faults++
		if len(t.failed) == 0 {
			fmt.Fprintf(out, "%s: %s: NOT NOTICED\n", f.area, f.name)
			continue
		}
		c.noticed++
		if slices.ContainsFunc(t.failed, func(id string) bool { return former[name(id)] }) {
			c.before++
		}
		fmt.Fprintf(out, "%s: %s: %d failed, first %s\n", f.area, f.name, len(t.failed), t.failed[0])
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d faults could not be tried", broken, len(chosen))
	}
	return printTable(out, counts, former != nil)
}

// formerTests returns the names of the tests that there were in a commit: see name.
func formerTests(ctx context.Context, commit string) (map[string]bool, error) {
	out, err := exec.CommandContext(ctx, "git", "grep", "-h", "-o", `"id": "[a-z0-9-]*/[^"]*"`, commit, "--", "spec/vectors").Output()
	if err != nil {
		return nil, fmt.Errorf("no tests in the commit %s: %w", commit, err)
	}
	former := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		former[strings.TrimSuffix(strings.TrimPrefix(line, `"id": "`), "\"\n")] = true
	}
	return former, nil
}

// name returns what a test's id is in its file: the last two parts of it. The dialect before
// them is that of the folder.
func name(id string) string {
	return path.Join(path.Base(path.Dir(id)), path.Base(id))
}

// sides returns whether the faults are in a daemon, a client, or both.
func sides(faults []fault) []string {
	var found []string
	for _, f := range faults {
		if !slices.Contains(found, f.side) {
			found = append(found, f.side)
		}
	}
	return found
}

// count is how many faults there are in an area, how many of them make tests fail, and how many
// of them made tests fail that there were before.
type count struct {
	area                    string
	faults, noticed, before int
}

// printTable prints the counts. The error is errUnnoticed, or that of out.
func printTable(out io.Writer, counts []count, withBefore bool) error {
	all := count{area: "all"}
	for _, c := range counts {
		all.faults += c.faults
		all.noticed += c.noticed
		all.before += c.before
	}
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	head, rule := "\n| area\t| faults\t|", "\n|---\t|--:\t|"
	if withBefore {
		head, rule = head+" noticed before\t|", rule+"--:\t|"
	}
	fmt.Fprint(table, head+" noticed\t|", rule+"--:\t|\n")
	for _, c := range append(counts, all) {
		fmt.Fprintf(table, "| %s\t| %d\t|", strings.ReplaceAll(c.area, "-", " "), c.faults)
		if withBefore {
			fmt.Fprintf(table, " %d\t|", c.before)
		}
		fmt.Fprintf(table, " %d\t|\n", c.noticed)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if all.noticed < all.faults {
		return errUnnoticed
	}
	return nil
}
