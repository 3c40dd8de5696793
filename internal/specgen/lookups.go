package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-json"
)

// lookupsFile is the layout of spec/lookups.json.
type lookupsFile struct {
	Schema      string `json:"$schema"`
	Description string `json:"description"`
	Names       struct {
		Description string       `json:"description"`
		Lookups     []nameLookup `json:"lookups"`
	} `json:"names"`
	Roles struct {
		Description string       `json:"description"`
		Lookups     []roleLookup `json:"lookups"`
	} `json:"roles"`
	Steps struct {
		Description string `json:"description"`
	} `json:"steps"`
	Lookups []lookup `json:"lookups"`
}

type nameLookup struct {
	Name  string     `json:"name"`
	Of    string     `json:"of"`
	Doc   string     `json:"doc"`
	Steps []nameStep `json:"steps"`
}

type nameStep struct {
	By      string `json:"by"`
	Match   string `json:"match"`
	Several string `json:"several"`
}

type roleLookup struct {
	Name  string     `json:"name"`
	Doc   string     `json:"doc"`
	Steps []roleStep `json:"steps"`
}

type roleStep struct {
	If   string `json:"if"`
	Role string `json:"role"`
}

// lookup is one whose steps go through the configuration.
type lookup struct {
	Name    string            `json:"name"`
	Dialect string            `json:"dialect"`
	Doc     string            `json:"doc"`
	Given   map[string]string `json:"given"`
	Gives   string            `json:"gives"`
	Steps   []step            `json:"steps"`
}

// step is one of the steps that spec/lookups.schema.json explains.
type step struct {
	Find  string `json:"find"`
	As    string `json:"as"`
	In    *value `json:"in"`
	By    *value `json:"by"`
	Along *value `json:"along"`

	Each   string `json:"each"`
	Walk   string `json:"walk"`
	Of     *value `json:"of"`
	Down   string `json:"down"`
	Number string `json:"number"`
	Order  string `json:"order"`

	choice
	Cases  []choice `json:"cases"`
	Choose string   `json:"choose"`
	Once   *value   `json:"once"`
	Give   *value   `json:"give"`

	Else  string `json:"else"`
	Whole bool   `json:"whole"`
	Doc   string `json:"doc"`
}

// choice is a condition, or none, and what is set if it holds.
type choice struct {
	If     *value           `json:"if"`
	Is     json.RawMessage  `json:"is"`
	Not    json.RawMessage  `json:"not"`
	Same   *value           `json:"same"`
	Kind   []string         `json:"kind"`
	KeysOf *value           `json:"keys-of"`
	AnyOf  *value           `json:"any-of"`
	Set    map[string]value `json:"set"`
}

// value is a path, or one of the objects that spec/lookups.schema.json explains.
type value struct {
	Path string `json:"-"`

	First    []value          `json:"first"`
	Literal  json.RawMessage  `json:"literal"`
	Constant string           `json:"constant"`
	List     []value          `json:"list"`
	Members  map[string]value `json:"members"`
	Join     []value          `json:"join"`
}

func (v *value) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, &v.Path)
	}
	type plain value
	return decodeStrict(text, (*plain)(v))
}

// Conditions returns the conditions of all roles.
func (f *lookupsFile) Conditions() (names []string) {
	for _, roles := range f.Roles.Lookups {
		for _, step := range roles.Steps {
			if !slices.Contains(names, step.If) {
				names = append(names, step.If)
			}
		}
	}
	return names
}

// all returns the names of all lookups, and for each those that it takes.
func (f *lookupsFile) all() map[string][]string {
	taken := make(map[string][]string)
	for _, l := range f.Names.Lookups {
		taken[l.Name] = nil
	}
	for _, l := range f.Roles.Lookups {
		taken[l.Name] = nil
	}
	for _, l := range f.Lookups {
		taken[l.Name] = []string{}
		for _, s := range l.Steps {
			if s.As != "" {
				taken[l.Name] = append(taken[l.Name], s.As)
			}
		}
	}
	return taken
}

