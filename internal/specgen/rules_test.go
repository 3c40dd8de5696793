package main

import (
	"strings"
	"testing"
)

// exampleRules are rules in which nothing is wrong.
var exampleRules = map[string]string{
	"errors.json": `{"texts": [
		{"name": "Missing", "text": "no $name here", "parameters": [{"name": "name", "form": "text"}]},
		{"name": "Wrapped", "text": "$problem!", "parameters": [{"name": "problem", "form": "literal", "of": ["Missing"]}],
		 "sent": [{"dialect": "3.0", "types": [0, 1, 2, 5], "when": "it is"}]}],
		"codes": [{"code": "ErrorArgument", "sent": []}]}`,
	"requests.json": `{"kinds": {"3.0": [{"name": "none"}], "2.6": [{"name": "any"}]}, "serials": {"cluster": "x"}, "orders": {},
		"requests": [{"type": 0, "name": "Ping",
			"3.0": {"queries": {"none": {"outcome": "Wrapped"}}, "serial": "cluster", "lookups": ["Master"]},
			"2.6": {"queries": {"any": {"outcome": "ErrorArgument"}}, "serial": "cluster"}}]}`,
	"lookups.json": `{"names": {"lookups": [{"name": "Node"}]}, "lookups": [{"name": "Master", "dialect": "3.0", "doc": "The master.", "given": {"text": "its name"},
		"steps": [
			{"find": "node", "as": "Node", "by": "text", "else": "Wrapped"},
			{"if": "node.flag", "kind": ["any"]},
			{"set": {"limit": {"first": ["node.limit", {"constant": "Limit"}]}}},
			{"give": {"list": ["node.name", "limit"]}}]}]}`,
	"constants.json":  `{"groups": [{"prefix": "Error", "constants": [{"name": "Argument", "value": 2, "doc": "It is."}]}, {"constants": [{"name": "Limit", "value": 7}]}]}`,
	"deviations.json": `{"deviations": [{"id": "quick", "scope": "files", "releases": ["3.1"], "title": "It is quick", "real": "It is slow."}]}`,
	"wire.json":       `{"definitions": {"Reply": {"required": ["one"], "properties": {"one": {"description": "The first."}, "two": {"$ref": "#/definitions/Two"}}}, "Two": {"description": "The other."}}}`,
	"values.json":     `{"filters": {"rewrites": [{"operator": "=", "becomes": ["==", "$1", "$2"]}]}}`,
}

func readExample(change func(map[string]string)) (*rules, error) {
	files := make(map[string]string)
	for name, text := range exampleRules {
		files[name] = text
	}
	change(files)
	var names []string
	var sources [][]byte
	for _, name := range sortedKeys(files) {
		names, sources = append(names, name), append(sources, []byte(files[name]))
	}
	return readRules(names, sources)
}

func TestRulesInGo(t *testing.T) {
	r, err := readExample(func(map[string]string) {})
	if err != nil {
		t.Fatal(err)
	}
	made, err := goRules("rules", r)
	if err != nil {
		t.Fatal(err)
	}
	contain(t, map[string][]byte{"rules.go": made}, map[string][]string{"rules.go": {
		`func TextMissing(name string) string {
	return "no " + name + " here"
}`,
		`	return problem + "!"`,
		"	OutcomeAnswer Outcome = iota\n	OutcomeSilence\n	OutcomeWrapped\n	OutcomeErrorArgument\n",
		`	"=": {"[\"==\",", ",", "]"},`,
	}})
}

