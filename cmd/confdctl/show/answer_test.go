package show

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/gen/wire"
)

func TestAnswerLines(t *testing.T) {
	tests := []struct {
		name   string
		typ    wire.RequestType
		query  string
		status wire.Status
		answer string
		width  int
		want   string
	}{
		{"number", wire.RequestPing, "null", 0, `3000000`, 0, "3000000"},
		{"role", wire.RequestNodeRoleByName, "n", 0, `3`, 0, "drained (3)"},
		{"unknown role", wire.RequestNodeRoleByName, "n", 0, `9`, 0, "9"},
		{"text", wire.RequestClusterMaster, "null", 0, `"node1"`, 0, "node1"},
		{"error text", wire.RequestNodeRoleByName, "n", 1, `"one\ntwo"`, 0, "one\ntwo"},
		{"text of lines", wire.RequestConfigQuery, "/x", 0, `"one\ntwo"`, 0, `one\ntwo`},
		{"error code", wire.RequestNodePIPByInstanceIP, "n", 1, `0`, 0, "unknown entry (0)"},
		{"unknown error code", wire.RequestConfigQuery, "n", 1, `7`, 0, "7"},
		{"many levels", wire.RequestConfigQuery, "/x", 0, strings.Repeat("[", 9000) + `"]"` + strings.Repeat("]", 9000), 0, strings.Repeat("[", 9000) + `"]"` + strings.Repeat("]", 9000)},
		{"control characters", wire.RequestConfigQuery, "/x", 0, `"a\u001b[31m"`, 0, `a\x1b[31m`},
		{"list", wire.RequestNodePIPList, "null", 0, `["a", "bb"]`, 0, "a\nbb"},
		{"empty list", wire.RequestNodePIPList, "null", 0, `[]`, 0, ""},
		{"columns", wire.RequestNodePIPList, "null", 0, `["a", "bb", "ccc", "d"]`, 13, "a    bb   ccc\nd"},
		{"narrow columns", wire.RequestNodePIPList, "null", 0, `["long name", "b"]`, 4, "long name\nb"},
		{"one address", wire.RequestNodePIPByInstanceIP, `{"1": "x"}`, 0, `"192.0.2.1"`, 0, "192.0.2.1"},
		{
			"addresses", wire.RequestNodePIPByInstanceIP, `{"2": ["203.0.113.1", "::1"]}`, 0, `[[0, "192.0.2.1", 7], [1, 0, 0]]`, 0,
			"INSTANCE IP  NODE IP        SERIAL\n" +
				"203.0.113.1  192.0.2.1      7\n" +
				"::1          unknown entry  0",
		},
		{
			"addresses of Ganeti 2.6", wire.RequestNodePIPByInstanceIP, `{"2": ["203.0.113.1"]}`, 0, `[[1, 1]]`, 0,
			"INSTANCE IP  NODE IP        SERIAL\n" +
				"203.0.113.1  unknown entry  0",
		},
		{"no address", wire.RequestNodePIPByInstanceIP, `{"2": ["a"]}`, 0, `[[1, 0, 0]]`, 0, `[[1, 0, 0]]`},
		{"fewer addresses", wire.RequestNodePIPByInstanceIP, `{"2": ["::1"]}`, 0, `[]`, 0, ""},
		{
			"minors", wire.RequestNodeDRBD, "n", 0, `[["n1", 10, "i", "disk/0", "primary", "n2"]]`, 0,
			"NODE  MINOR  INSTANCE  DISK    ROLE     PEER\n" +
				"n1    10     i         disk/0  primary  n2",
		},
		{"unlike minors", wire.RequestNodeDRBD, "n", 0, `[["n1", 10]]`, 0, `[["n1", 10]]`},
		{
			"collectors", wire.RequestDataCollectors, "null", 0,
			`{"lv": {"active": false, "interval": 60000000}, "drbd": {"active": true, "interval": 2500000}}`, 0,
			"COLLECTOR  ACTIVE  INTERVAL\n" +
				"drbd       yes     2.5 s\n" +
				"lv         no      60 s",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var query wire.Query
			if strings.HasPrefix(test.query, "{") {
				if err := query.UnmarshalJSON([]byte(test.query)); err != nil {
					t.Fatal(err)
				}
			}
			shown := AnswerTable(test.typ, query, []byte(test.answer), test.width)
			if test.status != wire.StatusOK {
				shown = ErrorTable([]byte(test.answer), test.width)
			}
			got := strings.Join(shown.Lines(false, 0), "\n")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJSONLines(t *testing.T) {
	tests := []struct {
		name  string
		text  string
		width int
		want  string
	}{
		{"scalar", `1.50e0`, 5, `1.50e0`},
		{"fits", `{"a":[1,{}],"b":null}`, 30, `{"a": [1, {}], "b": null}`},
		{"object", `{"a":1,"b":[]}`, 10, "{\n  \"a\": 1,\n  \"b\": []\n}"},
		{"nested", `{"aa":{"b":1,"c":2}}`, 16, "{\n  \"aa\": {\n    \"b\": 1,\n    \"c\": 2\n  }\n}"},
		{"filled", `[10,20,30,40]`, 10, "[\n  10, 20,\n  30, 40\n]"},
		{"not filled", `[[10],20,30]`, 10, "[\n  [10],\n  20,\n  30\n]"},
		{"just wide enough", `{"a":[1,2],"b":3}`, 14, "{\n  \"a\": [1, 2],\n  \"b\": 3\n}"},
		{"keys", `{"a\"\n":"é"}`, 80, `{"a\"\n": "é"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := strings.Join(jsonLines([]byte(test.text), test.width), "\n")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}
