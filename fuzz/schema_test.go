package fuzz

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"gntconfd/spec"
)

// schemas are the files of the spec, and the validator of the values generated from them.
var schemas = loadSchemas()

type schemaSet struct {
	files    map[string]object
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

func loadSchemas() *schemaSet {
	s := &schemaSet{map[string]object{}, jsonschema.NewCompiler(), map[string]*jsonschema.Schema{}}
	entries, err := spec.Files.ReadDir(".")
	if err != nil {
		panic(err)
	}
	for _, entry := range entries {
		text, err := spec.Files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		file := decode(text).(object)
		if strings.HasPrefix(fmt.Sprint(file["$schema"]), "http://json-schema.org/draft-07/") {
			s.files[entry.Name()] = file
			if err := s.compiler.AddResource(entry.Name(), file); err != nil {
				panic(err)
			}
		}
	}
	return s
}

// validate validates a value: ref is a file name and a pointer into it, for example
// "wire.json#/definitions/Request".
func (s *schemaSet) validate(ref string, value any) error {
	if s.compiled[ref] == nil {
		s.compiled[ref] = s.compiler.MustCompile(ref)
	}
	return s.compiled[ref].Validate(value)
}

// values generates JSON values that a schema allows.
func values(ref string) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any { return drawing{t}.draw(6, located{schema: object{"$ref": ref}}) })
}

// located is a schema and the file that its references start from.
type located struct {
	file   string
	schema object
}

// within finds the schema that ref means in a file.
func within(file, ref string) located {
	name, pointer, _ := strings.Cut(ref, "#")
	if name == "" {
		name = file
	}
	if pointer == "" {
		return located{name, schemas.files[name]}
	}
	schema, ok := walk(schemas.files[name], pointer)
	if !ok {
		panic("no schema " + ref + " in " + file)
	}
	return located{name, schema.(object)}
}

// drawing generates values that conform to several schemas at once: an object's branches of
// if, allOf and oneOf are chosen first, and then what they agree on.
type drawing struct{ t *rapid.T }

func (d drawing) pick(n int, what string) int { return rapid.IntRange(0, n-1).Draw(d.t, what) }

// draw generates a value. depth is how many more levels may contain optional values. Values
// excluded by some keywords are generated all the same, and then generated again.
func (d drawing) draw(depth int, all ...located) any {
	ref, isRef := all[0].schema["$ref"].(string)
	if !isRef || len(all) > 1 {
		return d.once(depth, all)
	}
	target := within(all[0].file, ref).schema
	careful := func(keyword string) bool { return target[keyword] != nil }
	if !slices.ContainsFunc([]string{"if", "dependencies", "minProperties", "maxProperties", "uniqueItems"}, careful) {
		return d.once(depth, all)
	}
	if strings.HasPrefix(ref, "#") { // the validator requires full names
		ref = all[0].file + ref
	}
	for range 100 {
		if value := d.once(depth, all); schemas.validate(ref, value) == nil {
			return value
		}
	}
	panic("cannot draw a value of " + ref)
}

func (d drawing) once(depth int, all []located) any {
	all = d.flatten(depth, all)
	if slices.ContainsFunc(all, func(s located) bool { return s.schema["const"] != nil || s.schema["enum"] != nil }) {
		return rapid.SampledFrom(constants(all)).Draw(d.t, "enum")
	}
	types := typesOf(all)
	if len(types) == 0 {
		panic(fmt.Sprintf("no type fits %v", all))
	}
	if depth <= 0 {
		// Values without content come first.
		types = slices.DeleteFunc(slices.Clone(types), func(kind string) bool { return len(types) > 1 && (kind == "array" || kind == "object") })
	}
	switch kind := types[d.pick(len(types), "type")]; kind {
	case "null":
		return nil
	case "boolean":
		return rapid.Bool().Draw(d.t, "boolean")
	case "integer":
		return d.integer(all)
	case "number":
		return d.number(all)
	case "string":
		return d.text(all)
	case "array":
		return d.array(depth-1, all)
	default:
		return d.object(depth-1, all)
	}
}

