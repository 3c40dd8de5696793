package main

import (
	"strings"
	"testing"
)

func TestCommon(t *testing.T) {
	const source = `{"definitions": {
		"Letter": {
			"additionalProperties": false,
			"required": ["to"],
			"properties": {
				"urgent": {"type": "boolean"},
				"to": {"type": "string"},
				"9": {"x-confd-name": "copies", "type": ["array", "null"], "items": {"$ref": "#/definitions/Copy"}},
				"stamps": {"$ref": "#/definitions/Stamps"},
				"answered": {"$ref": "#/definitions/Letter"},
				"sent": {"type": ["string", "integer"]},
				"lost": {"$ref": "#/definitions/Lost"}
			}
		},
		"Copy": {"oneOf": [{"type": "null"}, {"type": "string"}, {"$ref": "#/definitions/Stamps"}, {"type": "boolean"}]},
		"Stamps": {"type": "integer"}
	}}`
	got, err := common("post", "Letter", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"package post\n",
		"func (s *Letter) DecodeCommon(text []byte) bool {\n",
		"case \"to\":\n\t\t\tmember = 1 << 1\n\t\t\ti = commonString(&s.To, text, i)\n\t\tcase",
		"case \"9\":\n\t\t\tmember = 1 << 2\n\t\t\ts.Copies.Set = true\n\t\t\tif s.Copies.Null, i = commonNull(text, i); !s.Copies.Null {\n" +
			"\t\t\t\ti = commonList(&s.Copies.Value, text, i, (*Copy).common)\n\t\t\t}\n",
		"case \"stamps\":\n\t\t\tmember = 1 << 3\n\t\t\ts.Stamps.Set = true\n\t\t\ti = commonInteger(&s.Stamps.Value, text, i)\n\t\t}\n",
		"if have&2 != 2 {\n",
		"case 'n':\n\t\ts.Type = NullCopy\n\t\t_, i = commonNull(text, i)\n\tcase '\"':\n\t\ts.Type = StringCopy\n\t\ti = commonString(&s.String, text, i)\n" +
			"\tcase '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':\n\t\ts.Type = StampsCopy\n\t\ti = commonInteger(&s.Stamps, text, i)\n\tdefault:\n",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, other := range []string{"urgent", "answered", "sent", "lost"} {
		if strings.Contains(string(got), other) {
			t.Errorf("%s is decoded in\n%s", other, got)
		}
	}
}

func TestCommonErrors(t *testing.T) {
	for _, test := range []struct{ name, pkg, typ, source, want string }{
		{"no package", "", "T", `{"definitions": {"T": {}}}`, "-package"},
		{"no such definition", "p", "U", `{"definitions": {"T": {}}}`, "definition"},
		{"not an object", "p", "T", `{"definitions": {"T": {"type": "string"}}}`, "T: neither"},
		{"other members", "p", "T", `{"definitions": {"T": {"type": "object", "properties": {"n": {"type": "string"}}}}}`, "T: neither"},
		{"no JSON", "p", "T", `[`, "unexpected end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := common(test.pkg, test.typ, []byte(test.source))
			expectError(t, err, test.want)
		})
	}
}
