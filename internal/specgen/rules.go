package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/format"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/goccy/go-json"

	"gntconfd/internal/schema"
)

// rules are the rules of the protocol that are neither shapes nor constants.
type rules struct {
	Errors   errorsFile
	Requests requestsFile
	Lookups  lookupsFile
	Datagram datagramFile
	Values   valuesFile

	deviations deviationsFile
	wire       schema.Schema
	constants  constantsFile
	files      map[string]any // each file as it is, by its name without extension
}

// deviationsFile is the layout of spec/deviations.json.
type deviationsFile struct {
	Schema      string      `json:"$schema"`
	Description string      `json:"description"`
	Deviations  []deviation `json:"deviations"`
}

type deviation struct {
	ID       string   `json:"id"`
	Scope    string   `json:"scope"`
	Releases []string `json:"releases"`
	Title    string   `json:"title"`
	Reason   string   `json:"reason"`
	Real     string   `json:"real"`
	Ours     string   `json:"ours"`
}

// errorsFile is the layout of spec/errors.json.
type errorsFile struct {
	Schema      string `json:"$schema"`
	Description string `json:"description"`
	Literals    struct {
		Description string   `json:"description"`
		Controls    []string `json:"controls"`
		Delete      string   `json:"delete"`
		Separator   string   `json:"separator"`
	} `json:"literals"`
	Fields struct {
		Description string   `json:"description"`
		Names       []string `json:"names"`
	} `json:"fields"`
	Forms map[string]string `json:"forms"`
	Texts []errorText       `json:"texts"`
	Codes []errorCode       `json:"codes"`
}

type errorCode struct {
	Code string `json:"code"`
	Sent []sent `json:"sent"`
}

type errorText struct {
	Name       string      `json:"name"`
	Text       string      `json:"text"`
	Doc        string      `json:"doc"`
	Status     string      `json:"status"`
	Deviations []string    `json:"deviations"`
	Parameters []parameter `json:"parameters"`
	Sent       []sent      `json:"sent"`
}

type parameter struct {
	Name string   `json:"name"`
	Form string   `json:"form"`
	Of   []string `json:"of"`
	Doc  string   `json:"doc"`
}

type sent struct {
	Dialect string `json:"dialect"`
	Types   []int  `json:"types"`
	When    string `json:"when"`
}

// requestsFile is the layout of spec/requests.json.
type requestsFile struct {
	Schema      string                  `json:"$schema"`
	Description string                  `json:"description"`
	Kinds       dialects[[]kindOfQuery] `json:"kinds"`
	Serials     map[string]string       `json:"serials"`
	Orders      map[string]string       `json:"orders"`
	Requests    []request               `json:"requests"`
}

// dialects has something of either dialect.
type dialects[T any] struct {
	Modern  T `json:"3.0"`
	Classic T `json:"2.6"`
}

type kindOfQuery struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

type request struct {
	Type int    `json:"type"`
	Name string `json:"name"`
	dialects[answered]
}

// answered says how a type of request is answered in one dialect.
type answered struct {
	Queries map[string]outcome `json:"queries"`
	Answer  string             `json:"answer"`
	Serial  string             `json:"serial"`
	Order   string             `json:"order"`
	Lookups []string           `json:"lookups"`
}

type outcome struct {
	Outcome string `json:"outcome"`
	Doc     string `json:"doc"`
}

