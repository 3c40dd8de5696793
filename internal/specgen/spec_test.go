package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/internal/schema"
)

const specFolder = "../../spec"

// TestLayouts: each file of the spec is a schema, or names a schema of its own and meets it, and
// is listed in README.md.
func TestLayouts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(specFolder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(read(t, filepath.Join(specFolder, "README.md")))
	compiler := jsonschema.NewCompiler()
	schemas, documents := make(map[string]bool), 0
	for _, file := range files {
		name := filepath.Base(file)
		if !strings.HasSuffix(name, ".schema.json") && !strings.Contains(page, "\n| `"+name+"` | ") {
			t.Errorf("README.md does not list %s", name)
		}
		var document map[string]any
		if err := json.Unmarshal(read(t, file), &document); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if document["$schema"] == "http://json-schema.org/draft-07/schema#" {
			schemas[name] = true
			if _, err := compiler.Compile(file); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		documents++
		own := strings.TrimSuffix(name, ".json") + ".schema.json"
		if document["$schema"] != own {
			t.Errorf("%s: $schema is %v, want %s", name, document["$schema"], own)
			continue
		}
		layout, err := compiler.Compile(filepath.Join(specFolder, own))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if err := layout.Validate(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name := range schemas {
		if strings.HasSuffix(name, ".schema.json") {
			documents--
		}
	}
	if documents != 0 {
		t.Errorf("%d more files than schemas of files", documents)
	}
}

// TestValues: the tables of values.json say the same as the schemas and the constants.
func TestValues(t *testing.T) {
	var values valuesFile
	if err := decodeStrict(read(t, filepath.Join(specFolder, "values.json")), &values); err != nil {
		t.Fatal(err)
	}
	config, err := schema.Parse(read(t, filepath.Join(specFolder, "config.json")))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	byType, err := compiler.Compile(filepath.Join(specFolder, "config.json") + "#/definitions/LogicalIDByType")
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[any]bool)
	for _, id := range values.LogicalIDs.Types {
		types[id.DevType] = true
		definition := config.Definitions[id.Definition]
		if definition == nil || len(definition.Items.All) != id.Length {
			t.Errorf("%s: %s does not have %d elements", id.DevType, id.Definition, id.Length)
			continue
		}
		valid := []any{"loop", "y", 1, 2, 3, "z"}[:id.Length]
		if id.DevType == "blockdev" {
			valid[0] = "manual"
		}
		for _, logicalID := range [][]any{valid, valid[:id.Length-1], append(slices.Clone(valid), "more")} {
			err := byType.Validate(map[string]any{"dev_type": id.DevType, "logical_id": logicalID})
			if (err == nil) != (len(logicalID) == id.Length) {
				t.Errorf("%s: a logical_id of %d elements: %v", id.DevType, len(logicalID), err)
			}
		}
	}
	for _, devType := range config.Definitions["Disk"].Properties.Get("dev_type").Enum {
		if devType != nil && !types[devType] {
			t.Errorf("logical_ids has no %v", devType)
		}
	}

	answers, err := schema.Parse(read(t, filepath.Join(specFolder, "answers.json")))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, collector := range values.Collectors.Collectors {
		names = append(names, collector.Name)
	}
	required := slices.Clone(answers.Definitions["CollectorStates"].Required)
	slices.Sort(names)
	slices.Sort(required)
	if !slices.Equal(names, required) {
		t.Errorf("collectors %q, while answers have %q", names, required)
	}
}

// TestOneChange: a text or a code that changes in the spec changes in Python, in TypeScript and
// in what the daemon sends, by generating alone.
func TestOneChange(t *testing.T) {
	for _, change := range []struct {
		source, before, after string
		files                 []string // that have it afterwards
		generated             string   // the Go file
		sent                  string   // what the daemon then sends in a test of answers
	}{
		{
			"errors.json", "Node not found in the configuration", "No such node in the configuration",
			[]string{"gen/python/rules.py", "gen/typescript/rules.ts"},
			"gen/rules/rules_gen.go", `got 1 "No such node in the configuration`,
		},
		{
			"constants.json", `"name": "Argument", "value": 2,`, `"name": "Argument", "value": 77,`,
			[]string{"gen/python/constants.py", "gen/typescript/constants.ts"},
			"gen/wire/constants_gen.go", "got 1 77 0",
		},
		{
			"requests.json", `"text": { "outcome": "ErrorArgument" }`, `"text": { "outcome": "LinkQuery" }`,
			[]string{"gen/python/rules.py", "gen/typescript/rules.ts"},
			"gen/rules/rules_gen.go", `got 1 "Invalid query type" 0`,
		},
	} {
		t.Run(change.source, func(t *testing.T) {
			dir := t.TempDir()
			changed := filepath.Join(dir, change.source)
			text := read(t, filepath.Join(specFolder, change.source))
			if err := os.WriteFile(changed, bytes.Replace(text, []byte(change.before), []byte(change.after), 1), 0o600); err != nil {
				t.Fatal(err)
			}
			commands := readCommands(t)
			for _, product := range []string{"constants", "rules", "python", "typescript"} {
				args := commands[product]
				for i, arg := range args {
					switch {
					case arg == "spec/"+change.source:
						args[i] = changed
					case strings.HasPrefix(arg, "spec/"):
						args[i] = filepath.Join("../..", arg)
					case i > 0 && args[i-1] == "-target":
						args[i] = filepath.Join(dir, arg)
					}
				}
				if err := run(args); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range append(change.files, change.generated) {
				if bytes.Equal(read(t, filepath.Join(dir, file)), read(t, filepath.Join("../..", file))) {
					t.Errorf("%s has not changed", file)
				}
			}

			// The tests of the answers fail with the new code, for what changed.
			root, err := filepath.Abs("../..")
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
				filepath.Join(root, change.generated): filepath.Join(dir, change.generated),
			}})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(path, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-overlay", path, "-run", "^TestAnswers$", "../answer").CombinedOutput()
			if err == nil || !strings.Contains(string(out), change.sent) {
				t.Errorf("the daemon does not take it from there: %v\n%s", err, out)
			}
		})
	}
}

// readCommands returns the arguments of the commands in generate.go, by their first.
func readCommands(t *testing.T) map[string][]string {
	t.Helper()
	commands := make(map[string][]string)
	for line := range strings.Lines(string(read(t, "../../generate.go"))) {
		if args, ok := strings.CutPrefix(line, "//go:generate go run ./internal/specgen "); ok {
			fields := strings.Fields(args)
			commands[fields[0]] = fields
		}
	}
	return commands
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
