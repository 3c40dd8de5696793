package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gntconfd/internal/jsontext"
	"gntconfd/internal/sample"
)

// Every member of every kind of object that an answer needs is left out and mistyped, at
// every depth: the error names the object, with its path.
func TestFaultsAreNamed(t *testing.T) {
	kinds := map[string]string{ // the places of one object of each kind, and what it needs
		"":                              "version cluster",
		"/cluster":                      "serial_no master_node master_ip enabled_hypervisors",
		"/cluster/nicparams/default":    "link",
		"/cluster/data_collectors/load": "active interval",
		"/nodes/n1":                     "uuid name primary_ip serial_no master_candidate offline drained",
		"/instances/i1":                 "uuid serial_no",
		"/instances/i1/nics/1":          "nicparams",
	}
	mistyped := map[string][]string{ // what may be missing
		"/cluster":                        {"nicparams", "data_collectors"},
		"/instances/i1":                   {"name", "primary_node", "disks", "nics"},
		"/instances/i1/nics/1":            {"ip"},
		"/instances/i1/nics/1/nicparams":  {"link"},
		"/instances/i1/disks":             {"1"},
		"/disks/d1":                       {"logical_id", "children"},
		"/disks/d1/logical_id":            {"0", "1", "3", "4"},
		"/disks/d1/children/0":            {"logical_id", "children"},
		"/disks/d1/children/0/logical_id": {"0", "3"},
	}
	for place, members := range kinds {
		mistyped[place] = append(mistyped[place], strings.Fields(members)...)
		for _, member := range strings.Fields(members) {
			config := faulty(t, place, func(object any) { delete(object.(map[string]any), member) })
			want := fmt.Sprintf("parsing configuration: %s: key '%s' not found", place, member)
			if place == "" {
				want = fmt.Sprintf("parsing configuration: key '%s' not found", member)
			}
			for _, config := range [][]byte{config, indented(t, config)} {
				if _, err := Parse(config); err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%s without %s: %v", place, member, err)
				} else if place != "" && strings.Contains(err.Error(), `"version"`) {
					t.Errorf("%s without %s: %v names the root's members", place, member, err)
				}
			}
		}
	}
	for place, members := range mistyped {
		for _, member := range members {
			config := faulty(t, place, func(object any) {
				switch object := object.(type) {
				case map[string]any:
					object[member] = wrong(object[member])
				case []any:
					i := member[0] - '0'
					object[i] = wrong(object[i])
				}
			})
			want := fmt.Sprintf("parsing configuration: %s/%s: unexpected ", place, member)
			for _, config := range [][]byte{config, indented(t, config)} {
				if _, err := Parse(config); err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%s with another %s: %v", place, member, err)
				}
			}
		}
	}
}

// indented returns a text with white space wherever there may be some.
func indented(t *testing.T, text []byte) []byte {
	t.Helper()
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, text, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(spaced.Bytes(), []byte(",\n"), []byte(" ,\n")), []byte(`": `), []byte("\" :\r\n "))
}

// wrong returns a value of another type.
func wrong(value any) any {
	if _, ok := value.(map[string]any); ok {
		return []any{}
	}
	return map[string]any{"x": []any{1, "y"}}
}

// faulty returns a configuration in which the value at a place was changed.
func faulty(t *testing.T, place string, change func(any)) []byte {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal([]byte(root(`,"nodes":{`+node("n0", "z")+`,`+node("n1", "a")+`},"instances":{"i0":{"uuid":"i0","serial_no":1},"i1":{"uuid":"i1",`+
		`"serial_no":1,"name":"i","primary_node":"n1","disks":["d1","d1"],"nics":[{"nicparams":{}},{"ip":"1","nicparams":{"link":"l"}}]}},`+
		`"disks":{"d1":{"dev_type":"drbd","logical_id":["n0","n1",1,2,3,"s"],"children":[{"dev_type":"drbd","logical_id":["n0","n1",1,2,3,"s"],"children":[]}]}}`)),
		&config); err != nil {
		t.Fatal(err)
	}
	config["cluster"].(map[string]any)["data_collectors"] = map[string]any{"load": map[string]any{"active": true, "interval": 5}}
	var value any = config
	if place != "" {
		tokens, err := jsontext.ParsePointer(place)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range tokens {
			switch in := value.(type) {
			case map[string]any:
				value = in[token]
			case []any:
				value = in[token[0]-'0']
			}
		}
	}
	change(value)
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// An error about a configuration has at most 500 bytes and no control characters,
// whatever the configuration is.
func TestErrorsAreShort(t *testing.T) {
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf(`"a\u0000long name %d":0`, i))
	}
	for _, text := range []string{
		root(`,"x":` + strings.Repeat("[", 100_000)),
		`{` + strings.Join(names, ",") + `}`,
		root(`,"nodes":{"` + strings.Repeat("\x7f", 10_000) + `":{}}`),
		root(`,"nodes":{"` + strings.Repeat(`\u0001`, 10_000) + `":7}`),
		root(`,"nodes":{"` + strings.Repeat("\xff", 10_000) + `":7}`),
		string(sample.Config[:len(sample.Config)/2]),
	} {
		_, err := Parse([]byte(text))
		if err == nil {
			t.Errorf("%.60s: no error", text)
			continue
		}
		if told := err.Error(); len(told) > 500 || strings.ContainsFunc(told, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%.60s: %d bytes: %.600q", text, len(told), told)
		}
	}
}