// checkLookups returns what is wrong with the lookups that no schema can tell.
func (r *rules) checkLookups() error {
	all, used := r.Lookups.all(), make(map[string]bool)
	var take func(by string, names []string) error
	take = func(by string, names []string) error {
		for _, name := range names {
			inner, ok := all[name]
			if !ok {
				return fmt.Errorf("%s: lookups.json has no %s", by, name)
			}
			if !used[name] {
				used[name] = true
				if err := take(name, inner); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, one := range r.Requests.Requests {
		if err := take(one.Name, append(slices.Clone(one.Modern.Lookups), one.Classic.Lookups...)); err != nil {
			return err
		}
	}
	for name := range all {
		if !used[name] {
			return fmt.Errorf("no type of request takes the lookup %s", name)
		}
	}
	for _, l := range r.Lookups.Lookups {
		known := map[string]bool{"config": true, "values": true}
		for name := range l.Given {
			known[name] = true
		}
		for i, s := range l.Steps {
			if err := r.checkStep(&s, known); err != nil {
				return fmt.Errorf("lookup %s: step %d: %w", l.Name, i+1, err)
			}
		}
	}
	return nil
}

// checkStep checks that a step has only variables that are known, and adds those that it sets.
func (r *rules) checkStep(s *step, known map[string]bool) error {
	values := []*value{s.In, s.By, s.Along, s.Of, s.Once, s.Give}
	sets := make(map[string]bool)
	for _, c := range append(s.Cases, s.choice) {
		values = append(values, c.If, c.Same, c.KeysOf, c.AnyOf)
		for _, name := range c.Kind {
			if !slices.ContainsFunc(r.Requests.Kinds.Classic, func(k kindOfQuery) bool { return k.Name == name }) {
				return fmt.Errorf("requests.json has no kind %s", name)
			}
		}
		for name, v := range c.Set {
			values = append(values, &v)
			sets[name] = true
		}
	}
	for _, v := range values {
		if err := r.checkValue(v, known); err != nil {
			return err
		}
	}
	switch s.Else {
	case "", "silence", "null":
	default:
		if !r.Errors.has(s.Else) {
			return fmt.Errorf("errors.json has no %s", s.Else)
		}
	}
	maps.Copy(known, sets)
	for _, name := range []string{s.Find, s.Each, s.Walk, s.Number} {
		known[name] = true
	}
	return nil
}

func (r *rules) checkValue(v *value, known map[string]bool) error {
	if v == nil {
		return nil
	}
	if root, _, _ := strings.Cut(v.Path, "."); root != "" && !known[root] {
		return fmt.Errorf("no variable %s", root)
	}
	if v.Constant != "" {
		if _, err := r.constant(v.Constant); err != nil {
			return err
		}
	}
	for _, inner := range slices.Concat(v.First, v.List, v.Join, slices.Collect(maps.Values(v.Members))) {
		if err := r.checkValue(&inner, known); err != nil {
			return err
		}
	}
	return nil
}

// written returns a value in words.
func (v *value) written() string {
	all := func(values []value) []string {
		return each(values, func(v value) string { return v.written() })
	}
	switch {
	case v.First != nil:
		return strings.Join(all(v.First), " or, if that is null, ")
	case v.Literal != nil:
		return "`" + string(v.Literal) + "`"
	case v.Constant != "":
		return "`" + v.Constant + "`"
	case v.List != nil:
		return "the list of " + strings.Join(all(v.List), ", ")
	case v.Members != nil:
		return "an object with " + strings.Join(each(sortedKeys(v.Members), func(name string) string {
			inner := v.Members[name]
			return fmt.Sprintf("%q: %s", name, inner.written())
		}), ", ")
	case v.Join != nil:
		return strings.Join(all(v.Join), " followed by ")
	}
	return "`" + v.Path + "`"
}

// condition returns a condition in words, with a form of to be.
func (c *choice) condition(verb string) string {
	subject := c.If.written() + " " + verb + " "
	switch {
	case c.Is != nil:
		return subject + "`" + string(c.Is) + "`"
	case c.Not != nil:
		return subject + "not `" + string(c.Not) + "`"
	case c.Same != nil:
		return subject + "the same as " + c.Same.written()
	case c.Kind != nil:
		return subject + "of the kind " + strings.Join(c.Kind, " or ")
	case c.KeysOf != nil:
		return "each of " + subject + "a key of " + c.KeysOf.written()
	}
	return "one of " + subject + "in " + c.AnyOf.written()
}

// assignments returns what a choice sets, in words.
func (c *choice) assignments() string {
	if len(c.Set) == 0 {
		return "nothing changes"
	}
	return strings.Join(each(sortedKeys(c.Set), func(name string) string {
		v := c.Set[name]
		return "`" + name + "` is " + v.written()
	}), ", ")
}

// written returns a step in words.
func (s *step) written() string {
	var text, fails string
	switch {
	case s.Find != "" && s.As != "":
		text = "Find `" + s.Find + "` as `" + s.As + "`"
		if s.By != nil {
			text += " by " + s.By.written()
		}
		fails = "If there is none"
	case s.Find != "" && s.Along != nil:
		text = "Find `" + s.Find + "` in " + s.In.written() + " along the JSON pointer " + s.Along.written()
		fails = "If there is none"
	case s.Find != "":
		text = "Find `" + s.Find + "` in " + s.In.written() + " by the key " + s.By.written()
		fails = "If there is none"
	case s.Each != "":
		text = "For each `" + s.Each + "` of " + s.Of.written()
		if s.Order != "" {
			text += ", by ascending `" + s.Order + "`"
		}
		if s.Number != "" {
			text += ", counting `" + s.Number + "` from 0"
		}
	case s.Walk != "":
		text = "For each `" + s.Walk + "`: " + s.Of.written() + " itself, then each of its `" + s.Down + "` with its own `" + s.Down + "`"
	case s.If != nil && s.Else != "":
		text, fails = strings.Replace(s.condition("must be"), "must be not", "must not be", 1), "Otherwise"
	case s.If != nil:
		text = "Only if " + s.condition("is")
	case s.Cases != nil:
		text = strings.Join(each(s.Cases, func(c choice) string {
			if c.If == nil {
				return "otherwise " + c.assignments()
			}
			return "if " + c.condition("is") + ", " + c.assignments()
		}), "; ")
		text, fails = strings.ToUpper(text[:1])+text[1:], "Otherwise"
	case s.Set != nil:
		text = "Set: " + s.assignments()
	case s.Choose != "":
		text, fails = "Go on with the "+s.Choose+" of these", "If there is none"
	case s.Once != nil:
		text = "Only the first with this " + s.Once.written()
	case s.Give != nil:
		text = "Give " + s.Give.written()
	}
	text += "."
	switch s.Else {
	case "":
	case "silence":
		text += " " + fails + ": no reply."
	case "null":
		text += " " + fails + ", it is null."
	default:
		text += " " + fails + ": `" + s.Else + "`"
		if s.Whole {
			text += ", in place of a whole list too"
		}
		text += "."
	}
	if s.Doc != "" {
		text += " " + s.Doc
	}
	return text
}

// lookupLists writes the steps of the lookups of a dialect in words.
func (r *rules) lookupLists(dialect string) string {
	var b strings.Builder
	for _, l := range r.Lookups.Lookups {
		if l.Dialect != dialect {
			continue
		}
		text := "`" + l.Name + "`. " + l.Doc
		if l.Given != nil {
			text += " Given: " + strings.Join(each(sortedKeys(l.Given), func(name string) string { return "`" + name + "`, " + l.Given[name] }), "; ") + "."
		}
		if l.Gives != "" {
			text += " Gives " + map[string]string{"list": "a list", "members": "an object, of pairs of a name and a value"}[l.Gives] + "."
		}
		b.WriteString(strings.Join(wrap(text, 110), "\n") + "\n\n")
		for i, s := range l.Steps {
			number := strconv.Itoa(i+1) + ". "
			margin := "\n" + strings.Repeat(" ", len(number))
			b.WriteString(number + strings.Join(wrap(s.written(), 110-len(number)), margin) + "\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
