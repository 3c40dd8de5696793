package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/format"
	"strings"
	"text/template"
)

//go:embed buffer.tmpl
var bufferText string

var bufferTemplate = template.Must(template.New("buffer").Funcs(template.FuncMap{
	"title": func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
}).Parse(bufferText))

// buffer returns the Go source of a decoder for texts that strangers send: it takes
// time linear in the text whatever that is, and allocates nothing. The definition's
// members must all be required and text.
func buffer(pkg, name string, source []byte) ([]byte, error) {
	var schema struct {
		Definitions map[string]struct {
			Required   []string
			Properties map[string]struct{ Type any }
		}
	}
	if err := json.Unmarshal(source, &schema); err != nil {
		return nil, err
	}
	definition, ok := schema.Definitions[name]
	if pkg == "" || !ok {
		return nil, fmt.Errorf("buffer takes -package and the -type of a definition")
	}
	for _, member := range definition.Required {
		if definition.Properties[member].Type != "string" {
			return nil, fmt.Errorf("%s: %s is not text", name, member)
		}
	}
	if len(definition.Required) != len(definition.Properties) {
		return nil, fmt.Errorf("%s: not all members are required", name)
	}
	var b bytes.Buffer
	err := bufferTemplate.Execute(&b, struct {
		Package, Name string
		Members       []string
	}{pkg, name, definition.Required})
	if err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}
