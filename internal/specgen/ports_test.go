package main

import (
	"strings"
	"testing"
)

// example is a protocol with one of everything that ports have to write.
var example = []string{
	`{"groups": [
		{"title": "Colours", "prefix": "Colour", "constants": [
			{"name": "Red", "value": 0, "doc": "Stop."},
			{"name": "LightGreen", "value": 1, "ganeti": "GREEN", "doc": "Go."}]},
		{"title": "Parameters", "prefix": "Parameter", "constants": [{"name": "IPList", "value": "2", "doc": "Addresses."}]},
		{"title": "Sizes", "prefix": "Size", "constants": [
			{"name": "Largest", "value": 7, "doc": "The largest."},
			{"name": "Name", "value": "x", "doc": "Its name."}]}]}`,
	`{"description": "Messages.", "definitions": {
		"Colour": {"type": "integer", "enum": [0, 1]},
		"Given": {"description": "Part of a condition.", "not": {"type": "null"}},
		"Thing": {"description": "A thing.", "type": "object", "required": ["colour"], "properties": {
			"colour": {"$ref": "#/definitions/Colour"},
			"kind": {"x-confd-name": "Kind", "description": "Its kind.", "type": ["string", "null"], "enum": ["a", null]},
			"parts": {"type": ["array", "null"], "items": {"$ref": "#/definitions/Thing"}},
			"pair": {"$ref": "#/definitions/Pair"}}},
		"Odd": {"description": "Odd.", "type": "object", "required": ["a-b"], "properties": {
			"a-b": {"type": "number"}, "any": {"description": "Anything."}}},
		"Pair": {"description": "A pair.", "type": "array", "minItems": 2, "items": [
			{"x-confd-name": "name", "type": "string"},
			{"x-confd-name": "size", "oneOf": [{"type": "integer"}, {"type": "boolean"}]}]},
		"Start": {"description": "At least one.", "type": "array", "minItems": 1, "items": [
			{"x-confd-name": "first", "type": "string"}, {"x-confd-name": "second", "type": "string"}]},
		"Map": {"description": "By name.", "type": "object", "additionalProperties": {"$ref": "#/definitions/Kind"}}
	}}`,
	`{"description": "Answers.", "properties": {"0": {"$ref": "#/definitions/List"}}, "definitions": {
		"List": {"description": "Lists.", "properties": {
			"ok": {"type": "array", "items": {"$ref": "wire.json#/definitions/Pair"}},
			"error": {"type": "string"}}}}}`,
}

