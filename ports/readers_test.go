package ports

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/internal/sample"
	"gntconfd/spec"
)

// verdict is a line of input for a port's reader: a value, and whether it meets a schema.
type verdict struct {
	Ref   string `json:"ref"`
	Value any    `json:"value"`
	Valid bool   `json:"valid"`
}

// readers checks a port's reader with objects of the sample cluster and messages in which one
// value is replaced or omitted. A validator of JSON Schema says what is valid. The program
// prints where it disagrees.
func readers(t *testing.T, command ...string) {
	var in bytes.Buffer
	lines, counts := json.NewEncoder(&in), map[bool]int{}
	judge := newJudge(t)
	for ref, value := range originals(t) {
		schema := judge.compile(t, ref)
		for changed := range changes(value) {
			v := verdict{ref, changed, schema.Validate(changed) == nil}
			counts[v.Valid]++
			if err := lines.Encode(v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if counts[true] < 100 || counts[false] < 1000 {
		t.Errorf("%d values are valid, %d are not: the test says little", counts[true], counts[false])
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	if want := fmt.Sprintf("%d read", counts[true]+counts[false]); !bytes.HasPrefix(out, []byte(want)) {
		t.Errorf("got %.100q, want %q", out, want)
	}
	for line := bufio.NewScanner(bytes.NewReader(out[bytes.IndexByte(out, '\n')+1:])); line.Scan(); {
		t.Errorf("%.500s", line.Text())
	}
}

// originals returns values that are valid, by their schemas.
func originals(t *testing.T) map[string]any {
	t.Helper()
	values := map[string]any{
		"wire.json#/definitions/Request":                                map[string]any{"protocol": 1.0, "type": 2.0, "rsalt": "r", "query": map[string]any{"0": "br0", "2": []any{"a"}, "3": []any{0.0, "1"}}},
		"wire.json#/definitions/Reply":                                  map[string]any{"protocol": 1.0, "status": 0.0, "answer": []any{1.0}, "serial": 7.0},
		"answers.json#/definitions/NodePIPByInstanceIP/properties/ok":   []any{[]any{0.0, "192.0.2.1", 7.0}, []any{1.0, 0.0, 0.0}},
		"answers.json#/definitions/NodeDRBD/properties/ok":              []any{[]any{"a", 0.0, "b", "disk/0", "primary", "c"}},
		"answers.json#/definitions/InstanceIPsList/properties/ok":       []any{"a", "b"},
		"classic-answers.json#/definitions/ClusterMaster/properties/ok": []any{"a", nil},
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(sample.Config, &file); err != nil {
		t.Fatal(err)
	}
	for member, definition := range map[string]string{
		"instances": "Instance", "disks": "Disk", "filters": "Filter", "networks": "Network", "nodes": "Node", "nodegroups": "NodeGroup",
	} {
		var objects map[string]any
		if err := json.Unmarshal(file[member], &objects); err != nil {
			t.Fatal(err)
		}
		most := 0 // the object with the most members
		for _, object := range objects {
			if n := len(must(t, object)); n > most {
				values["config.json#/definitions/"+definition], most = object, n
			}
		}
	}
	return values
}

func must(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// replacements have all types, and some are valid in one of the schemas.
var replacements = []any{
	nil, true, false, 0.0, 1.0, 2.0, -1.0, 1.5, "", "x", "10", "up", "drbd", "512 M", map[string]any{}, map[string]any{"x": 1.0},
	[]any{}, []any{"x"}, []any{"x", "y"}, []any{"&"}, []any{"|", nil, []any{"?", "x"}}, []any{"!", nil}, []any{"=", "x", 1.0}, []any{"=", "x", nil},
	[]any{"=~", "x", "y"}, []any{"RATE_LIMIT", 0.0}, []any{"RATE_LIMIT", 1.0}, []any{"x", "x"},
}

// changes returns a value in variants, each with one part replaced or, if it is a member,
// omitted.
func changes(value any) func(yield func(any) bool) {
	return func(yield func(any) bool) {
		for _, other := range replacements {
			if !yield(other) {
				return
			}
		}
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				delete(value, name)
				if !yield(value) {
					return
				}
				for changed := range changes(member) {
					value[name] = changed
					if !yield(value) {
						return
					}
				}
				value[name] = member
			}
		case []any:
			for i, element := range value {
				for changed := range changes(element) {
					value[i] = changed
					if !yield(value) {
						return
					}
				}
				value[i] = element
			}
		}
	}
}

// judge is a validator that, like readers, accepts objects with unknown members.
type judge struct{ *jsonschema.Compiler }

func newJudge(t *testing.T) judge {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	for _, name := range []string{"wire.json", "config.json", "answers.json", "classic-answers.json"} {
		text, err := spec.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var schema any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		open(schema)
		if err := compiler.AddResource(name, schema); err != nil {
			t.Fatal(err)
		}
	}
	return judge{compiler}
}

// open allows unknown members in all objects.
func open(schema any) {
	switch schema := schema.(type) {
	case []any:
		for _, element := range schema {
			open(element)
		}
	case map[string]any:
		if schema["additionalProperties"] == false {
			delete(schema, "additionalProperties")
		}
		for _, value := range schema {
			open(value)
		}
	}
}

func (j judge) compile(t *testing.T, ref string) *jsonschema.Schema {
	t.Helper()
	schema, err := j.Compile(ref)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
