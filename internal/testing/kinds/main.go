// Command kinds tells which mistakes the conformance suite alone notices. Each is one that the
// author of another daemon or client could make: no check of types, a former key that is never
// valid, the first reply instead of the freshest. It puts them into this project's own daemon
// and client library, one at a time, and runs the suite. Run it in the root of the repository:
//
//	go run ./internal/testing/kinds [--workers N] [AREA...]
//
// The mistakes are in faults, one file per area. A mistake that no test notices is an error, as
// is one that does not compile: then a vector is missing, or the list is wrong. Only failed tests
// count, not a program that ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	workers := flag.Int("workers", 4, "how many faults to try at once; the suite mostly waits")
	flag.Parse()
	if err := run(ctx, os.Stdout, *workers, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "kinds: %v\n", err)
		os.Exit(1)
	}
}

// errUnnoticed means that the suite must notice more.
var errUnnoticed = errors.New("no test fails with some of the faults: spec/vectors lacks a test for each")

// run tries the faults of some areas, or of all, and prints what the suite says: a line for each,
// then a table by area in Markdown.
func run(ctx context.Context, out io.Writer, workers int, areas []string) error {
	all, err := readFaults(files)
	if err != nil {
		return err
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := soundness(ctx, dir, chosen); err != nil {
		return err
	}

	trials := make([]chan trial, len(chosen))
	limit := make(chan struct{}, workers)
	for i, f := range chosen {
		trials[i] = make(chan trial, 1)
		go func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			trials[i] <- try(ctx, dir, fmt.Sprint(i), f)
		}()
	}
	counts := make(map[string]*count)
	for i, f := range chosen {
		t := <-trials[i]
		if t.err != nil {
			return fmt.Errorf("%s: %s: %w", f.area, f.name, t.err)
		}
		if counts[f.area] == nil {
			counts[f.area] = new(count)
		}
		c := counts[f.area]
		c.faults++
		if t.failed == 0 {
			fmt.Fprintf(out, "%s: %s: NOT NOTICED\n", f.area, f.name)
			continue
		}
		c.noticed++
		fmt.Fprintf(out, "%s: %s: %d failed, first %s\n", f.area, f.name, t.failed, t.first)
	}
	return printTable(out, chosen, counts)
}

// count is how many faults there are in an area, and how many of them tests notice.
type count struct{ faults, noticed int }

// printTable prints the counts by area. The error is errUnnoticed, or that of out.
func printTable(out io.Writer, chosen []fault, counts map[string]*count) error {
	var all count
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprint(table, "\n| area\t| faults\t| noticed\t|\n|---\t|--:\t|--:\t|\n")
	for i, f := range chosen {
		if i > 0 && chosen[i-1].area == f.area {
			continue
		}
		c := counts[f.area]
		all.faults += c.faults
		all.noticed += c.noticed
		fmt.Fprintf(table, "| %s\t| %d\t| %d\t|\n", f.area, c.faults, c.noticed)
	}
	fmt.Fprintf(table, "| all\t| %d\t| %d\t|\n", all.faults, all.noticed)
	if err := table.Flush(); err != nil {
		return err
	}
	if all.noticed < all.faults {
		return errUnnoticed
	}
	return nil
}
