package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/format"
	"slices"
	"strings"
	"text/template"

	"gntconfd/internal/schema"
)

//go:embed buffer.tmpl
var bufferText string

var bufferTemplate = template.Must(template.New("buffer").Funcs(template.FuncMap{
	"title": func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
}).Parse(bufferText))

// buffer returns the Go source of a decoder for untrusted texts: it takes time linear in
// the text, whatever that contains, and allocates nothing. All members of the definition
// must be required texts.
func buffer(pkg, name string, source []byte) ([]byte, error) {
	root, err := schema.Parse(source)
	if err != nil {
		return nil, err
	}
	definition, ok := root.Definitions[name]
	if pkg == "" || !ok {
		return nil, fmt.Errorf("buffer takes -package and the -type of a definition")
	}
	for _, member := range definition.Properties {
		if !slices.Equal(member.Type.All, []string{"string"}) {
			return nil, fmt.Errorf("%s: %s is not text", name, member.Name)
		}
	}
	if len(definition.Required) != len(definition.Properties) {
		return nil, fmt.Errorf("%s: not all members are required", name)
	}
	var b bytes.Buffer
	err = bufferTemplate.Execute(&b, struct {
		Package, Name string
		Members       []string
	}{pkg, name, definition.Required})
	if err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}
