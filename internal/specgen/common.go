package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/format"
	"slices"
	"text/template"

	"gntconfd/internal/schema"
)

//go:embed common.tmpl
var commonText string

var commonTemplate = template.Must(template.New("common").Parse(commonText))

// common returns the Go source of a second decoder for a type that ogen makes a codec of: a
// fast one, for texts of a common form. It leaves to ogen's decoder what has no reader here,
// and definitions inside themselves.
func common(pkg, name string, source []byte) ([]byte, error) {
	root, err := schema.Parse(source)
	if err != nil {
		return nil, err
	}
	if pkg == "" || root.Definitions[name] == nil {
		return nil, fmt.Errorf("common takes -package and the -type of a definition")
	}
	m := &commonMaker{definitions: root.Definitions}
	if !m.add(name) {
		return nil, fmt.Errorf("%s: neither an object without other members nor one of several kinds of values", name)
	}
	var b bytes.Buffer
	err = commonTemplate.Execute(&b, struct {
		Package, Root string
		Types         []*commonType
	}{pkg, name, m.types})
	if err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}

// commonType is a type with a decoder: an object with members, or a value of one of several
// kinds.
type commonType struct {
	Name     string
	Members  []commonCase
	Kinds    []commonCase
	Required int // has the bits of the members that must be there
}

// commonCase has the statements that decode a member, or a value that begins with one of
// some bytes.
type commonCase struct {
	Name   string // of the member, or the bytes as in Go
	Bit    int
	Decode string
}

// commonMaker collects types with decoders.
type commonMaker struct {
	definitions map[string]*schema.Schema
	types       []*commonType
	around      []string // the definitions that are being added
}

// add adds the type of a definition, and those in it. It reports whether the definition has
// a decoder.
func (m *commonMaker) add(name string) bool {
	if slices.ContainsFunc(m.types, func(t *commonType) bool { return t.Name == name }) {
		return true
	}
	s := m.definitions[name]
	if s == nil || slices.Contains(m.around, name) || s.OneOf == nil && (s.Additional == nil || !s.Additional.Never) {
		return false
	}
	m.around = append(m.around, name)
	t := &commonType{Name: name}
	for bit, member := range s.Properties {
		field := member.Name
		if !identifier.MatchString(field) {
			field = member.Schema.Name
		}
		required := slices.Contains(s.Required, member.Name)
		if required {
			t.Required |= 1 << bit
		}
		if decode := m.decode("s."+goName(field), member.Schema, !required); decode != "" {
			t.Members = append(t.Members, commonCase{member.Name, bit, decode})
		}
	}
	for _, s := range s.OneOf {
		kind := kindOf(m.resolve(s))
		name := s.Definition()
		if name == "" {
			name = goName(kind)
		}
		decode := m.read("s."+name, s)
		if kind == "null" {
			decode = "_, i = commonNull(text, i)"
		}
		if decode != "" && starts[kind] != "" {
			t.Kinds = append(t.Kinds, commonCase{Name: starts[kind], Decode: fmt.Sprintf("s.Type = %s%s\n%s", name, t.Name, decode)})
		}
	}
	m.around = m.around[:len(m.around)-1]
	m.types = append(m.types, t)
	return true
}

// starts has the bytes with which values begin, by their type in the schema.
var starts = map[string]string{
	"null": `'n'`, "string": `'"'`, "object": `'{'`, "integer": `'0', '1', '2', '3', '4', '5', '6', '7', '8', '9'`,
}

// kindOf returns the type in a schema, or "" if there are several.
func kindOf(s *schema.Schema) string {
	if len(s.Type.All) != 1 {
		return ""
	}
	return s.Type.All[0]
}

// resolve returns the schema that s refers to, or s.
func (m *commonMaker) resolve(s *schema.Schema) *schema.Schema {
	if definition := m.definitions[s.Definition()]; definition != nil {
		return definition
	}
	return s
}

// decode returns the statements that decode a member into a field as ogen makes it, or "".
func (m *commonMaker) decode(field string, s *schema.Schema, optional bool) string {
	nullable := len(s.Type.All) == 2 && s.Type.All[1] == "null"
	value := field
	if nullable {
		other := *s
		other.Type.All = s.Type.All[:1]
		s = &other
	}
	if optional || nullable {
		value += ".Value"
	}
	decode := m.read(value, s)
	if decode != "" && nullable {
		decode = fmt.Sprintf("if %[1]s.Null, i = commonNull(text, i); !%[1]s.Null {\n%[2]s\n}", field, decode)
	}
	if decode != "" && optional {
		decode = field + ".Set = true\n" + decode
	}
	return decode
}

// read returns the statement that decodes a value into a variable, or "".
func (m *commonMaker) read(variable string, s *schema.Schema) string {
	if kindOf(s) == "array" && len(s.Items.All) == 1 {
		if element := m.reader(s.Items.All[0]); element != "" {
			return fmt.Sprintf("i = commonList(&%s, text, i, %s)", variable, element)
		}
	} else if reader := m.reader(s); reader != "" {
		return fmt.Sprintf("i = %s(&%s, text, i)", reader, variable)
	}
	return ""
}

// reader returns the function that decodes a value other than a list, or "".
func (m *commonMaker) reader(s *schema.Schema) string {
	if name := s.Definition(); m.add(name) {
		return fmt.Sprintf("(*%s).common", name)
	}
	switch kindOf(m.resolve(s)) {
	case "integer":
		return "commonInteger"
	case "string":
		return "commonString"
	}
	return ""
}
