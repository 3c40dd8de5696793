package canonical

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"gntconfd/spec"
)

// The files of spec that say what forms there are.
const (
	schemaFile  = "config.json"
	classicFile = "classic.json"
)

const definitionsPath = "#/definitions/"

// schema holds the keywords of a JSON Schema that make a form.
type schema struct {
	Ref          string              `json:"$ref"`
	Definitions  map[string]*schema  `json:"definitions"`
	Type         oneOrMany[string]   `json:"type"`
	OneOf        []*schema           `json:"oneOf"`
	Properties   properties          `json:"properties"`
	Additional   *schema             `json:"additionalProperties"`
	Items        oneOrMany[*schema]  `json:"items"`
	Dependencies map[string][]string `json:"dependencies"`
	Default      json.RawMessage     `json:"default"`
	OtherDefault json.RawMessage     `json:"x-confd-default"`
	Form         string              `json:"x-confd-form"`
	Secret       bool                `json:"x-confd-secret"`

	never bool // the schema false, which nothing meets
}

// UnmarshalJSON takes the schemas true and false as ones without keywords.
func (s *schema) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		s.never = data[0] == 'f'
		return nil
	}
	type plain schema
	return json.Unmarshal(data, (*plain)(s))
}

// oneOrMany is a T or a list of them.
type oneOrMany[T any] struct {
	all  []T
	list bool
}

func (o *oneOrMany[T]) UnmarshalJSON(data []byte) error {
	if o.list = data[0] == '['; o.list {
		return json.Unmarshal(data, &o.all)
	}
	o.all = make([]T, 1)
	return json.Unmarshal(data, &o.all[0])
}

// properties are the properties of an object, in the order of the schema.
type properties []struct {
	name string
	*schema
}

func (p *properties) UnmarshalJSON(data []byte) error {
	var byName map[string]*schema
	if err := json.Unmarshal(data, &byName); err != nil {
		return err
	}
	for key := range members(data) {
		name := string(unquoted(key))
		*p = append(*p, struct {
			name string
			*schema
		}{name, byName[name]})
	}
	return nil
}

// definitions returns the forms of all definitions of a file, which it reads once.
func definitions(file string) func() map[string]*Form {
	return sync.OnceValue(func() map[string]*Form {
		text, err := spec.Files.ReadFile(file)
		if err != nil {
			panic(err) // the file is compiled in
		}
		forms, err := compile(text)
		if err != nil {
			panic(fmt.Sprintf("spec/%s: %v", file, err))
		}
		return forms
	})
}

var present, classic = definitions(schemaFile), definitions(classicFile)

// compiler turns schemas into forms.
type compiler struct {
	definitions map[string]*schema
	forms       map[string]*Form // of the definitions
}