// flatten replaces references and branches with what they lead to.
func (d drawing) flatten(depth int, all []located) []located {
	var flat, choices []located
	for len(all) > 0 {
		s := all[0]
		all = all[1:]
		if ref, ok := s.schema["$ref"].(string); ok {
			all = append(all, within(s.file, ref))
			continue
		}
		flat = append(flat, s)
		for _, part := range list(s.schema["allOf"]) {
			all = append(all, located{s.file, part.(object)})
		}
		if condition, ok := s.schema["if"].(object); ok {
			if depth <= 0 || rapid.Bool().Draw(d.t, "if") {
				all = append(all, located{s.file, condition})
				if then, ok := s.schema["then"].(object); ok {
					all = append(all, located{s.file, then})
				}
			} else if otherwise, ok := s.schema["else"].(object); ok {
				all = append(all, located{s.file, otherwise})
			}
		}
		if s.schema["oneOf"] != nil || s.schema["anyOf"] != nil {
			choices = append(choices, s)
		}
	}
	for _, s := range choices {
		var fitting []located
		for _, option := range append(list(s.schema["oneOf"]), list(s.schema["anyOf"])...) {
			o := located{s.file, option.(object)}
			if len(typesOf(append(slices.Clone(flat), o))) > 0 {
				fitting = append(fitting, o)
			}
		}
		chosen := 0
		if depth > 0 {
			chosen = d.pick(len(fitting), "one of")
		}
		flat = append(flat, d.flatten(depth, fitting[chosen:chosen+1])...)
	}
	return flat
}

var allTypes = []string{"null", "boolean", "integer", "number", "string", "array", "object"}

// typesOf returns the types that all of several schemas allow.
func typesOf(all []located) []string {
	types := allTypes
	for _, s := range all {
		var own []string
		switch given := s.schema["type"].(type) {
		case string:
			own = []string{given}
		case []any:
			for _, kind := range given {
				own = append(own, kind.(string))
			}
		default:
			own = allTypes
			if ref, ok := s.schema["$ref"].(string); ok {
				own = typesOf([]located{within(s.file, ref)})
			}
		}
		if not, ok := s.schema["not"].(object); ok {
			own = slices.DeleteFunc(slices.Clone(own), func(kind string) bool { return kind == not["type"] })
		}
		types = slices.DeleteFunc(slices.Clone(types), func(kind string) bool {
			return !slices.Contains(own, kind) && !(kind == "integer" && slices.Contains(own, "number"))
		})
	}
	return types
}

// constants returns the values that all schemas with an enum or const allow.
func constants(all []located) []any {
	var common []any
	for i, s := range all {
		own := list(s.schema["enum"])
		if value, ok := s.schema["const"]; ok {
			own = []any{value}
		}
		if own == nil {
			continue
		}
		if i == 0 || common == nil {
			common = own
		}
		common = slices.DeleteFunc(slices.Clone(common), func(value any) bool {
			return !slices.ContainsFunc(own, func(other any) bool { return equal(value, other) })
		})
	}
	types := typesOf(all)
	return slices.DeleteFunc(slices.Clone(common), func(value any) bool { return value == nil && !slices.Contains(types, "null") })
}

// limit returns the greatest, or least, number that the schemas have for a keyword.
func limit(all []located, keyword string, least int64) int64 {
	for _, s := range all {
		if n, ok := s.schema[keyword].(json.Number); ok {
			given, _ := n.Int64()
			least = max(least, given)
		}
	}
	return least
}

func (d drawing) integer(all []located) any {
	interesting := []int64{0, 1, -1, 127, 65536, math.MaxInt32, math.MinInt32, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64}
	n := rapid.OneOf(rapid.SampledFrom(interesting), rapid.Int64()).Draw(d.t, "integer")
	n = max(n, limit(all, "minimum", math.MinInt64))
	for _, s := range all {
		if most, ok := s.schema["maximum"].(json.Number); ok {
			given, _ := most.Int64()
			n = min(n, given)
		}
	}
	return json.Number(strconv.FormatInt(n, 10))
}

func (d drawing) number(all []located) any {
	if slices.ContainsFunc(all, func(s located) bool { return s.schema["x-confd-form"] == "time" }) {
		// Ganeti's results for greater numbers follow no rule.
		return json.Number(strconv.FormatFloat(rapid.Float64Range(-1e12, 1e12).Draw(d.t, "time"), 'f', -1, 64))
	}
	odd := rapid.SampledFrom([]json.Number{"0", "0.0", "0.1", "1.5", "1e3", "1E+2", "2.5e-7", "1e22", "123456789.123456789", "-0.5", "1600000001.123456", "9007199254740993"})
	float := rapid.Map(rapid.Float64Range(-1e20, 1e20), func(f float64) json.Number { return json.Number(strconv.FormatFloat(f, 'g', -1, 64)) })
	return rapid.OneOf(odd, float).Draw(d.t, "number")
}