func examplePort(t *testing.T) *port {
	t.Helper()
	var sources [][]byte
	for _, text := range example {
		sources = append(sources, []byte(text))
	}
	p, err := newPort([]string{"constants.json", "wire.json", "answers.json"}, sources)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPython(t *testing.T) {
	files, err := python(examplePort(t))
	if err != nil {
		t.Fatal(err)
	}
	contain(t, files, map[string][]string{
		"constants.py": {
			"class Colour(IntEnum):\n    \"\"\"Colours.\"\"\"\n\n    #: Stop.\n    RED = 0\n",
			"    #: Go. Ganeti calls it GREEN.\n    LIGHT_GREEN = 1\n",
			"class Parameter(StrEnum):", "    IP_LIST = \"2\"\n",
			"# Sizes.\n", "SIZE_LARGEST: Final = 7\n", "SIZE_NAME: Final = \"x\"\n",
		},
		"wire.py": {
			"class Thing(TypedDict):\n    \"\"\"A thing.\"\"\"\n\n    colour: constants.Colour\n    #: Its kind.\n    kind: NotRequired[Kind | None]\n" +
				"    parts: NotRequired[list[Thing] | None]\n    #: A pair.\n    pair: NotRequired[Pair]\n",
			"Kind: TypeAlias = Literal[\"a\"]\n",
			"        \"a-b\": 'float',\n        #: Anything.\n        \"any\": 'NotRequired[Any]',\n",
			"class Pair(NamedTuple):\n    \"\"\"A pair.\"\"\"\n\n    name: str\n    size: int | bool\n",
			"check.register(\"wire.json#/definitions/Pair\", Pair)",
			"Start: TypeAlias = tuple[Any, ...]\n",
			"Map: TypeAlias = dict[str, Kind]\n",
			"check.register(\"wire.json#/definitions/Colour\", constants.Colour)",
		},
		"answers.py": {
			"List: TypeAlias = list[wire.Pair]\n",
			"check.read(\"answers.json#/definitions/List/properties/ok\", value)",
		},
		"tables.py": {`"Given": {"not": {"type": "null"}}`, `"Odd": {`, "ANSWERS: Final = (\n    \"List\",\n)"},
	})
	if strings.Contains(string(files["wire.py"]), "Given") {
		t.Error("what only conditions have became a type")
	}
}

func TestTypeScript(t *testing.T) {
	files, err := typescript(examplePort(t))
	if err != nil {
		t.Fatal(err)
	}
	contain(t, files, map[string][]string{
		"constants.ts": {
			"/** Colours. */\nexport const Colour = {\n  /** Stop. */\n  Red: 0,\n", "} as const;\n",
			"export type Colour = (typeof Colour)[keyof typeof Colour];\n",
			"export const SizeLargest = 7;\n", "export const SizeName = \"x\";\n",
		},
		"wire.ts": {
			"export interface Thing {\n  colour: constants.Colour;\n  /** Its kind. */\n  kind?: Kind | null;\n  parts?: Thing[] | null;\n  /** A pair. */\n  pair?: Pair;\n}\n",
			"export type Kind = \"a\";\n",
			"  \"a-b\": Numeric;\n  /** Anything. */\n  any?: Json;\n",
			"export type Pair = [name: string, size: Numeric | boolean];\n",
			"export type Start = [first: string, second?: string];\n",
			"export type Map = Record<string, Kind>;\n",
		},
		"answers.ts": {"import type * as wire from \"./wire.js\";\n", "export type List = wire.Pair[];\n"},
		"tables.ts":  {`"Given": {"not": {"type": "null"}}`, "export const answerNames = [\n  \"List\",\n] as const;\n"},
	})
}

// contain checks that files have certain parts.
func contain(t *testing.T, files map[string][]byte, parts map[string][]string) {
	t.Helper()
	for name, all := range parts {
		for _, part := range all {
			if !strings.Contains(string(files[name]), part) {
				t.Errorf("%s lacks\n%s\nit is\n%s", name, part, files[name])
			}
		}
	}
	for name, text := range files {
		if !strings.Contains(string(text), "Code generated by specgen") {
			t.Errorf("%s does not say that it is generated", name)
		}
	}
}

func TestPortErrors(t *testing.T) {
	for _, test := range []struct{ name, constants, schema, want string }{
		{"misspelled member", `{"groups": [{"titel": "x"}]}`, `{}`, "titel"},
		{"no schema", `{}`, `{`, "wire.json: "},
		{"unknown type", `{}`, `{"definitions": {"A": {"type": "list"}}}`, `A: unknown type "list"`},
		{"unknown type of an element", `{}`, `{"definitions": {"A": {"type": "array", "items": {"type": "list"}}}}`, "list"},
		{"unknown type of a member", `{}`, `{"definitions": {"A": {"type": "object", "properties": {"a": {"type": "list"}}}}}`, "A: a: "},
		{"elements without a name", `{}`, `{"definitions": {"A": {"type": "array", "items": [{"x-confd-name": "a", "type": "string"}, {"type": "string"}]}}}`, "no name"},
		{"two enumerations of a name", `{}`, `{"definitions": {"A": {"type": "object", "properties": {
			"a": {"x-confd-name": "E", "enum": ["x"]}, "b": {"x-confd-name": "E", "enum": ["y"]}}}}}`, "two enumerations"},
		{"values that a definition lacks", `{}`, `{"definitions": {"E": {"enum": ["x"]}, "A": {"type": "object", "properties": {
			"a": {"x-confd-name": "E", "enum": ["x", "y"]}}}}}`, "does not have y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newPort([]string{"constants.json", "wire.json"}, [][]byte{[]byte(test.constants), []byte(test.schema)})
			expectError(t, err, test.want)
		})
	}
}

func TestSnake(t *testing.T) {
	for name, want := range map[string]string{
		"Ping": "ping", "NodePIPByInstanceIP": "node_pip_by_instance_ip", "MCPIPList": "mc_pip_list", "NodeDRBD": "node_drbd",
		"InstanceIPsList": "instance_ips_list", "XenCPULoad": "xen_cpu_load", "LV": "lv", "BEParams": "be_params",
	} {
		if got := snake(name); got != want {
			t.Errorf("%s becomes %s, want %s", name, got, want)
		}
	}
}

func TestOgen(t *testing.T) {
	const source = `{"$id": "x.json", "$comment": "c", "x-confd-vocabulary": {"default": "d"}, "type": "object", "definitions": {
		"z": {"type": "object", "properties": {
			"0": {"x-confd-name": "ip_list", "type": ["array", "null"], "items": {"type": "string"}},
			"kind": {"x-confd-name": "Kind", "enum": ["x-1"]}}},
		"any": {"description": "d", "x-confd-form": "value", "oneOf": [{"type": "null"}, {"type": "array"}]},
		"a": {"x-confd-form": "time", "default": {"x-a": 1}}}}`
	const want = `{
  "$comment": "Code generated by specgen from x.json; DO NOT EDIT.",
  "type": "object",
  "definitions": {
    "z": {
      "type": "object",
      "properties": {
        "0": {
          "type": [
            "array",
            "null"
          ],
          "items": {
            "type": "string"
          }
        },
        "kind": {
          "enum": ["x-1"]
        }
      },
      "x-ogen-properties": {
        "0": {"name": "IPList"}
      }
    },
    "any": {
      "description": "d"
    },
    "a": {
      "default": {"x-a": 1}
    }
  }
}
`
	got, err := ogen([]byte(source))
	expect(t, got, err, want)
	_, err = ogen([]byte(`{"a"`))
	expectError(t, err, "")
}