// compile returns the forms of all definitions of a schema file.
func compile(text []byte) (map[string]*Form, error) {
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	c := &compiler{root.Definitions, make(map[string]*Form)}
	for name := range root.Definitions {
		if _, err := c.definition(name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	done := make(map[*Form]bool)
	for _, form := range c.forms {
		form.completeDefaults(done)
	}
	return c.forms, nil
}

// completeDefaults brings the defaults of members into their canonical form, which
// may have members with defaults as well.
func (f *Form) completeDefaults(done map[*Form]bool) {
	if f == nil || done[f] {
		return
	}
	done[f] = true
	f.elem.completeDefaults(done)
	for _, form := range f.tuple {
		form.completeDefaults(done)
	}
	for i := range f.members {
		m := &f.members[i]
		m.form.completeDefaults(done)
		if m.fallback != nil {
			m.fallback = m.form.append(nil, m.fallback, &scratch{limit: math.MaxInt})
		}
	}
}

// definition returns the form of a definition. While that is being made, as in a
// definition that contains itself, it is still empty.
func (c *compiler) definition(name string) (*Form, error) {
	if f, done := c.forms[name]; done {
		return f, nil
	}
	s, ok := c.definitions[name]
	if !ok {
		return nil, fmt.Errorf("no definition %q", name)
	}
	f := new(Form)
	c.forms[name] = f
	return f, c.fill(f, s)
}

// form returns the form of any schema.
func (c *compiler) form(s *schema) (*Form, error) {
	if s.Ref != "" {
		return c.definition(strings.TrimPrefix(s.Ref, definitionsPath))
	}
	if inner := s.orScalar(); inner != nil {
		return c.form(inner)
	}
	f := &Form{secret: s.Secret}
	return f, c.fill(f, s)
}

// kinds are the forms that have a name of their own in the schema.
var kinds = map[string]kind{
	"value":        anyValue,
	"set":          stringSet,
	"integer":      integerNumber,
	"double":       doubleNumber,
	"time":         timeNumber,
	"mebibytes":    mebibytes,
	"job-id":       jobID,
	"ipv4":         ipv4Address,
	"ipv4-network": ipv4Network,
	"filter":       filterExpression,
}

// Forms that say when a member is there, not how it looks.
const (
	flagForm      = "flag"
	omitEmptyForm = "omit-empty"
)

func (c *compiler) fill(f *Form, s *schema) (err error) {
	if s.Form != "" && s.Form != omitEmptyForm && s.Form != flagForm {
		k, ok := kinds[s.Form]
		if !ok {
			return fmt.Errorf("no form %q", s.Form)
		}
		f.kind = k
		return nil
	}
	switch {
	case s.Properties != nil:
		f.kind = objectOf
		return c.fillObject(f, s)
	case s.Additional != nil:
		f.kind = mapOf
		f.elem, err = c.form(s.Additional)
	case s.Items.list:
		f.kind = tupleOf
		f.tuple = make([]*Form, len(s.Items.all))
		for i, item := range s.Items.all {
			if f.tuple[i], err = c.form(item); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
	case s.Items.all != nil:
		f.kind = listOf
		f.elem, err = c.form(s.Items.all[0])
	case slices.Contains(s.Type.all, "integer"):
		f.kind = int64Number
	}
	return err
}

func (c *compiler) fillObject(f *Form, s *schema) error {
	f.open = s.Additional != nil && !s.Additional.never
	f.index = make(map[string]int, len(s.Properties))
	f.members = make([]member, len(s.Properties))
	for i, p := range s.Properties {
		f.index[p.name] = i
	}
	for i, p := range s.Properties {
		form, err := c.form(p.schema)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		target := p.schema
		if name, ok := strings.CutPrefix(p.Ref, definitionsPath); ok {
			target = c.definitions[name]
		}
		m := member{
			label:    append(appendQuoted(nil, []byte(p.name)), ':'),
			form:     form,
			nullable: target.nullable(),
			flag:     target.Form == flagForm,
			nonEmpty: target.Form == omitEmptyForm,
			needs:    -1,
		}
		for _, fallback := range []json.RawMessage{target.Default, target.OtherDefault} {
			if fallback != nil {
				m.fallback = bytes.TrimSpace(fallback)
			}
		}
		for _, other := range s.Dependencies[p.name] {
			var ok bool
			if m.needs, ok = f.index[other]; !ok {
				return fmt.Errorf("%s depends on %s, which is not there", p.name, other)
			}
		}
		f.members[i] = m
	}
	return nil
}

// nullable reports whether s takes null.
func (s *schema) nullable() bool {
	return slices.Contains(s.Type.all, "null") || slices.ContainsFunc(s.OneOf, (*schema).nullable)
}

// orScalar returns the other schema of a choice between null or text and one
// schema, nil if s is anything else. Null and text are in canonical form already.
func (s *schema) orScalar() *schema {
	if s.Form == "" && len(s.OneOf) == 2 && (s.OneOf[0].nullable() || slices.Contains(s.OneOf[0].Type.all, "string")) {
		return s.OneOf[1]
	}
	return nil
}