// Outcomes returns the names of all outcomes.
func (f *requestsFile) Outcomes() []string {
	names := []string{"answer", "silence"}
	for _, one := range f.Requests {
		for _, of := range []struct {
			answered
			kinds []kindOfQuery
		}{{one.Modern, f.Kinds.Modern}, {one.Classic, f.Kinds.Classic}} {
			for _, kind := range of.kinds {
				if name := of.Queries[kind.Name].Outcome; !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// check returns what is wrong that no schema can tell.
func (f *requestsFile) check(e *errorsFile) error {
	for i, one := range f.Requests {
		if one.Type != i {
			return fmt.Errorf("request type %d comes in place of %d", one.Type, i)
		}
		for _, of := range []struct {
			answered
			kinds []kindOfQuery
		}{{one.Modern, f.Kinds.Modern}, {one.Classic, f.Kinds.Classic}} {
			for _, kind := range of.kinds {
				if _, ok := of.Queries[kind.Name]; !ok {
					return fmt.Errorf("%s: no outcome for the kind %s", one.Name, kind.Name)
				}
			}
			if len(of.Queries) != len(of.kinds) {
				return fmt.Errorf("%s: an outcome for a kind that does not exist", one.Name)
			}
			if f.Serials[of.Serial] == "" || of.Order != "" && f.Orders[of.Order] == "" {
				return fmt.Errorf("%s: no serial %q or no order %q", one.Name, of.Serial, of.Order)
			}
		}
	}
	for _, name := range f.Outcomes()[2:] {
		if !e.has(name) {
			return fmt.Errorf("errors.json has no %s, which is an outcome", name)
		}
	}
	return nil
}

// datagramFile is the layout of spec/datagram.json.
type datagramFile struct {
	Schema      string  `json:"$schema"`
	Description string  `json:"description"`
	Daemon      []check `json:"daemon"`
	Client      []check `json:"client"`
}

type check struct {
	Name    string `json:"name"`
	Word    string `json:"word"`
	Check   string `json:"check"`
	Classic string `json:"classic"`
}

// valuesFile is the layout of spec/values.json.
type valuesFile struct {
	Schema      string `json:"$schema"`
	Description string `json:"description"`
	Units       struct {
		Description string `json:"description"`
		Units       []struct {
			Names     []string `json:"names"`
			Mebibytes int64    `json:"mebibytes"`
		} `json:"units"`
	} `json:"units"`
	Filters struct {
		Description string    `json:"description"`
		Rewrites    []rewrite `json:"rewrites"`
		Nested      []string  `json:"nested"`
	} `json:"filters"`
	LogicalIDs struct {
		Description string `json:"description"`
		Types       []struct {
			DevType    string `json:"dev_type"`
			Length     int    `json:"length"`
			Definition string `json:"definition"`
		} `json:"types"`
	} `json:"logical_ids"`
	Collectors struct {
		Description string `json:"description"`
		Collectors  []struct {
			Name        string   `json:"name"`
			Hypervisors []string `json:"hypervisors"`
		} `json:"collectors"`
	} `json:"collectors"`
}

type rewrite struct {
	Operator string          `json:"operator"`
	Becomes  json.RawMessage `json:"becomes"`
}

// Around returns what stands before, between and behind the two operands.
func (w rewrite) Around() ([]string, error) {
	var text bytes.Buffer
	if err := json.Compact(&text, w.Becomes); err != nil {
		return nil, err
	}
	before, rest, first := strings.Cut(text.String(), `"$1"`)
	between, behind, second := strings.Cut(rest, `"$2"`)
	if !first || !second {
		return nil, fmt.Errorf("%s does not contain $1 and then $2", w.Becomes)
	}
	return []string{before, between, behind}, nil
}

// layouts returns where each file of rules is read into.
func (r *rules) layouts() map[string]any {
	return map[string]any{
		"constants.json":  &r.constants,
		"wire.json":       &r.wire,
		"deviations.json": &r.deviations,
		"errors.json":     &r.Errors,
		"requests.json":   &r.Requests,
		"lookups.json":    &r.Lookups,
		"datagram.json":   &r.Datagram,
		"values.json":     &r.Values,
	}
}

// isRules reports whether a file is one of rules that ports get as they are.
func isRules(name string) bool {
	switch name = filepath.Base(name); name {
	case "constants.json", "wire.json", "deviations.json":
		return false
	}
	return new(rules).layouts()[name] != nil
}

// readRules reads files of rules, each by its name.
func readRules(names []string, sources [][]byte) (*rules, error) {
	r := &rules{files: make(map[string]any)}
	for i, source := range sources {
		name := filepath.Base(names[i])
		into, ok := r.layouts()[name]
		if !ok {
			return nil, fmt.Errorf("%s: not a file of rules", name)
		}
		var file any
		if err := json.Unmarshal(source, &file); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if isRules(name) {
			r.files[strings.TrimSuffix(name, ".json")] = file
		}
		if err := decodeStrict(source, into); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r, r.check()
}

// check returns what is wrong with the rules that no schema can tell.
func (r *rules) check() error {
	for _, text := range r.Errors.Texts {
		for _, id := range text.Deviations {
			if r.deviations.Deviations != nil && !slices.ContainsFunc(r.deviations.Deviations, func(d deviation) bool { return d.ID == id }) {
				return fmt.Errorf("text %s: deviations.json has no %s", text.Name, id)
			}
		}
		known := make(map[string]bool)
		for _, p := range text.Parameters {
			known[p.Name] = true
			for _, name := range p.Of {
				if r.Errors.text(name) == nil {
					return fmt.Errorf("text %s: parameter %s: there is no text %s", text.Name, p.Name, name)
				}
			}
		}
		for _, part := range text.Parts() {
			if part.Parameter != nil {
				delete(known, part.Parameter.Name)
			} else if strings.Contains(part.Text, "$") {
				return fmt.Errorf("text %s: no parameter in %q", text.Name, part.Text)
			}
		}
		for name := range known {
			return fmt.Errorf("text %s does not contain its parameter %s", text.Name, name)
		}
	}
	if err := r.checkLookups(); err != nil {
		return err
	}
	return r.Requests.check(&r.Errors)
}

// has reports whether there is a text or a code with a name.
func (f *errorsFile) has(name string) bool {
	return f.text(name) != nil || slices.ContainsFunc(f.Codes, func(c errorCode) bool { return c.Code == name })
}

// text returns the text with a name, or nil.
func (f *errorsFile) text(name string) *errorText {
	for i := range f.Texts {
		if f.Texts[i].Name == name {
			return &f.Texts[i]
		}
	}
	return nil
}

// part is a part of an error text: words that are always the same, or a parameter.
type part struct {
	Text      string
	Parameter *parameter
}

var placeholder = regexp.MustCompile(`\$[a-z]+`)

// Parts returns the parts of a text, in their order.
func (t *errorText) Parts() []part {
	var parts []part
	add := func(text string) {
		if text != "" {
			parts = append(parts, part{Text: text})
		}
	}
	end := 0
	for _, at := range placeholder.FindAllStringIndex(t.Text, -1) {
		for i := range t.Parameters {
			if t.Parameters[i].Name == t.Text[at[0]+1:at[1]] {
				add(t.Text[end:at[0]])
				parts = append(parts, part{Parameter: &t.Parameters[i]})
				end = at[1]
			}
		}
	}
	add(t.Text[end:])
	return parts
}

//go:embed rules.tmpl
var rulesText string

var rulesTemplate = template.Must(template.New("rules").Funcs(template.FuncMap{
	"constant": func(string) string { return "" }, // of the rules, see goRules
	"comment":  comment,
	"quote":    strconv.Quote,
	"goText":   goText,
	"title":    title,
}).Parse(rulesText))

// goRules returns the Go source of the rules.
func goRules(pkg string, r *rules) ([]byte, error) {
	var b bytes.Buffer
	tmpl := template.Must(rulesTemplate.Clone()).Funcs(template.FuncMap{"constant": r.constant})
	if err := tmpl.Execute(&b, struct {
		Package string
		*rules
	}{pkg, r}); err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}

// goText writes an error text as an expression of Go.
func goText(t errorText) string {
	return strings.Join(each(t.Parts(), func(p part) string {
		if p.Parameter != nil {
			return p.Parameter.Name
		}
		return strconv.Quote(p.Text)
	}), " + ")
}

// ruleTable is data of a file of rules, for ports.
type ruleTable struct {
	Name, Doc string
	Value     any
}

// Tables returns what ports get as data, in the order of the names.
func (r *rules) Tables() []ruleTable {
	var tables []ruleTable
	for _, name := range sortedKeys(r.files) {
		if members, ok := r.files[name].(map[string]any); ok {
			doc, _ := members["description"].(string)
			tables = append(tables, ruleTable{strings.ToUpper(name[:1]) + name[1:], doc, without(members, "$schema", "description")})
		}
	}
	return tables
}

// without returns members of an object that have other names.
func without(members map[string]any, names ...string) map[string]any {
	kept := maps.Clone(members)
	for _, name := range names {
		delete(kept, name)
	}
	return kept
}

// portText writes an error text as an expression of another language, in which words are
// literals of JSON.
func portText(t errorText, shown func(p *parameter) string) string {
	return strings.Join(each(t.Parts(), func(p part) string {
		if p.Parameter != nil {
			return shown(p.Parameter)
		}
		return literal(p.Text, [3]string{})
	}), " + ")
}

// constant returns the value of a constant by its full name, as it is in constants.json.
func (r *rules) constant(name string) (string, error) {
	for _, group := range r.constants.Groups {
		for _, c := range group.Constants {
			if group.Prefix+c.Name == name {
				return string(c.Value), nil
			}
		}
	}
	return "", fmt.Errorf("constants.json has no %s", name)
}

// title writes words with hyphens or underscores between them as a name.
func title(words string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(strings.ReplaceAll(words, "_", "-"), "-") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}