// texts are strings, including difficult ones for codecs.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "node1.example.com", "é", "€", "日本", "\U0001F600", `"`, `\`, `\u0041`, "\x00", "\x1f\x7f", "\u2028", "</script>", "\ufeff", "\ufffd", " \t\n"}),
		rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune(`"\/abz019 .~`))), 0, 12, -1),
	)
}

// manyDigits matches numbers that do not fit into an integer.
var manyDigits = regexp.MustCompile(`([0-9]{9})[0-9]+`)

func (d drawing) text(all []located) any {
	for _, s := range all {
		if pattern, ok := s.schema["pattern"].(string); ok {
			return manyDigits.ReplaceAllString(rapid.StringMatching(pattern).Draw(d.t, "pattern"), "$1")
		}
	}
	text := texts().Draw(d.t, "string")
	missing := int(limit(all, "minLength", 0)) - utf8.RuneCountInString(text)
	return text + strings.Repeat("x", max(0, missing))
}

func (d drawing) array(depth int, all []located) any {
	least := int(limit(all, "minItems", 0))
	most := least
	if depth > 0 {
		most += 3
	}
	for _, s := range all {
		if n, ok := s.schema["maxItems"].(json.Number); ok {
			given, _ := n.Int64()
			most = min(most, int(given))
		}
	}
	array := []any{}
	for i := range rapid.IntRange(least, most).Draw(d.t, "items") {
		var parts []located
		for _, s := range all {
			items := s.schema["items"]
			if tuple, ok := items.([]any); ok && i < len(tuple) {
				items = tuple[i]
			} else if ok {
				items = s.schema["additionalItems"]
			}
			if schema, ok := items.(object); ok {
				parts = append(parts, located{s.file, schema})
			}
		}
		array = append(array, d.part(depth, parts))
	}
	return array
}

func (d drawing) object(depth int, all []located) any {
	members := map[string][]located{}
	required := map[string]bool{}
	var others, keys []located
	open := true
	for _, s := range all {
		for _, name := range list(s.schema["required"]) {
			required[name.(string)] = true
		}
		properties, _ := s.schema["properties"].(object)
		for name, schema := range properties {
			members[name] = append(members[name], located{s.file, schema.(object)})
		}
		switch rest := s.schema["additionalProperties"].(type) {
		case object:
			others = append(others, located{s.file, rest})
		case bool:
			open = open && rest
		}
		if names, ok := s.schema["propertyNames"].(object); ok {
			keys = append(keys, located{s.file, names})
		}
	}
	drawn := object{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if required[name] || depth > 0 && rapid.Bool().Draw(d.t, "has "+name) {
			drawn[name] = d.part(depth, members[name])
		}
	}
	if len(others) > 0 && open && depth > 0 {
		for range rapid.IntRange(0, 3).Draw(d.t, "others") {
			var key string
			if len(keys) > 0 {
				key = d.draw(depth, keys...).(string)
			} else {
				key = texts().Draw(d.t, "key")
			}
			if members[key] == nil {
				drawn[key] = d.part(depth, others)
			}
		}
	}
	return drawn
}

// part generates the content of an array or object.
func (d drawing) part(depth int, schemas []located) any {
	if len(schemas) == 0 {
		schemas = []located{{schema: object{}}}
	}
	return d.draw(depth, schemas...)
}

// TestDrawnValuesAreValid checks the generator: what it generates from any definition of
// the protocol's schemas is valid there. The layouts of the spec's own files, NAME.schema.json,
// use keywords that nobody needs values for.
func TestDrawnValuesAreValid(t *testing.T) {
	var refs []string
	for _, name := range slices.Sorted(maps.Keys(schemas.files)) {
		if strings.HasSuffix(name, ".schema.json") {
			continue
		}
		definitions, _ := schemas.files[name]["definitions"].(object)
		for _, definition := range sortedKeys(definitions) {
			refs = append(refs, name+"#/definitions/"+definition)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		ref := rapid.SampledFrom(refs).Draw(t, "definition")
		value := values(ref).Draw(t, "value")
		if err := schemas.validate(ref, value); err != nil {
			t.Fatalf("%s: %v\n%s", ref, err, encode(value))
		}
	})
}