func TestRulesErrors(t *testing.T) {
	for _, test := range []struct{ name, file, before, after, want string }{
		{"misspelled member", "errors.json", `"texts"`, `"text"`, "errors.json"},
		{"no JSON", "lookups.json", `}]}`, `}]`, "lookups.json"},
		{"parameter that is not in the text", "errors.json", "no $name here", "none here", "does not contain its parameter name"},
		{"parameter that is nowhere", "errors.json", "no $name here", "no $name in $place", `no parameter in " in $place"`},
		{"text that does not exist", "errors.json", `"of": ["Missing"]`, `"of": ["Gone"]`, "there is no text Gone"},
		{"outcome that does not exist", "requests.json", `"Wrapped"`, `"Gone"`, "errors.json has no Gone"},
		{"kind without an outcome", "requests.json", `{"none": {`, `{"other": {`, "no outcome for the kind none"},
		{"types out of order", "requests.json", `"type": 0`, `"type": 1`, "comes in place of 0"},
		{"serial that does not exist", "requests.json", `"serial": "cluster"`, `"serial": "clock"`, `no serial "clock"`},
		{"lookup that does not exist", "requests.json", `["Master"]`, `["Mode"]`, "Ping: lookups.json has no Mode"},
		{"lookup that nobody takes", "requests.json", `, "lookups": ["Master"]`, `, "lookups": ["Node"]`, "no type of request takes the lookup Master"},
		{"lookup inside that does not exist", "lookups.json", `"as": "Node"`, `"as": "Mode"`, "Master: lookups.json has no Mode"},
		{"variable that does not exist", "lookups.json", `"by": "text"`, `"by": "test"`, "lookup Master: step 1: no variable test"},
		{"variable that is set later", "lookups.json", `"node.flag"`, `"limit"`, "lookup Master: step 2: no variable limit"},
		{"variable inside that does not exist", "lookups.json", `"node.name", "limit"`, `"node.name", "limits"`, "lookup Master: step 4: no variable limits"},
		{"error that does not exist", "lookups.json", `"else": "Wrapped"`, `"else": "Gone"`, "step 1: errors.json has no Gone"},
		{"constant that does not exist", "lookups.json", `"constant": "Limit"`, `"constant": "Least"`, "step 3: constants.json has no Least"},
		{"kind that does not exist", "lookups.json", `["any"]`, `["many"]`, "step 2: requests.json has no kind many"},
		{"misspelled value", "lookups.json", `"first"`, `"fist"`, "lookups.json"},
		{"deviation that does not exist", "errors.json", `"text": "no`, `"deviations": ["gone"], "text": "no`, "text Missing: deviations.json has no gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readExample(func(files map[string]string) {
				if !strings.Contains(files[test.file], test.before) {
					t.Fatalf("%s does not contain %s", test.file, test.before)
				}
				files[test.file] = strings.Replace(files[test.file], test.before, test.after, 1)
			})
			expectError(t, err, test.want)
		})
	}
	_, err := readRules([]string{"poem.json"}, [][]byte{[]byte(`{}`)})
	expectError(t, err, "poem.json: not a file of rules")
}

func TestFill(t *testing.T) {
	r, err := readExample(func(map[string]string) {})
	if err != nil {
		t.Fatal(err)
	}
	page := string(read(t, specFolder+"/README.md"))
	filled, err := r.fill([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 3.0 | 0 to 2, 5 | it is | `Wrapped` |",
		"| `one` | The first. |\n| `two` | The other. |\n",
		"| 2 | `ErrorArgument` | It is. |\n",
		"| `quick` | It is quick. | Release 3.1: It is slow. |\n",
		"`Master`. The master. Given: `text`, its name.\n\n" +
			"1. Find `node` as `Node` by `text`. If there is none: `Wrapped`.\n" +
			"2. Only if `node.flag` is of the kind any.\n" +
			"3. Set: `limit` is `node.limit` or, if that is null, `Limit`.\n" +
			"4. Give the list of `node.name`, `limit`.\n",
	} {
		if !strings.Contains(string(filled), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	again, err := r.fill(filled)
	expect(t, again, err, string(filled))

	const marker = "<!-- table units, made by go generate -->"
	_, err = r.fill([]byte(strings.Replace(page, marker, "", 1)))
	expectError(t, err, "there is no place for the table units")
	_, err = r.fill([]byte(strings.Replace(page, marker, strings.Replace(marker, "units", "poems", 1), 1)))
	expectError(t, err, "units")
	_, err = r.fill([]byte(page + marker + "\n<!-- end -->\n"))
	expectError(t, err, `["units"]`)
}
