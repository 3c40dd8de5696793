package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-json"

	"gntconfd/internal/schema"
)

// A port is what the code of the protocol in another language is made from.
type port struct {
	Groups  []group
	Modules []*module
	Tables  map[string]any // by file: the definitions, without what decides nothing
	Answers []answerNames  // of each file of answers
	Rules   *rules
}

// answerNames are the definitions of the answers to each type of request.
type answerNames struct {
	File  string
	Names []string
}

// Classic reports whether the answers are those of the dialect of Ganeti 2.6.
func (a answerNames) Classic() bool { return strings.HasPrefix(a.File, "classic") }

// group is a group of constants.
type group struct {
	Title, Prefix string
	// Enum is the name of the enumeration that it is, "" when its values are not all of a kind.
	Enum      string
	Texts     bool // whether they are texts, not integers
	Constants []constant
}

type constant struct{ Name, Value, Doc string }

// module is what one schema file describes.
type module struct {
	Name, File, Doc string
	Types           []*definition
	Enums           []*definition // which the constants have

	definitions map[string]*schema.Schema
}

// definition is a type with a name.
type definition struct {
	Name, Doc string
	Ref       string // of its schema, as wire.json#/definitions/Reply
	Shape     shape
}

// shape is a type, without what only a validator can know.
type shape struct {
	Kind    kind
	Name    string   // of what a reference refers to
	Module  string   // of that: constants, or the name of a module
	Of      []shape  // elements of a list, map or tuple; choices of a union
	Min     int      // how many elements of a tuple there are at least
	Members []member // of an object, or named ones of a tuple
	Values  []any    // of a choice among values
}

type member struct {
	Name, Doc string
	Shape     shape
	Required  bool
}

// IsObject reports whether s is an object whose members have names.
func (s shape) IsObject() bool { return s.Kind == objectKind }

// IsTuple reports whether s is a tuple whose elements have names and are all there.
func (s shape) IsTuple() bool {
	return s.Kind == tupleKind && s.Members != nil && s.Min == len(s.Of)
}

type kind int

const (
	anyKind kind = iota
	nullKind
	booleanKind
	integerKind
	numberKind
	stringKind
	listKind
	mapKind
	tupleKind
	objectKind
	unionKind
	valuesKind
	referenceKind
)

// newPort reads the constants, the schema files and the files of rules, by their names.
func newPort(names []string, sources [][]byte) (*port, error) {
	p := &port{Tables: make(map[string]any)}
	schemas := 1
	for schemas < len(names) && !isRules(names[schemas]) {
		schemas++
	}
	var err error
	if p.Rules, err = readRules(append(names[:1:1], names[schemas:]...), append(sources[:1:1], sources[schemas:]...)); err != nil {
		return nil, err
	}
	var file constantsFile
	if err := decodeStrict(sources[0], &file); err != nil {
		return nil, err
	}
	for _, g := range file.Groups {
		p.Groups = append(p.Groups, newGroup(g))
	}
	for i, source := range sources[1:schemas] {
		name := filepath.Base(names[i+1])
		if err := p.add(name, source); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return p, nil
}

// moduleName returns the name of the module of a schema file.
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(file, ".json"), "-", "_")
}

func newGroup(g constantGroup) group {
	made := group{Title: g.Title, Prefix: g.Prefix, Enum: g.Type}
	if made.Enum == "" {
		made.Enum = g.Prefix
	}
	made.Texts = g.Constants[0].Value[0] == '"'
	for _, c := range g.Constants {
		if (c.Value[0] == '"') != made.Texts {
			made.Enum = ""
		}
		doc := c.Doc
		if c.Ganeti != "" {
			doc += " Ganeti calls it " + c.Ganeti + "."
		}
		made.Constants = append(made.Constants, constant{c.Name, string(c.Value), doc})
	}
	return made
}

