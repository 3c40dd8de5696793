// Command mutants puts faults into packages of the daemon, one at a time, and tells which of
// them the conformance suite alone does not notice; with --own, which of them the package's own
// tests do not notice. The faults are those that gremlins finds by its rules: another
// comparison, another limit, another sign. Run it in the root of the repository:
//
//	go run ./internal/testing/mutants [--own] [--workers N] [PACKAGE...]
//
// What is not noticed must be explained in unnoticed-by-suite.txt or unnoticed-by-tests.txt:
// each line is a file, a colon, the text of the line in it or * for all of them, and after
// " # " the reason. The suite takes a quarter of a minute for a fault, most of it waiting, so
// that several workers save time.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"
)

// A judge tells whether a fault is noticed.
type judge struct {
	packages     []string // whose faults it notices, if none are chosen
	explanations string   // of what it does not notice, and the file that they are in
	file         string
	notices      func(ctx context.Context, overlay, dir string) (bool, error)
}

//go:embed unnoticed-by-suite.txt
var unnoticedBySuite string

//go:embed unnoticed-by-tests.txt
var unnoticedByTests string

var (
	// Those packages decide what is answered.
	bySuite = judge{
		packages:     []string{"internal/answer", "internal/cluster/canonical", "internal/cluster/classic", "internal/reload"},
		explanations: unnoticedBySuite, file: "unnoticed-by-suite.txt", notices: suiteNotices,
	}
	byTests = judge{
		packages:     []string{"internal/protocol", "internal/answer", "internal/cluster", "internal/server", "internal/reload"},
		explanations: unnoticedByTests, file: "unnoticed-by-tests.txt", notices: testsNotice,
	}
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	own := flag.Bool("own", false, "let the package's own tests notice the faults, not the conformance suite")
	workers := flag.Int("workers", 1, "how many faults to try at once")
	flag.Parse()
	j := bySuite
	if *own {
		j = byTests
	}
	if packages := flag.Args(); len(packages) > 0 {
		j.packages = packages
	}
	if err := j.run(ctx, os.Stdout, *workers); err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

// errUnexplained means that more must be noticed, or explained.
var errUnexplained = errors.New("some faults are neither noticed nor explained")

// run tries the faults of the judge's packages and prints what became of them, as a table in
// Markdown with a row for each folder that has faults.
func (j *judge) run(ctx context.Context, out io.Writer, workers int) error {
	reasons, err := explanations(j.explanations)
	if err != nil {
		return fmt.Errorf("%s: %w", j.file, err)
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	rows := make(map[string]*counts)
	var unexplained []string
	for _, name := range j.packages {
		faults, err := find(ctx, name, filepath.Join(dir, "faults.json"))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := j.try(ctx, dir, workers, faults); err != nil {
			return err
		}
		for _, f := range faults {
			row := rows[filepath.Dir(f.file)]
			if row == nil {
				row = new(counts)
				rows[filepath.Dir(f.file)] = row
			}
			switch {
			case f.noticed:
				row.noticed++
			case explained(reasons, f.file, f.line):
				row.explained++
			default:
				row.left++
				unexplained = append(unexplained, f.String())
			}
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| package\t| faults\t| noticed\t| explained\t| neither\t|\n|---\t|--:\t|--:\t|--:\t|--:\t|")
	all := new(counts)
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(table, "| `%s`\t%s\n", name, rows[name])
		all.add(rows[name])
	}
	fmt.Fprintf(table, "| all\t%s\n", all)
	if err := table.Flush(); err != nil {
		return err
	}
	if len(unexplained) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(unexplained, "\n"))
		return fmt.Errorf("%w in internal/testing/mutants/%s", errUnexplained, j.file)
	}
	return nil
}

// try puts the faults into the code, one at a time for each worker, and marks those that are
// noticed. What is noticed without any fault is an error.
func (j *judge) try(ctx context.Context, dir string, workers int, faults []*fault) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(workers, 1))
	sound := make(map[string]bool) // folders that have been tried without a fault
	for i, f := range faults {
		if package_ := filepath.Dir(f.file); !sound[package_] {
			sound[package_] = true
			group.Go(func() error {
				noticed, err := j.notices(ctx, "", package_)
				if err == nil && noticed {
					err = fmt.Errorf("%s: something is wrong even without a fault", package_)
				}
				return err
			})
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			overlay, err := f.overlay(filepath.Join(dir, fmt.Sprint(i)))
			if err != nil {
				return err
			}
			f.noticed, err = j.notices(ctx, overlay, filepath.Dir(f.file))
			if err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
			return os.RemoveAll(filepath.Dir(overlay))
		})
	}
	return group.Wait()
}

// counts says what became of the faults in a package.
type counts struct{ noticed, explained, left int }

func (c *counts) add(other *counts) {
	c.noticed += other.noticed
	c.explained += other.explained
	c.left += other.left
}

func (c *counts) String() string {
	return fmt.Sprintf("| %d\t| %d\t| %d\t| %d\t|", c.noticed+c.explained+c.left, c.noticed, c.explained, c.left)
}
