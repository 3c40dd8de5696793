package show

import (
	"encoding/json"
	"strings"
	"testing"

	"gntconfd/internal/terminal"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// TestYAMLAgreesWithJSON: both forms of a document are read as the same, whatever
// its texts look like, and none of its bytes could upset a terminal.
func TestYAMLAgreesWithJSON(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "~", "null", "yes", "no", "on", "1", "0x1f", "1e3", ".5", "-", "- a", "a: b", "#c", " d", "e ", "\t", "\n", "a\nb", "a\n", "\nb",
		"a\n\n b", "\x00", "\x1b[2J", "\x7f", "\u0085", "\u009b", "\u2028", "\u202e", "\ufeff", "\U000e0001", "2024-01-02", "=", "<<",
		"*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "{", "[", "'", "\"", "a\r\nb", strings.Repeat("long ", 60),
	}))
	var values *rapid.Generator[any]
	values = rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			return rapid.MapOfN(texts, rapid.Deferred(func() *rapid.Generator[any] { return values }), 0, 3).Draw(t, "object")
		case 1:
			return rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return values }), 0, 3).Draw(t, "array")
		case 2:
			return rapid.Float64().Draw(t, "float")
		case 3:
			return rapid.Int64().Draw(t, "integer")
		case 4:
			return rapid.Bool().Draw(t, "boolean")
		case 5:
			return nil
		}
		return texts.Draw(t, "text")
	})
	rapid.Check(t, func(t *rapid.T) {
		document := values.Draw(t, "document")
		var forms [2]string
		var read [2]any
		for i, form := range []Form{AsJSON, AsYAML} {
			var out strings.Builder
			if err := form.Write(&out, document); err != nil {
				t.Fatal(err)
			}
			forms[i] = out.String()
			for line := range strings.Lines(forms[i]) {
				if line = strings.TrimSuffix(line, "\n"); terminal.Printable(line) != line {
					t.Fatalf("%s: unprintable: %q", form, line)
				}
			}
		}
		if err := json.Unmarshal([]byte(forms[0]), &read[0]); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(forms[1]), &read[1]); err != nil {
			t.Fatalf("%v:\n%s", err, forms[1])
		}
		// YAML tells integers from other numbers, and reads texts of other keys.
		again, err := json.Marshal(read[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &read[1]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(read[0], read[1]); diff != "" {
			t.Fatalf("(-JSON +YAML):\n%s\n%s", diff, forms[1])
		}
	})
}

// TestYAMLNumbers: numbers stay as they were written, however long.
func TestYAMLNumbers(t *testing.T) {
	text, err := jsonToYAML([]byte(`{"a": 123456789012345678901234567890, "b": 1.7177700457207590e9}`))
	if want := "a: 123456789012345678901234567890\nb: 1.7177700457207590e9\n"; err != nil || string(text) != want {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
}

func TestMebibytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 MiB", 655: "655 MiB", 1024: "1 GiB", 1536: "1.5 GiB", 20480: "20 GiB", 3 << 20: "3 TiB"} {
		if got := mebibytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