// add adds the module of a schema file. What it refers to in other files has to be there.
func (p *port) add(file string, source []byte) error {
	root, err := schema.Parse(source)
	if err != nil {
		return err
	}
	var text map[string]any
	if err := json.Unmarshal(source, &text); err != nil {
		return err
	}
	p.Tables[file] = decisive(text["definitions"], true)

	m := &module{Name: moduleName(file), File: file, Doc: root.Description, definitions: root.Definitions}
	for _, name := range slices.Sorted(maps.Keys(root.Definitions)) {
		s := root.Definitions[name]
		ref := file + "#/definitions/" + name
		if p.enum(name) {
			m.Enums = append(m.Enums, &definition{Name: name, Ref: ref})
			continue
		}
		if answer := s.Properties.Get("ok"); answer != nil && len(s.Properties) == 2 {
			doc := answer.Description
			if doc == "" {
				doc = s.Description
			}
			s, ref = answer, ref+"/properties/ok"
			s.Description = doc
		}
		made := &definition{Name: name, Doc: s.Description, Ref: ref}
		if made.Shape, err = p.shape(m, s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		m.Types = append(m.Types, made)
	}
	answers := answerNames{File: file}
	for i := 0; root.Properties.Get(strconv.Itoa(i)) != nil; i++ {
		answers.Names = append(answers.Names, root.Properties.Get(strconv.Itoa(i)).Definition())
	}
	if answers.Names != nil {
		p.Answers = append(p.Answers, answers)
	}
	m.drop()
	m.sort()
	p.Modules = append(p.Modules, m)
	return nil
}

// enum reports whether a group of constants is an enumeration with this name.
func (p *port) enum(name string) bool {
	return slices.ContainsFunc(p.Groups, func(g group) bool { return g.Enum == name })
}

// shape returns the type of the values that meet s.
func (p *port) shape(m *module, s *schema.Schema) (shape, error) {
	switch {
	case s.Ref != "":
		file, name, _ := strings.Cut(s.Ref, "#/definitions/")
		module := moduleName(file)
		if module == "" {
			module = m.Name
		}
		if p.enum(name) {
			module = "constants"
		}
		return shape{Kind: referenceKind, Module: module, Name: name}, nil
	case len(s.OneOf) > 0:
		return p.union(m, s.OneOf)
	case s.Enum != nil && s.Name != "":
		return m.named(s)
	case s.Enum != nil:
		return shape{Kind: valuesKind, Values: s.Enum}, nil
	case len(s.Type.All) > 1:
		var choices []*schema.Schema
		for _, name := range s.Type.All {
			choice := *s
			choice.Type = schema.List[string]{All: []string{name}}
			choices = append(choices, &choice)
		}
		return p.union(m, choices)
	case len(s.Type.All) == 0:
		return shape{}, nil
	}
	switch name := s.Type.All[0]; name {
	case "null":
		return shape{Kind: nullKind}, nil
	case "boolean":
		return shape{Kind: booleanKind}, nil
	case "integer":
		return shape{Kind: integerKind}, nil
	case "number":
		return shape{Kind: numberKind}, nil
	case "string":
		return shape{Kind: stringKind}, nil
	case "array":
		return p.array(m, s)
	case "object":
		return p.object(m, s)
	default:
		return shape{}, fmt.Errorf("unknown type %q", name)
	}
}

// named returns a reference to an enumeration that has a name where it is used, and null where
// that may be.
func (m *module) named(s *schema.Schema) (shape, error) {
	made := shape{Kind: referenceKind, Module: m.Name, Name: s.Name}
	values := slices.DeleteFunc(slices.Clone(s.Enum), func(value any) bool { return value == nil })
	i := slices.IndexFunc(m.Types, func(t *definition) bool { return t.Name == s.Name })
	switch {
	case m.definitions[s.Name] != nil:
		for _, value := range values {
			if !slices.Contains(m.definitions[s.Name].Enum, value) {
				return made, fmt.Errorf("%s does not have %v", s.Name, value)
			}
		}
	case i < 0:
		m.Types = append(m.Types, &definition{Name: s.Name, Doc: s.Description, Shape: shape{Kind: valuesKind, Values: values}})
	case !slices.Equal(m.Types[i].Shape.Values, values):
		return made, fmt.Errorf("%s: two enumerations have this name", s.Name)
	}
	if len(values) != len(s.Enum) {
		return shape{Kind: unionKind, Of: []shape{made, {Kind: nullKind}}}, nil
	}
	return made, nil
}

func (p *port) union(m *module, choices []*schema.Schema) (shape, error) {
	made := shape{Kind: unionKind}
	for _, choice := range choices {
		of, err := p.shape(m, choice)
		if err != nil {
			return made, err
		}
		made.Of = append(made.Of, of)
	}
	return made, nil
}

func (p *port) array(m *module, s *schema.Schema) (shape, error) {
	if !s.Items.IsList {
		made := shape{Kind: listKind, Of: []shape{{}}}
		var err error
		if s.Items.All != nil {
			made.Of[0], err = p.shape(m, s.Items.All[0])
		}
		return made, err
	}
	made := shape{Kind: tupleKind, Min: s.MinItems}
	for _, item := range s.Items.All {
		element := *item
		element.Name = "" // which is the element's, not an enumeration's
		of, err := p.shape(m, &element)
		if err != nil {
			return made, err
		}
		made.Of = append(made.Of, of)
		if item.Name != "" {
			made.Members = append(made.Members, member{item.Name, item.Description, of, len(made.Of) <= s.MinItems})
		}
	}
	if len(made.Members) != 0 && len(made.Members) != len(made.Of) {
		return made, fmt.Errorf("some elements of a tuple have no name")
	}
	return made, nil
}

func (p *port) object(m *module, s *schema.Schema) (shape, error) {
	if s.Properties == nil {
		made := shape{Kind: mapKind, Of: []shape{{}}}
		var err error
		if s.Additional != nil {
			made.Of[0], err = p.shape(m, s.Additional)
		}
		return made, err
	}
	made := shape{Kind: objectKind}
	for _, property := range s.Properties {
		of, err := p.shape(m, property.Schema)
		if err != nil {
			return made, fmt.Errorf("%s: %w", property.Name, err)
		}
		doc := property.Description
		if doc == "" && of.Kind == referenceKind {
			doc = p.doc(of, m)
		}
		made.Members = append(made.Members, member{property.Name, doc, of, slices.Contains(s.Required, property.Name)})
	}
	return made, nil
}

// doc returns what a reference's target says of itself, "" when that is not known yet.
func (p *port) doc(ref shape, current *module) string {
	for _, m := range append(p.Modules, current) {
		for _, t := range m.Types {
			if m.Name == ref.Module && t.Name == ref.Name {
				return t.Doc
			}
		}
	}
	return ""
}

// drop drops what is part of a condition alone: it says nothing of types, and no type refers
// to it.
func (m *module) drop() {
	used := make(map[string]bool)
	for _, t := range m.Types {
		t.Shape.references(func(ref shape) { used[ref.Name] = true })
	}
	m.Types = slices.DeleteFunc(m.Types, func(t *definition) bool {
		return t.Shape.Kind == anyKind && t.Doc != "" && !used[t.Name] && !strings.Contains(t.Ref, "/properties/")
	})
}

// sort puts what others refer to before them, but for what refers to itself.
func (m *module) sort() {
	byName := make(map[string]*definition)
	for _, t := range m.Types {
		byName[t.Name] = t
	}
	var sorted []*definition
	var visit func(t *definition)
	visit = func(t *definition) {
		if t == nil || byName[t.Name] == nil {
			return
		}
		delete(byName, t.Name)
		t.Shape.references(func(ref shape) {
			if ref.Module == m.Name {
				visit(byName[ref.Name])
			}
		})
		sorted = append(sorted, t)
	}
	for _, t := range m.Types {
		visit(t)
	}
	m.Types = sorted
}

// references calls each with the references in s.
func (s shape) references(each func(shape)) {
	if s.Kind == referenceKind {
		each(s)
	}
	for _, of := range s.Of {
		of.references(each)
	}
	for _, member := range s.Members {
		member.Shape.references(each)
	}
}

// Imports returns the other modules that a module refers to, in order.
func (m *module) Imports() []string {
	found := make(map[string]bool)
	for _, t := range m.Types {
		t.Shape.references(func(ref shape) { found[ref.Module] = true })
	}
	if m.Enums != nil {
		found["constants"] = true
	}
	delete(found, m.Name)
	return slices.Sorted(maps.Keys(found))
}

// decisive returns a schema, or a map of such, without the keywords that decide nothing.
func decisive(node any, names bool) any {
	switch node := node.(type) {
	case []any:
		made := make([]any, len(node))
		for i, element := range node {
			made[i] = decisive(element, false)
		}
		return made
	case map[string]any:
		made := make(map[string]any)
		for key, value := range node {
			switch {
			case names:
				made[key] = decisive(value, false)
			case key == "properties":
				made[key] = decisive(value, true)
			case key == "enum" || key == "const" || key == "dependencies":
				made[key] = value
			case key == "description", key == "default", key == "$comment", strings.HasPrefix(key, "x-"):
			default:
				made[key] = decisive(value, false)
			}
		}
		return made
	}
	return node
}

// boundaries are where a new word begins in a name such as NodePIPByInstanceIP.
var boundaries = []*regexp.Regexp{
	regexp.MustCompile(`([A-Z])([A-Z][a-z])`),
	regexp.MustCompile(`([a-z0-9])([A-Z])`),
}

// snake writes a name of the spec in small letters with underscores between its words.
func snake(name string) string {
	name = strings.NewReplacer("IPs", "Ips", "MCPIP", "McPip").Replace(name)
	for _, boundary := range boundaries {
		name = boundary.ReplaceAllString(name, "${1}_${2}")
	}
	return strings.ToLower(name)
}

// wrap breaks a text into lines of at most width columns.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
