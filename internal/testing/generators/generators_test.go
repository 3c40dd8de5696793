package generators

import (
	"bytes"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/testing/lacking"
	"gntconfd/internal/testing/specfiles"
)

// schemas are the files that generators read.
var schemas = []string{"wire.json", "config.json", "answers.json", "classic-answers.json", "classic.json", "constants.schema.json"}

const (
	folder = "../../../spec"
	config = "../../sample/config.data"
)

// TestKeywords: spec/keywords.json lists what a strict validator does not know by itself, and
// nothing else.
func TestKeywords(t *testing.T) {
	keywords, formats := make(map[string]bool), make(map[string]bool)
	var look func(node any)
	look = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, element := range node {
				look(element)
			}
		case map[string]any:
			for key, value := range node {
				if strings.HasPrefix(key, "x-") {
					keywords[key] = true
					continue
				}
				if format, ok := value.(string); ok && key == "format" {
					formats[format] = true
				}
				look(value)
			}
		}
	}
	for _, name := range schemas {
		var schema any
		specfiles.Read(t, name, &schema)
		look(schema)
	}
	var listed struct {
		Keywords []string
		Formats  map[string]int
	}
	specfiles.Read(t, "keywords.json", &listed)
	if want := slices.Sorted(maps.Keys(keywords)); !slices.Equal(listed.Keywords, want) {
		t.Errorf("keywords %q, want %q", listed.Keywords, want)
	}
	if got, want := slices.Sorted(maps.Keys(listed.Formats)), slices.Sorted(maps.Keys(formats)); !slices.Equal(got, want) {
		t.Errorf("formats %q, want %q", got, want)
	}
}

func TestFastjsonschema(t *testing.T) {
	const debian = "/usr/bin/python3" // has what Debian's packages install
	if err := exec.Command(debian, "-c", "import fastjsonschema").Run(); err != nil {
		lacking.Skip(t, "there is no %s", "fastjsonschema: apt-get install python3-fastjsonschema")
	}
	run(t, ".", debian, "-B", "fast.py", folder, config)
}

// TestNode runs the generators that come from npm, and compiles what they make.
func TestNode(t *testing.T) {
	if _, err := exec.LookPath("npm"); err != nil {
		lacking.Skip(t, "there is no %s", "npm: apt-get install nodejs npm")
	}
	tools := t.TempDir()
	run(t, ".", "cp", "package.json", "package-lock.json", "standalone.mjs", tools)
	fetch := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
	fetch.Dir = tools
	if out, err := fetch.CombinedOutput(); err != nil {
		lacking.Skip(t, "there is no %s", "what package.json names, from the registry: "+string(out))
	}
	program := func(name string) string { return filepath.Join(tools, "node_modules", ".bin", name) }
	compile := func(t *testing.T, files ...string) {
		run(t, tools, append([]string{program("tsc"), "--noEmit", "--strict", "--target", "es2022", "--typeRoots", tools + "/none"}, files...)...)
	}
	spec := absolute(t, folder)

	t.Run("json-schema-to-typescript", func(t *testing.T) {
		source, target := t.TempDir(), t.TempDir()
		var files []string
		for _, name := range schemas {
			run(t, spec, "cp", name, source)
			files = append(files, filepath.Join(target, strings.TrimSuffix(name, ".json")+".d.ts"))
		}
		run(t, source, program("json2ts"), "-i", source, "-o", target, "--cwd", source, "--no-format")
		compile(t, files...)
	})
	t.Run("ajv", func(t *testing.T) {
		run(t, tools, "node", "standalone.mjs", spec, filepath.Join(tools, "valid.cjs"), absolute(t, config))
	})
	t.Run("quicktype", func(t *testing.T) {
		made := t.TempDir()
		quicktype := func(name, language string) string {
			file := filepath.Join(made, name+"."+language)
			run(t, spec, program("quicktype"), "--quiet", "--src-lang", "schema", "--lang", language, "--top-level", "Top", "--src", name, "-o", file)
			return file
		}
		var files []string
		for _, name := range schemas {
			files = append(files, quicktype(name, "ts"))
		}
		compile(t, files...)
		run(t, ".", "python3", "-m", "py_compile", quicktype("answers.json", "py")) // which refers to most of the others
	})
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a program in a folder. What it does wrong ends the test.
func run(t *testing.T, dir string, command ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%.2000s", command, err, &out)
	}
}
