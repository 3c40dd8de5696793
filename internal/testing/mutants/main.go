// Command mutants tells how much the conformance suite alone notices. It copies this module,
// puts the suite in the place of all tests, and has gremlins put faults into packages of the
// daemon, one at a time: another comparison, another limit, another sign. Run it in the root
// of the repository:
//
//	go run ./internal/testing/mutants [--workers N] [PACKAGE...]
//
// A fault that the suite does not notice must be explained in survivors.txt: each line is a
// file, a colon, the text of the line in it or * for all of them, and after " # " the reason.
// A fault takes a quarter of a minute, most of which is waiting: several workers try several
// faults at once.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// gremlins is the program that makes the faults, in a fixed version.
const gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.5.0"

// packages are those that decide what is answered.
var packages = []string{"internal/answer", "internal/cluster/canonical", "internal/cluster/classic", "internal/reload"}

//go:embed survivors.txt
var survivors string

// suite is the only test in the copy. It ends at the first thing that goes wrong, and also if
// the daemon is so slow that nobody would wait for it.
const suite = `package PACKAGE_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"gntconfd/internal/testing/conformance"
	"gntconfd/spec/vectors"
)

func TestSuite(t *testing.T) {
	key, err := vectors.Files.ReadFile("hmac.key")
	if err != nil {
		t.Fatal(err)
	}
	dialects, err := conformance.Dialects(vectors.Files)
	if err != nil {
		t.Fatal(err)
	}
	end := func(why any) { fmt.Println(why); os.Exit(1) }
	time.AfterFunc(2*time.Minute, func() { end("too slow") })
	report, err := conformance.RunServer(t.Context(), conformance.Options{
		Start: func(ctx context.Context, s conformance.Setup) (*conformance.Server, error) {
			server, err := conformance.Own(ctx, s)
			if err != nil {
				end(err)
			}
			return server, err
		},
		Files: vectors.Files, Dialects: dialects, Key: key, Timeout: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Verdict != conformance.Passed {
			t.Error(r.ID, r.Problem)
		}
	}
}
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	workers := flag.Int("workers", 1, "how many faults to try at once")
	flag.Parse()
	chosen := flag.Args()
	if len(chosen) == 0 {
		chosen = packages
	}
	if err := run(ctx, os.Stdout, *workers, chosen); err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

// errUnexplained means that the suite must notice more, or survivors.txt must say why not.
var errUnexplained = errors.New("some faults are neither noticed nor explained in internal/testing/mutants/survivors.txt")

// run makes faults in the packages and prints what became of them, as a table in Markdown.
func run(ctx context.Context, out io.Writer, workers int, packages []string) error {
	reasons, err := explanations(survivors)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(ctx, dir); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| package\t| faults\t| noticed\t| explained\t| neither\t|\n|---\t|--:\t|--:\t|--:\t|--:\t|")
	var unexplained []string
	for _, name := range packages {
		report, err := unleash(ctx, dir, workers, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c, left, err := judge(os.DirFS(dir), name, report, reasons)
		if err != nil {
			return err
		}
		unexplained = append(unexplained, left...)
		fmt.Fprintf(table, "| `%s`\t| %d\t| %d\t| %d\t| %d\t|\n", name, c.noticed+c.explained+len(left), c.noticed, c.explained, len(left))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(unexplained) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(unexplained, "\n"))
		return errUnexplained
	}
	return nil
}

// copyModule copies all files of the repository but the tests.
func copyModule(ctx context.Context, dir string) error {
	list, err := exec.CommandContext(ctx, "git", "ls-files", "-z").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// report is what gremlins writes.
type report struct {
	Files []struct {
		Name   string `json:"file_name"` // below the package
		Faults []struct {
			Line   int
			Status string
			Type   string
		} `json:"mutations"`
	}
}

// unleash has gremlins make faults in a package and those below it.
func unleash(ctx context.Context, dir string, workers int, name string) (*report, error) {
	err := filepath.WalkDir(filepath.Join(dir, name), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		text := strings.ReplaceAll(suite, "PACKAGE", entry.Name())
		return os.WriteFile(filepath.Join(path, "suite_test.go"), []byte(text), 0o644)
	})
	if err != nil {
		return nil, err
	}
	result := filepath.Join(dir, "report.json")
	command := exec.CommandContext(ctx, "go", "run", gremlins, "unleash", "--silent", "--workers", strconv.Itoa(workers), "--timeout-coefficient", "30", "--output", result, "./"+name)
	command.Dir = dir
	// Neither vet nor debugging information is of use here.
	command.Env = append(os.Environ(), "GOFLAGS=-vet=off -ldflags=-w")
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gremlins: %w\n%s", err, out)
	}
	text, err := os.ReadFile(result)
	if err != nil {
		return nil, err
	}
	r := new(report)
	return r, json.Unmarshal(text, r)
}

// counts says what became of the faults, beside those that are left.
type counts struct{ noticed, explained int }
