package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/internal/testing/jsonvalue"
	"gntconfd/internal/testing/specfiles"
	"gntconfd/spec"
	"gntconfd/spec/vectors"
)

// load reads the vectors of all dialects.
func load(t *testing.T) []File {
	t.Helper()
	var all []File
	for _, dialect := range []string{Dialect, ClassicDialect, AutoDialect} {
		files, err := Load(vectors.Files, dialect)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files...)
	}
	return all
}

func loadScenarios(t *testing.T) []ScenarioFile {
	t.Helper()
	all, err := LoadScenarios(vectors.Files)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readKey(t *testing.T) []byte {
	t.Helper()
	key, err := vectors.Files.ReadFile("hmac.key")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// readConfig returns the text of a configuration, or nil for MissingConfig.
func readConfig(t *testing.T, name string) []byte {
	t.Helper()
	config, err := ReadConfig(vectors.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// No vector is lost unnoticed: the page of results has their number in each area.
func TestResultsHaveAllVectors(t *testing.T) {
	page, err := os.ReadFile("../../../spec/RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range load(t) {
		row := fmt.Sprintf("| `%s/%s` | %d |", file.Dialect, file.Area, len(file.Vectors))
		if !bytes.Contains(page, []byte(row)) {
			t.Errorf("spec/RESULTS.md has no row %s: run .ci/results", row)
		}
	}
}

func TestFilesMatchSchema(t *testing.T) {
	read := func(name string) any { return specfiles.Value(t, vectors.Files, name) }
	compiler := jsonschema.NewCompiler()
	schemas := map[string]string{"vectors.schema.json": "", "signing.schema.json": "signing.json", "rules.schema.json": "rules.json", "scenarios/scenarios.schema.json": ""}
	for name := range schemas {
		if err := compiler.AddResource("https://vectors/"+name, withoutID(read(name))); err != nil {
			t.Fatal(err)
		}
	}
	validate := func(schema, name string) {
		t.Helper()
		if err := compiler.MustCompile("https://vectors/" + schema).Validate(read(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for schema, name := range schemas {
		if name != "" {
			validate(schema, name)
		}
	}
	for _, file := range load(t) {
		validate("vectors.schema.json", file.Dialect+"/"+file.Area+".json")
	}
	for _, file := range loadScenarios(t) {
		validate("scenarios/scenarios.schema.json", "scenarios/"+file.Area+".json")
	}
}

// withoutID returns a schema that is known by where it is.
func withoutID(schema any) any {
	delete(schema.(map[string]any), "$id")
	return schema
}

func TestFilesAreFormatted(t *testing.T) {
	for _, file := range load(t) {
		name := file.Dialect + "/" + file.Area + ".json"
		want, err := file.Format()
		if err != nil {
			t.Fatal(err)
		}
		got, err := vectors.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not formatted as by the record command", name)
		}
	}
	for _, file := range loadScenarios(t) {
		want, err := file.Format()
		if err != nil {
			t.Fatal(err)
		}
		got, err := vectors.Files.ReadFile("scenarios/" + file.Area + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("scenarios/%s.json is not formatted as by the record command", file.Area)
		}
	}
}

// Each vector names a rule that there is, each rule has vectors, and what Ganeti's own daemon
// does not do is not what everybody must do.
func TestRulesExistAndAreUsed(t *testing.T) {
	text, err := vectors.Files.ReadFile("rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Rules []struct{ ID, In, Says string }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	uses := make(map[string]int)
	for _, rule := range list.Rules {
		if _, ok := uses[rule.ID]; ok {
			t.Errorf("rule %s: duplicate", rule.ID)
		}
		uses[rule.ID] = 0
		if _, err := os.Stat("../../../spec/" + rule.In); err != nil {
			t.Errorf("rule %s: %v", rule.ID, err)
		}
	}
	use := func(id, rule string, claim Claim, deviation string) {
		if _, ok := uses[rule]; !ok {
			t.Errorf("%s: no rule %q", id, rule)
		}
		uses[rule]++
		if deviation != "" && claim != QuirkClaim {
			t.Errorf("%s: a deviation, but its claim is %s", id, claim)
		}
	}
	for _, file := range load(t) {
		for _, v := range file.Vectors {
			use(v.ID, v.Rule, v.Claim, v.Deviation)
		}
	}
	for _, file := range loadScenarios(t) {
		for _, s := range file.Scenarios {
			use(s.ID, s.Rule, s.Claim, s.Deviation)
		}
	}
	for rule, count := range uses {
		if count == 0 {
			t.Errorf("rule %s: no vector", rule)
		}
	}
}

func TestVectorsAreUnique(t *testing.T) {
	ids := make(map[string]bool)
	questions := make(map[string]string)
	for _, file := range load(t) {
		notes := make(map[string]string)
		for _, v := range file.Vectors {
			if !strings.HasPrefix(v.ID, file.Area+"/") {
				t.Errorf("%s is in the file of area %s", v.ID, file.Area)
			}
			if ids[v.ID] {
				t.Errorf("%s: duplicate", v.ID)
			}
			ids[v.ID] = true
			if other, ok := notes[v.Note]; ok {
				t.Errorf("%s: same note as %s", v.ID, other)
			}
			notes[v.Note] = v.ID
			question := file.Dialect + "/" + v.Content().ID() + "/" + string(v.Key) + "/" + string(jsonvalue.Encode(v.Message))
			if other, ok := questions[question]; ok {
				t.Errorf("%s: same datagram as %s", v.ID, other)
			}
			questions[question] = v.ID
		}
	}
	for _, file := range loadScenarios(t) {
		for _, s := range file.Scenarios {
			if !strings.HasPrefix(s.ID, file.Area+"/") || ids[s.ID] {
				t.Errorf("%s: in the file of area %s, or duplicate", s.ID, file.Area)
			}
			ids[s.ID] = true
		}
	}
}

func TestConfigsExistAndAreUsed(t *testing.T) {
	used := map[string]bool{MissingConfig: true}
	for _, file := range load(t) {
		for _, v := range file.Vectors {
			readConfig(t, v.Config)
			used[v.Config] = true
			if v.Twin != nil && v.Twin.Config != "" {
				readConfig(t, v.Twin.Config)
				used[v.Twin.Config] = true
			}
		}
	}
	for _, file := range loadScenarios(t) {
		for _, s := range file.Scenarios {
			readConfig(t, s.Config)
			used[s.Config] = true
			for _, step := range s.Steps {
				for _, c := range step.Changes {
					if c.Config == "" {
						continue
					}
					if _, err := c.Read(vectors.Files); err != nil {
						t.Errorf("%s: %v", s.ID, err)
					}
				}
			}
		}
	}
	names, err := fs.Glob(vectors.Files, "configs/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !used[strings.TrimSuffix(strings.TrimPrefix(name, "configs/"), ".json")] {
			t.Errorf("%s: no vector or scenario uses it", name)
		}
	}
}

// TestPorting: spec/PORTING.md says of every area of dialect 3.0 which step it proves.
func TestPorting(t *testing.T) {
	text, err := os.ReadFile("../../../spec/PORTING.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(text), "canonical-*", "")
	says := func(area string) {
		if !strings.Contains(page, "`"+area+"`") {
			t.Errorf("no step for the area %s", area)
		}
	}
	for _, file := range load(t) {
		if file.Dialect == Dialect {
			says(file.Area)
		}
	}
	for _, file := range loadScenarios(t) {
		says(file.Area)
	}
}

// scopeOf has the scope of the deviations in each dialect.
var scopeOf = map[string]string{Dialect: "datagram", ClassicDialect: "classic"}

func TestDeviationsExistAndAreUsed(t *testing.T) {
	text, err := spec.Files.ReadFile("deviations.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Deviations []struct {
			ID, Scope string
			Releases  []string
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	scopes, releases := make(map[string]string), make(map[string][]string)
	for _, d := range list.Deviations {
		if scopes[d.ID] != "" {
			t.Errorf("%s: duplicate", d.ID)
		}
		scopes[d.ID], releases[d.ID] = d.Scope, d.Releases
	}
	used := make(map[string]bool)
	for _, file := range load(t) {
		for _, v := range file.Vectors {
			if v.Deviation == "" {
				continue
			}
			used[v.Deviation] = true
			if scopes[v.Deviation] != scopeOf[file.Dialect] {
				t.Errorf("%s: no deviation %q of scope %s", v.ID, v.Deviation, scopeOf[file.Dialect])
			}
			want := releases[v.Deviation]
			if want == nil {
				want = Releases[file.Dialect]
			}
			var got []string
			for _, real := range v.Real {
				got = append(got, real.Releases...)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v differ, the deviation %s is of %v", v.ID, got, v.Deviation, want)
			}
		}
	}
	for _, file := range loadScenarios(t) {
		for _, s := range file.Scenarios {
			if s.Deviation != "" && scopes[s.Deviation] != "files" {
				t.Errorf("%s: no deviation %q of scope files", s.ID, s.Deviation)
			}
		}
	}
	for id, scope := range scopes {
		if scope != "files" && !used[id] {
			t.Errorf("deviation %s: no vector shows it", id)
		}
	}
}

// A watcher that asks a node for its own role ignores the status of the reply and stops
// every instance if the answer is the number 2. In the dialect of 2.6 an error is the
// number 1.
func TestNodeRoleErrorsAreNotOffline(t *testing.T) {
	seen := 0
	for _, file := range load(t) {
		for _, v := range file.Vectors {
			if !asksNodeRole(t, &v) {
				continue
			}
			for _, reply := range replies(&v) {
				if reply == nil || reply.Status == 0 {
					continue
				}
				seen++
				if spoken(t, file.Dialect, v.Content()) == ClassicDialect {
					if string(reply.Answer) != "1" {
						t.Errorf("%s: the error is %s", v.ID, reply.Answer)
					}
					continue
				}
				var text string
				if err := json.Unmarshal(reply.Answer, &text); err != nil {
					t.Errorf("%s: the error %s is not a text", v.ID, reply.Answer)
				}
				if len(v.Tags) == 0 {
					t.Errorf("%s: not tagged watcher", v.ID)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d errors of request type 1, want 50 or more", seen)
	}
}

// replies lists the replies of this project's daemon and of Ganeti's.
func replies(v *Vector) []*Reply {
	all := []*Reply{v.Reply}
	for _, real := range v.Real {
		all = append(all, real.Reply)
	}
	return all
}

func asksNodeRole(t *testing.T, v *Vector) bool {
	t.Helper()
	inner := v.Request
	switch {
	case v.RequestText != nil:
		inner = []byte(*v.RequestText)
	case v.Datagram != nil:
		inner = []byte(v.Datagram.Inner)
	}
	var request struct{ Type json.Number }
	return json.Unmarshal(inner, &request) == nil && request.Type == "1"
}

func TestTextsAreWhole(t *testing.T) {
	for _, file := range load(t) {
		for _, v := range file.Vectors {
			if v.Datagram != nil && strings.ContainsRune(v.Datagram.Inner+v.Datagram.Salt, utf8.RuneError) {
				t.Errorf("%s: half a surrogate pair cannot be part of a recipe", v.ID)
			}
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no files":       {},
		"broken file":    {"3.0/x.json": {Data: []byte(`{`)}},
		"unknown member": {"3.0/x.json": {Data: []byte(`{"vectors": [{"id": "x/y", "colour": 1}]}`)}},
		"unknown word":   {"3.0/x.json": {Data: []byte(`{"vectors": [{"id": "x/y", "reply": {"answer": "{REASONS}"}}]}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Load(files, Dialect); err == nil {
				t.Errorf("Load = %v, want an error", got)
			}
		})
	}
}
