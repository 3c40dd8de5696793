package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/gen/wire"
	"gntconfd/internal/sample"
)

func TestNames(t *testing.T) {
	list := []string{
		0:  "node1.example.com",
		1:  "node1.lab.example.com",
		2:  "node10.example.com",
		3:  "exact",
		4:  "exact.example.com",
		5:  "twice.example.com",
		6:  "twice.example.com",
		7:  "key-of-0",
		8:  ".hidden.example.com",
		9:  "node1-a",
		10: "nameless",
	}
	objects := make(map[string]struct{})
	for i := range list {
		objects[fmt.Sprintf("key-of-%x", i)] = struct{}{}
	}
	text, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse([]byte(root(`,"networks":` + string(text))))
	if err != nil {
		t.Fatal(err)
	}
	keys := s.document.containers["networks"]
	name := func(i int32) string { return list[i] }
	n := newNames(keys, name, func(i int32) bool { return name(i) == "nameless" })

	for query, want := range map[string]struct {
		index int32
		match Match
	}{
		"key-of-1":              {1, Found},
		"key-of-a":              {10, Found},
		"nameless":              {0, NotFound},
		"node1.lab.example.com": {1, Found},
		"node1.lab":             {1, Found},
		"node10":                {2, Found},
		"node1":                 {0, Ambiguous},
		"node1.":                {0, NotFound},
		"node":                  {0, NotFound},
		"NODE10":                {0, NotFound},
		"exact":                 {3, Found},
		"twice":                 {6, Found},
		"twice.example.com":     {6, Found},
		"key-of-0":              {0, Found}, // a key goes before a name
		"":                      {8, Found},
		"zzz":                   {0, NotFound},
	} {
		if i, match := n.find(query, name); match != want.match || match == Found && i != want.index {
			t.Errorf("%q: %d, match %d; want %d, match %d", query, i, match, want.index, want.match)
		}
	}
}

// root is the text of a configuration with a cluster object and what a test adds.
func root(members string) string {
	return `{"version":3000000,"cluster":{"serial_no":7,"master_node":"n1","master_ip":"192.0.2.254",` +
		`"enabled_hypervisors":["kvm"],"nicparams":{"default":{"link":"br0"}}}` + members + `}`
}

func node(key, name string) string {
	return fmt.Sprintf(`%q:{"name":%q,"primary_ip":"192.0.2.1","master_candidate":true,`+
		`"offline":false,"drained":false,"uuid":%q,"serial_no":3}`, key, name, key)
}

func TestConfigSerial(t *testing.T) {
	for member, want := range map[string]int64{
		``:                     0,
		`,"serial_no":null`:    0,
		`,"serial_no":"many"`:  0,
		`,"serial_no":123`:     123,
		`,"serial_no":-1`:      -1,
		`,"serial_no":1.24e2`:  124,
		`,"serial_no":{"a":1}`: 0,
	} {
		s, err := Parse([]byte(root(member)))
		if err != nil {
			t.Fatal(err)
		}
		if s.ConfigSerial != want {
			t.Errorf("%s: %d, want %d", member, s.ConfigSerial, want)
		}
	}
}

// What no answer needs may be missing, unknown or of another type.
func TestLoadIsLenient(t *testing.T) {
	for name, text := range map[string]string{
		"no containers":         root(``),
		"null containers":       root(`,"nodes":null,"instances":null,"disks":null`),
		"unknown members":       root(`,"maintenance":{"a":[1]},"filters":{"f":{"x":1}}`),
		"odd networks":          root(`,"networks":{"n":7},"nodegroups":[1,2]`),
		"trailing white space":  root(``) + "\n\n",
		"leading white space":   "\n " + root(``),
		"unknown node member":   root(`,"nodes":{` + strings.Replace(node("n1", "a"), "{", `{"future":{"x":[]},`, 1) + `}`),
		"huge numbers":          root(`,"ctime":1e400,"mtime":-1e-400,"serial_no":123456789012345678901234567890`),
		"nested values":         root(`,"x":` + strings.Repeat("[", wire.ConfigLevels-1) + strings.Repeat("]", wire.ConfigLevels-1)),
		"nameless instance":     root(`,"instances":{"i1":{"uuid":"i1","serial_no":1,"forthcoming":true}}`),
		"instance without nics": root(`,"instances":{"i1":{"uuid":"i1","serial_no":1,"name":"a","nics":null,"disks":null}}`),
	} {
		s, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Serial != 7 || s.Version != 3000000 {
			t.Errorf("%s: serial %d, version %d", name, s.Serial, s.Version)
		}
	}
}

