// Package schema reads the JSON Schemas of spec, which are draft-07 with keywords of their
// own; spec/config.json explains them under x-confd-vocabulary. It is independent of the
// generators that use it.
package schema

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-json"
)

// definitionsPath is the prefix of a reference to a definition.
const definitionsPath = "#/definitions/"

// Schema is a schema, with the keywords that generators need. A reference has only Ref and
// perhaps a Name and a Description.
type Schema struct {
	Ref          string              `json:"$ref"`
	Definitions  map[string]*Schema  `json:"definitions"`
	Description  string              `json:"description"`
	Type         List[string]        `json:"type"`
	Enum         []any               `json:"enum"`
	OneOf        []*Schema           `json:"oneOf"`
	Properties   Properties          `json:"properties"`
	Additional   *Schema             `json:"additionalProperties"`
	Required     []string            `json:"required"`
	Else         *Schema             `json:"else"`
	Dependencies map[string][]string `json:"dependencies"`
	Items        List[*Schema]       `json:"items"`
	MinItems     int                 `json:"minItems"`
	Default      json.RawMessage     `json:"default"`

	Name         string          `json:"x-confd-name"`
	Form         string          `json:"x-confd-form"`
	OtherDefault json.RawMessage `json:"x-confd-default"`
	Secret       bool            `json:"x-confd-secret"`

	// Never is the schema false, which matches nothing.
	Never bool `json:"-"`
}

// Parse reads a schema file.
func Parse(text []byte) (*Schema, error) {
	s := new(Schema)
	return s, json.Unmarshal(text, s)
}

// UnmarshalJSON reads a schema. The schemas true and false have no keywords.
func (s *Schema) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "true":
		return nil
	case "false":
		s.Never = true
		return nil
	}
	type plain Schema
	return json.Unmarshal(data, (*plain)(s))
}

// Definition returns the name of the definition that s refers to, or "" if s is not a
// reference.
func (s *Schema) Definition() string { return strings.TrimPrefix(s.Ref, definitionsPath) }

// Reference returns a schema that refers to a definition.
func Reference(definition string) *Schema { return &Schema{Ref: definitionsPath + definition} }

// Nullable reports whether s allows null.
func (s *Schema) Nullable() bool {
	return slices.Contains(s.Type.All, "null") || slices.ContainsFunc(s.OneOf, (*Schema).Nullable)
}

// List is the value of a keyword that has one T or a list of them.
type List[T any] struct {
	All    []T
	IsList bool
}

// UnmarshalJSON reads one T or a list.
func (l *List[T]) UnmarshalJSON(data []byte) error {
	if l.IsList = data[0] == '['; l.IsList {
		return json.Unmarshal(data, &l.All)
	}
	l.All = make([]T, 1)
	return json.Unmarshal(data, &l.All[0])
}

// Properties are the members of an object, in file order.
type Properties []Property

// Get returns the member with a name, or nil.
func (p Properties) Get(name string) *Schema {
	for _, property := range p {
		if property.Name == name {
			return property.Schema
		}
	}
	return nil
}

var errNoObject = errors.New("not an object")

// Property is a member of an object.
type Property struct {
	Name string
	*Schema
}

// UnmarshalJSON reads the members.
func (p *Properties) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return fmt.Errorf("properties begin with %v: %w", start, cmp.Or(err, errNoObject))
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		member := Property{Name: name.(string), Schema: new(Schema)}
		if err := d.Decode(member.Schema); err != nil {
			return err
		}
		*p = append(*p, member)
	}
	return nil
}
