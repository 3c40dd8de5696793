package canonical

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gntconfd/gen/form"
	"gntconfd/internal/jsontext"
	"gntconfd/internal/testing/specfiles"
)

// TestConversions: the form at each pointer in spec/conversions.json makes of the inputs what
// Ganeti's daemons made of them, and every form of config.json has examples.
func TestConversions(t *testing.T) {
	var table struct {
		Forms []struct {
			Form, Pointer string
			Examples      []struct {
				Input  string
				Output *string
			}
		}
	}
	specfiles.Read(t, "conversions.json", &table)
	var config struct {
		Vocabulary struct {
			Forms map[string]string `json:"x-confd-form"`
		} `json:"x-confd-vocabulary"`
	}
	specfiles.Read(t, "config.json", &config)
	lacking := maps.Clone(config.Vocabulary.Forms)
	lacking["int64"] = "type integer"
	for _, f := range table.Forms {
		delete(lacking, f.Form)
		tokens, err := jsontext.ParsePointer(f.Pointer)
		if err != nil {
			t.Fatal(err)
		}
		parent, last := Of("Config"), tokens[len(tokens)-1]
		for _, token := range tokens[:len(tokens)-1] {
			parent = inner(t, parent, token)
		}
		for _, e := range f.Examples {
			// Whether a member is left out, only the object that it is in decides.
			container, prefix := e.Input, ""
			of := inner(t, parent, last)
			if parent.kind == form.Object {
				prefix = fmt.Sprintf(`"%s":`, last)
				container, of = "{"+prefix+e.Input+"}", parent
			}
			got, err := of.Append(nil, []byte(container))
			if err != nil {
				t.Fatalf("%s: %s: %v", f.Form, e.Input, err)
			}
			output := string(got)
			if prefix != "" {
				var members map[string]json.RawMessage
				if err := json.Unmarshal(got, &members); err != nil {
					t.Fatal(err)
				}
				output = string(members[last]) // "" if it is left out
			}
			want := ""
			if e.Output != nil {
				want = *e.Output
			}
			if output != want && (output == "" || want == "" || !reflect.DeepEqual(exact(t, output), exact(t, want))) {
				t.Errorf("%s: %s becomes %q, want %q", f.Form, e.Input, output, want)
			}
		}
	}
	if len(lacking) > 0 {
		t.Errorf("no examples of %q", slices.Sorted(maps.Keys(lacking)))
	}
}

// inner returns the form of what a token leads to.
func inner(t *testing.T, f *Form, token string) *Form {
	t.Helper()
	switch f.kind {
	case form.Object:
		if member := f.Member(token); member != nil {
			return member
		}
	case form.Map, form.List:
		return f.elem
	case form.Tuple:
		return f.tuple[strings.Index("0123456789", token)]
	}
	t.Fatalf("no form for %q", token)
	return nil
}

// exact returns the value of a JSON text, with its numbers as they are written.
func exact(t *testing.T, text string) any {
	t.Helper()
	var value any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return value
}
