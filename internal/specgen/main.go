// Command specgen makes from the files in spec what ogen cannot make:
//
//	specgen constants -package NAME -target FILE.go constants.json
//	    Go constants with their names and doc comments
//	specgen buffer -package NAME -type NAME -target FILE.go wire.json
//	    a decoder without allocations, for the message that each datagram has
//	specgen ogen -target FILE.json wire.json
//	    the schema as ogen takes it
//	specgen index -target FILE.json config.json
//	    the schema of just those members of the configuration that the daemon
//	    indexes, for ogen to make a small and fast decoder from; of classic.json,
//	    those that it moves
//	specgen forms -target FILE.go config.json classic.json
//	    the canonical forms of what is in a configuration, as tables
//	specgen tuples -target FILE.go wire.json
//	    names for the elements of tuples, in a file that ogen has made
//	specgen objects -package NAME -type NAME,NAME -target FILE.go config.json
//	    plain Go types of objects of the configuration, for encoding/json: what
//	    programs that ask the daemon find in its answers
//	specgen python -target FOLDER constants.json wire.json config.json answers.json
//	    the same, and all else that a port to Python needs: constants, types, and
//	    readers that check what was received
//	specgen typescript -target FOLDER constants.json wire.json config.json answers.json
//	    the same for TypeScript
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-json"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "specgen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which product: constants, buffer, ogen, index, forms, tuples, objects, python or typescript?")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	target := flags.String("target", "", "file to write")
	pkg := flags.String("package", "", "Go package of the product")
	typ := flags.String("type", "", "definition to make a buffer for, or definitions, with commas, to make types for")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	sources := 1
	switch args[0] {
	case "forms":
		sources = 2
	case "python", "typescript":
		sources = 4
	}
	if flags.NArg() != sources || *target == "" {
		return fmt.Errorf("%s takes -target and %d file(s) of spec", args[0], sources)
	}
	if make, ok := ports[args[0]]; ok {
		return writePort(make, *target, flags.Args())
	}
	source, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}

	var product []byte
	switch args[0] {
	case "constants":
		product, err = constants(*pkg, source)
	case "buffer":
		product, err = buffer(*pkg, *typ, source)
	case "ogen":
		product, err = ogen(source)
	case "index":
		product, err = index(source)
	case "forms":
		var classic []byte
		if classic, err = os.ReadFile(flags.Arg(1)); err == nil {
			product, err = forms(source, classic)
		}
	case "tuples":
		var code []byte
		if code, err = os.ReadFile(*target); err == nil {
			product, err = tuples(source, code)
		}
	case "objects":
		product, err = objects(*pkg, strings.Split(*typ, ","), source)
	default:
		return fmt.Errorf("unknown product %q", args[0])
	}
	if err != nil {
		return fmt.Errorf("%s: %w", flags.Arg(0), err)
	}
	if err := os.MkdirAll(filepath.Dir(*target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(*target, product, 0o644)
}

// ports has what makes the files of a port, by its language.
var ports = map[string]func(*port) (map[string][]byte, error){"python": python, "typescript": typescript}

// writePort writes the files of a port into a folder.
func writePort(make func(*port) (map[string][]byte, error), folder string, names []string) error {
	var sources [][]byte
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		sources = append(sources, source)
	}
	p, err := newPort(names, sources)
	if err != nil {
		return err
	}
	files, err := make(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// decodeStrict is json.Unmarshal that refuses members which v does not have, so
// that a misspelled member of a spec file does not go unnoticed.
func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
