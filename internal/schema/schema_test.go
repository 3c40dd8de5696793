package schema

import "testing"

func TestParse(t *testing.T) {
	s, err := Parse([]byte(`{"definitions": {
		"A": {"properties": {"z": {"$ref": "#/definitions/B"}, "a": {"type": ["string", "null"]}}, "additionalProperties": false},
		"B": {"items": [{"x-confd-name": "first"}, {}], "minItems": 1},
		"C": {"items": {"type": "integer"}, "oneOf": [{"type": "null"}, {"$ref": "#/definitions/A"}], "additionalProperties": true}}}`))
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := s.Definitions["A"], s.Definitions["B"], s.Definitions["C"]
	if len(a.Properties) != 2 || a.Properties[0].Name != "z" || a.Properties[1].Name != "a" {
		t.Errorf("properties %v are not in the order of the file", a.Properties)
	}
	if got := a.Properties[0].Definition(); got != "B" || Reference("B").Definition() != "B" {
		t.Errorf("z refers to %q", got)
	}
	if a.Properties[0].Nullable() || !a.Properties[1].Nullable() || !c.Nullable() {
		t.Error("what takes null: a and C, not z")
	}
	if !a.Additional.Never || c.Additional.Never || b.Additional != nil {
		t.Error("only A takes no further members")
	}
	if !b.Items.IsList || len(b.Items.All) != 2 || b.Items.All[0].Name != "first" || c.Items.IsList || len(c.Items.All) != 1 {
		t.Errorf("items are %v and %v", b.Items, c.Items)
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{``, `{`, `{"type": 1}`, `{"properties": []}`, `{"items": 1}`} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
