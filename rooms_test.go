package gntconfd

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// generated lists the modules that generated code may import besides the standard library:
// they end up in every program that speaks the protocol.
var generated = []string{
	"github.com/go-faster/jx",
	"github.com/go-faster/errors",
	"github.com/ogen-go/ogen/validate",
	"github.com/ogen-go/ogen/ogenregex",
}

// row matches a row of the table of packages in CONTRIBUTING.md: the folder, and what it
// imports from this project.
var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\| (nothing|`[^|]+`) \\|$")

// TestRooms holds the imports of all files, whatever their build tags, to the table in
// CONTRIBUTING.md.
func TestRooms(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	rooms := make(map[string][]string)
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		imports := []string{}
		for _, path := range strings.FieldsFunc(match[2], func(r rune) bool { return strings.ContainsRune("`, ", r) }) {
			if path != "nothing" {
				imports = append(imports, path)
			}
		}
		rooms[match[1]] = imports
	}

	project := module(t) + "/"
	found := make(map[string]map[string]bool) // what each package imports from this project
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		room := filepath.ToSlash(filepath.Dir(path))
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != "." || entry.Name() == "testdata"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		case found[room] == nil:
			found[room] = make(map[string]bool)
		}
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if inside, ours := strings.CutPrefix(imported, project); ours {
				found[room][inside] = true
			} else if strings.HasPrefix(room, "gen/") && strings.Contains(imported, ".") && !slices.Contains(generated, imported) {
				t.Errorf("%s may not import %s", path, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room, imports := range found {
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s is not in the table of packages", room)
		}
		for path := range imports {
			if !slices.Contains(allowed, path) {
				t.Errorf("%s may not import %s", room, path)
			}
		}
		for _, path := range allowed {
			if !imports[path] {
				t.Errorf("%s does not import %s, although the table of packages says so", room, path)
			}
		}
	}
	for room := range rooms {
		if _, err := os.Stat(room); err != nil { // it may have no Go
			t.Errorf("the table of rooms has what is not there: %v", err)
		}
	}
}

// TestJSON holds the choice of a JSON library to what CONTRIBUTING.md says.
func TestJSON(t *testing.T) {
	const standard = "encoding/json"
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		imports := strings.Fields(line)
		room := strings.TrimPrefix(imports[0], module(t)+"/")
		judge := strings.HasPrefix(room, "internal/testing/") || room == "client" || strings.HasPrefix(room, "gen/")
		if slices.Contains(imports[1:], standard) && !judge {
			t.Errorf("%s uses %s", room, standard)
		}
	}
}

// The daemon does without the library that other programs decode with, as it is large.
func TestDaemonStaysLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/ganeti-confd").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "github.com/goccy/go-json") {
		t.Error("the daemon has github.com/goccy/go-json in it")
	}
}

// module returns the name of this module.
func module(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// light lists the modules that end up in a program with the client library, besides this
// one.
var light = []string{
	"github.com/dlclark/regexp2",
	"github.com/go-faster/errors",
	"github.com/go-faster/jx",
	"github.com/ogen-go/ogen",
	"github.com/segmentio/asm",
	"github.com/shopspring/decimal",
	"golang.org/x/sys",
	"golang.org/x/text",
}

func TestClientStaysLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./client").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := slices.Compact(slices.Sorted(slices.Values(strings.Fields(string(out)))))
	if want := slices.Sorted(slices.Values(append(light, module(t)))); !slices.Equal(modules, want) {
		t.Errorf("client depends on %q, not %q", modules, want)
	}
}
