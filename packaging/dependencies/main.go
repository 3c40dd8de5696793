// Command dependencies prints the numbers in docs/dependencies.md: for each module that the
// programs or their tests import directly, its version and date, the programs that it is
// linked into, how many other modules are there only because of it, and its size. Run it in
// the project's root; it takes about a minute.
//
// A module's size is what the linker has put into a program for its packages and for those
// that only it brings in: text and data, in kB, in the largest of the programs.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-json"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "dependencies: %v\n", err)
		os.Exit(1)
	}
}

// programs are the commands that are installed.
var programs = []string{"ganeti-confd", "confdctl", "confd-conformance"}

// module is a direct dependency, as the go command describes it.
type module struct {
	Path, Version, Time string
	Main, Indirect      bool
}

// pkg is a package, as the go command describes it.
type pkg struct {
	ImportPath string
	Imports    []string
	Module     *module
}

func run(out io.Writer) error {
	var modules []module
	if err := list(&modules, "-m", "-json=Path,Version,Time,Main,Indirect", "all"); err != nil {
		return err
	}
	modules = slices.DeleteFunc(modules, func(m module) bool { return m.Main || m.Indirect })
	slices.SortFunc(modules, func(a, b module) int { return cmp.Compare(a.Path, b.Path) })

	var linked []*program
	for _, name := range programs {
		p, err := link(name)
		if err != nil {
			return err
		}
		linked = append(linked, p)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "module\tversion\tdate\tlinked into\tbrings along\tkB")
	for _, m := range modules {
		var into, along []string
		size := int64(0)
		for _, p := range linked {
			if !p.has(m.Path) {
				continue
			}
			into = append(into, p.name)
			others, weight := p.owes(m.Path)
			size = max(size, weight)
			if len(others) > len(along) {
				along = others
			}
		}
		date, _, _ := strings.Cut(m.Time, "T")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\n", m.Path, m.Version, date,
			cmp.Or(strings.Join(into, ", "), "-"), len(along), size/1000)
	}
	for _, p := range linked {
		fmt.Fprintf(table, "%s\t\t\t\t%d\t%d\n", p.name, len(p.modules()), p.fileSize/1000)
	}
	return table.Flush()
}

// program is a program that was linked.
type program struct {
	name     string
	packages map[string]pkg
	sizes    map[string]int64 // of packages, in bytes
	fileSize int64            // of the program as it is packaged, in bytes
}

// link builds a program as for the packages and measures the size of its packages.
func link(name string) (*program, error) {
	p := &program{name: name, packages: make(map[string]pkg), sizes: make(map[string]int64)}
	var packages []pkg
	if err := list(&packages, "-deps", "-json=ImportPath,Imports,Module", "./cmd/"+name); err != nil {
		return nil, err
	}
	for _, each := range packages {
		p.packages[each.ImportPath] = each
	}
	directory, err := os.MkdirTemp("", "dependencies")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	binary := filepath.Join(directory, name)
	for _, flags := range []string{"-s -w", "-w"} {
		if _, err := call("env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-ldflags="+flags, "-o", binary, "./cmd/"+name); err != nil {
			return nil, err
		}
		if info, err := os.Stat(binary); err != nil {
			return nil, err
		} else if p.fileSize == 0 {
			p.fileSize = info.Size()
		}
	}
	symbols, err := call("go", "tool", "nm", "-size", binary)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(symbols)) {
		fields := strings.Fields(line) // address, size, type, name
		if len(fields) < 4 || strings.ContainsAny(fields[2], "BbU") {
			continue // symbols that are only in memory, or missing
		}
		size, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("go tool nm: %w", err)
		}
		p.sizes[p.packageOf(fields[3])] += size
	}
	return p, nil
}

// packageOf returns the package of a symbol, or "" for the linker's own.
func (p *program) packageOf(symbol string) string {
	symbol = strings.TrimLeft(strings.TrimPrefix(symbol, "type:."), "*[]")
	slash := strings.LastIndexByte(symbol, '/')
	// The last dot before a bracket or a parenthesis ends a path; dots in its last
	// element are written %2e.
	dot := strings.IndexByte(symbol[slash+1:], '.')
	if dot < 0 {
		return ""
	}
	path := strings.ReplaceAll(symbol[:slash+1+dot], "%2e", ".")
	if _, ok := p.packages[path]; !ok {
		return ""
	}
	return path
}

// has reports whether packages of a module are linked in.
func (p *program) has(path string) bool { return slices.Contains(p.modules(), path) }

// modules returns the modules that are linked in, without this project.
func (p *program) modules() []string {
	var paths []string
	for _, each := range p.packages {
		if each.Module != nil && !each.Module.Main {
			paths = append(paths, each.Module.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// owes returns the other modules that would not be linked in without a module, and the size
// of all packages that would not be.
func (p *program) owes(path string) (others []string, size int64) {
	kept := make(map[string]bool)
	var keep func(name string)
	keep = func(name string) {
		each, ok := p.packages[name]
		if !ok || kept[name] || each.Module != nil && each.Module.Path == path {
			return
		}
		kept[name] = true
		for _, imported := range each.Imports {
			keep(imported)
		}
	}
	for name, each := range p.packages {
		if each.Module != nil && each.Module.Main && strings.HasSuffix(name, "/cmd/"+p.name) {
			keep(name)
		}
	}
	stays := make(map[string]bool)
	for name := range kept {
		if m := p.packages[name].Module; m != nil {
			stays[m.Path] = true
		}
	}
	for name, each := range p.packages {
		if !kept[name] {
			size += p.sizes[name]
			if m := each.Module; m != nil && m.Path != path && !stays[m.Path] {
				others = append(others, m.Path)
			}
		}
	}
	slices.Sort(others)
	return slices.Compact(others), size
}

// list decodes the output of go list.
func list[T any](into *[]T, args ...string) error {
	out, err := call("go", append([]string{"list"}, args...)...)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var value T
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		*into = append(*into, value)
	}
}

// call runs a command and returns its output.
func call(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", cmd, err)
	}
	return out, nil
}
