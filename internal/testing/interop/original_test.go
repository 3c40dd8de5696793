package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/original"
	"gntconfd/internal/sample"
)

// mutants returns configurations in each of which one member is missing, one is unknown, or
// one is of another type, by what was done. Of each kind of object one stands for all.
func mutants(t *testing.T) map[string][]byte {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal(sample.Config, &config); err != nil {
		t.Fatal(err)
	}
	made := make(map[string][]byte)
	note := func(place, what string) { made[place+" "+what] = encode(t, config) }
	others := map[string]any{"null": nil, "object": map[string]any{}, "text": "x", "number": 1, "bool": true}
	seen := make(map[string]bool)
	var visit func(value any, place, kind string)
	visit = func(value any, place, kind string) {
		switch value := value.(type) {
		case []any:
			for i, element := range value {
				visit(element, fmt.Sprintf("%s/%d", place, i), kind+"/*")
			}
		case map[string]any:
			container := strings.Count(kind, "/") == 1 && kind != "/cluster"
			names := slices.Sorted(maps.Keys(value))
			if !seen[kind] {
				seen[kind] = true
				value["unknown"] = 1
				note(place, "with an unknown member")
				delete(value, "unknown")
				for _, name := range names {
					was := value[name]
					delete(value, name)
					note(place+"/"+name, "missing")
					for what, other := range others {
						value[name] = other
						note(place+"/"+name, "as "+what)
					}
					value[name] = was
				}
			}
			for _, name := range names {
				inner := kind + "/" + name
				if container {
					inner = kind + "/*"
				}
				visit(value[name], place+"/"+name, inner)
			}
		}
	}
	visit(config, "", "")
	return made
}

// TestOriginal holds what original.Check says of a sample of broken configurations to what
// Ganeti's own daemons do with them.
func TestOriginal(t *testing.T) { besideEach(t, testOriginal) }

func testOriginal(t *testing.T, genuine program) {
	all := mutants(t)
	names := slices.Sorted(maps.Keys(all))
	const every = 37 // some 80 of 3,000, from all over the file; the rest were compared once
	for i := 0; i < len(names); i += every {
		name := names[i]
		problems, err := original.Check(all[name])
		if err != nil {
			t.Fatal(err)
		}
		d := start(t, genuine, all[name])
		r := d.askAlone(t, ping, patience)
		if loads := !strings.Contains(r.text, "Cannot load configuration"); loads != (len(problems) == 0) {
			t.Errorf("%s: it says %.300s, problems here %q", name, r.text, problems)
		}
	}
	t.Logf("%d configurations of %d", (len(names)+every-1)/every, len(names))
}
