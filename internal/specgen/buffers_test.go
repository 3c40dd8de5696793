package main

import (
	"strings"
	"testing"
)

func TestBuffer(t *testing.T) {
	const source = `{"definitions": {"Letter": {
		"required": ["to", "from"],
		"properties": {"from": {"type": "string"}, "to": {"type": "string"}}
	}}}`
	got, err := buffer("post", "Letter", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"package post\n",
		"type LetterBuffer struct {\n\tTo   []byte\n\tFrom []byte\n",
		"case \"from\":\n\t\t\thave[1] = true\n\t\t\tb.From, i = b.text(text, i)\n",
		"case !have[0]:\n\t\treturn errBufferTo\n",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestBufferErrors(t *testing.T) {
	for _, test := range []struct{ name, pkg, typ, source, want string }{
		{"no package", "", "T", `{"definitions": {"T": {}}}`, "-package"},
		{"no such definition", "p", "U", `{"definitions": {"T": {}}}`, "definition"},
		{"not text", "p", "T", `{"definitions": {"T": {"required": ["n"], "properties": {"n": {"type": "integer"}}}}}`, "T: n is not text"},
		{"not required", "p", "T", `{"definitions": {"T": {"properties": {"n": {"type": "string"}}}}}`, "T: not all"},
		{"no JSON", "p", "T", `[`, "unexpected end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := buffer(test.pkg, test.typ, []byte(test.source))
			expectError(t, err, test.want)
		})
	}
}