// The error of a configuration that cannot be served says where the fault is.
func TestLoadErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                               `not a JSON object`,
		`[]`:                             `not a JSON object`,
		`{"version":1`:                   `unexpected EOF`,
		`{"version":3000000}`:            `key 'cluster' not found, object contains only ["version"]`,
		`{"cluster":{}}`:                 `cluster`,
		`{} {}`:                          `something follows the object`,
		"{\"version\":\"\xff\"}":         `/version: byte 1 of it is not UTF-8`,
		root(",\"nodes\":{\"\xff\":{}}"): `/nodes: a key: byte 0 of it is not UTF-8`,
		root(",\"nodes\":{\"n1\":{\"name\":\"\xff\"}}"): `/nodes/n1: byte 9 of it is not UTF-8`,
		root(``)[:40]:                        `unexpected EOF`,
		root(`,"nodes":{"n1":7}`):            `/nodes/n1: unexpected number`,
		root(`,"nodes":{"n1":{"name":"a"}}`): `/nodes/n1: key 'drained' not found, object contains only ["name"]`,
		root(`,"nodes":{` + strings.Replace(node("n1", "a"), "true", `"yes"`, 1) + `}`):                                `master_candidate`,
		root(`,"instances":{"i1":{"uuid":"i1","serial_no":1,"disks":[7]}}`):                                            `/instances/i1/disks/0: unexpected number`,
		root(`,"disks":{"d1":{"dev_type":"drbd","logical_id":[1,2,3,4,5,6],"uuid":"d1"}}`):                             `/disks/d1/logical_id/0: unexpected number`,
		root(`,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000)):                                        `/x: there are more than 24 levels of containers`,
		root(`,"x":` + strings.Repeat("[", 20000)):                                                                     `/x: there are more than 24 levels of containers`,
		root(`,"nodes":{"n1":{"x":` + strings.Repeat("[", wire.ConfigLevels) + strings.Repeat("]", wire.ConfigLevels)): `/nodes/n1: there are more than 24 levels of containers`,
		strings.Replace(root(``), `"serial_no":7`, `"serial_no":"seven"`, 1):                                           `serial_no`,
		strings.Replace(root(``), `"master_node":"n1"`, `"master_node":["n1"]`, 1):                                     `master_node`,
		strings.Replace(root(`,"nodes":{`+node("n1", "a")+`}`), `"serial_no":3`, `"serial_no":`, 1):                    `nodes`,
	} {
		s, err := Parse([]byte(text))
		if err == nil || s != nil {
			t.Errorf("%.60s: snapshot %v, error %v", text, s, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), "parsing configuration: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %q does not tell of %q", text, err, want)
		}
	}
}

// Every nic with an address counts, also one that has it a second time.
func TestAddresses(t *testing.T) {
	s, err := Parse([]byte(root(`,"instances":{"i1":{"uuid":"i1","serial_no":1,"nics":[{"ip":"b","nicparams":{}},` +
		`{"nicparams":{}},{"ip":"a","nicparams":{"link":"br1"}},{"ip":"b","nicparams":{"link":null}},` +
		`{"ip":"","nicparams":{"link":""}},{"ip":null,"nicparams":{}}]}}`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Address{{IP: "b"}, {"a", "br1", true}, {IP: "b"}, {"", "", true}}
	if diff := cmp.Diff(want, s.Instances[0].Addresses); diff != "" {
		t.Error(diff)
	}
}

// Of doubled keys the last counts, and containers come in the order of keys.
func TestContainers(t *testing.T) {
	s, err := Parse([]byte(root(`,"nodes":{` + node("n3", "c") + `,` + node("n1", "first") + `,` +
		node("n2", "b") + `,` + node("n1", "last") + `}`)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range s.Nodes {
		names = append(names, n.Name)
	}
	if diff := cmp.Diff([]string{"last", "b", "c"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestSample(t *testing.T) {
	s, err := Parse(slices.Clone(sample.Config))
	if err != nil {
		t.Fatal(err)
	}
	i, match := s.FindNode("node2")
	if match != Found {
		t.Fatalf("node2: match %d", match)
	}
	node := &s.Nodes[i]
	if node.Name != "node2.example.org" || node.PrimaryIP != "192.0.2.12" || !node.Candidate {
		t.Errorf("node2 is %+v", node)
	}
	instances := func(indexes []int32) (names []string) {
		for _, i := range indexes {
			names = append(names, s.Instances[i].Name)
		}
		return names
	}
	if diff := cmp.Diff([]string{"www1.example.org", "db1.example.org"}, instances(s.PrimaryInstances(node))); diff != "" {
		t.Errorf("primary of: %s", diff)
	}
	minors, _ := s.Minors(node)
	for _, m := range minors {
		if m.Peer < 0 || s.Nodes[m.Peer].UUID != m.PeerReference {
			t.Errorf("minor %+v: wrong peer", m)
		}
	}
	link := s.Links["br1"]
	if diff := cmp.Diff([]string{"198.51.100.20", "198.51.100.21", "198.51.100.30", "198.51.100.5", "2001:db8:2::40"}, link.IPs); diff != "" {
		t.Errorf("addresses of br1: %s", diff)
	}
	if n, ok := link.Node("198.51.100.21"); !ok || s.Nodes[n].Name != "node7.example.org" {
		t.Errorf("198.51.100.21 is on node %d, %v", n, ok)
	}
	if _, ok := link.Node("203.0.113.10"); ok {
		t.Error("an address of br0 is found on br1")
	}
	var none *Link
	if _, ok := none.Node("203.0.113.10"); ok {
		t.Error("an unknown link has an address")
	}
}

func TestAppendValue(t *testing.T) {
	s, err := Parse(slices.Clone(sample.Config))
	if err != nil {
		t.Fatal(err)
	}
	node1 := s.MasterNode
	for pointer, want := range map[string]string{
		"/version":                        "3000000",
		"/cluster/cluster_name":           `"cluster.example.org"`,
		"/nodes/" + node1 + "/name":       `"node1.example.org"`,
		"/nodes/" + node1 + "/no_such":    "",
		"/nodes/" + node1 + "/name/x":     "",
		"/nodes/node1.example.org/name":   "", // by key alone
		"/cluster/enabled_hypervisors/0":  `"kvm"`,
		"/cluster/enabled_hypervisors/99": "",
		"/":                               "",
		"":                                "",
		"version":                         "",
		"/cluster/~":                      "",
		"/cluster//x":                     "",
	} {
		got, err := s.AppendValue(nil, pointer, 1000)
		if string(got) != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, ErrNoValue) {
			t.Errorf("%q: %s, %v; want %s", pointer, got, err, want)
		}
	}
	for _, pointer := range []string{"/cluster", "/nodes"} {
		if _, err := s.AppendValue(nil, pointer, 1000); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s in 1000 bytes: %v", pointer, err)
		}
		if got, err := s.AppendValue([]byte("x"), pointer, 100000); err != nil || !strings.HasPrefix(string(got), "x{") {
			t.Errorf("%s: %.20s, %v", pointer, got, err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	b.SetBytes(int64(len(sample.Config)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(sample.Config); err != nil {
			b.Fatal(err)
		}
	}
}

// A snapshot that takes over what has not changed is the same as one made anew.
func TestNext(t *testing.T) {
	sampleText := string(sample.Config)
	former, err := Parse([]byte(sampleText))
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		if !strings.Contains(sampleText, old) {
			t.Fatalf("the sample has no %q", old)
		}
		return strings.ReplaceAll(sampleText, old, new)
	}
	last := sampleText
	for name, text := range map[string]string{
		"nothing changed":     sampleText,
		"node renamed":        replace("node2.example.org", "nodex.example.org"),
		"node's UUID changed": replace("a2a379d6-07e1-416b-a457-aa0a92079baa", "02a379d6-07e1-416b-a457-aa0a92079baa"),
		"instance renamed":    replace("www1.example.org", "zzz.example.org"),
		"disk key changed":    replace(`"uuid"`, `"uuid" `),
		"address moved":       replace("203.0.113.10", "203.0.113.250"),
		"default link":        replace(`"link": "br0"`, `"link": "br7"`),
		"no objects":          root(``),
		"one node":            root(`,"nodes":{` + node("n1", "a") + `}`),
	} {
		want, err := Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, from := range []string{sampleText, last} {
			before, err := Parse([]byte(from))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Load(t.Context(), strings.NewReader(text), Options{Former: before})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !reflect.DeepEqual(withoutCache(got), withoutCache(want)) {
				t.Errorf("%s: taking over gives another snapshot", name)
			}
		}
		last = text
	}
	if again, err := Parse([]byte(sampleText)); err != nil || !reflect.DeepEqual(former, again) {
		t.Errorf("the former snapshot has changed: %v", err)
	}
}

// Of doubled containers the last counts, and null is one without objects.
func TestDoubledContainers(t *testing.T) {
	one, other := `{`+node("n1", "a")+`}`, `{`+node("n2", "b")+`}`
	for members, want := range map[string]int{
		`,"nodes":` + one + `,"nodes":` + other: 1,
		`,"nodes":` + one + `,"nodes":null`:     0,
		`,"nodes":null,"nodes":` + one:          1,
		`,"nodes":` + one + `,"nodes":{}`:       0,
	} {
		s, err := Parse([]byte(root(members)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.AppendValue(nil, "/nodes", 1<<20)
		if len(s.Nodes) != want || err == nil && strings.Count(string(text), `"name"`) != want || err != nil && want > 0 {
			t.Errorf("%s: %d nodes, want %d; %s, %v", members, len(s.Nodes), want, text, err)
		}
	}
}

// Questions for objects that are much longer in canonical form leave nothing behind.
func TestQuestionsFillNoMemory(t *testing.T) {
	s, err := Parse([]byte(root(`,"networks":{"a":{"name":"x","ctime":1e61000},"b":{"name": "` + strings.Repeat("x", 500) + `"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	for key, kept := range map[string]bool{"a": false, "b": true} {
		if _, err := s.AppendValue(nil, "/networks/"+key+"/name", 1<<20); err != nil {
			t.Fatal(err)
		}
		c := s.document.containers["networks"]
		i, _ := c.find(key)
		if got := c.texts[i].Load() != nil; got != kept {
			t.Errorf("%s: text kept %v, want %v", key, got, kept)
		}
	}
}
