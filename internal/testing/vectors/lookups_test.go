package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/testing/specfiles"
)

// answers has what each type of request makes of the lookups that requests.json names.
var answers = map[string]map[string]func(f *follower, query any) (any, *failure){
	Dialect: {
		"1": func(f *follower, query any) (any, *failure) {
			master, failed := f.lookup("Master", nil)
			if failed != nil {
				return nil, failed
			}
			node, failed := f.find("Node", query)
			return f.role("Role", query == part(master, "name"), node), failed.as("Failure")
		},
		"2": func(f *follower, query any) (any, *failure) {
			if ip := part(query, "1"); ip != nil {
				return f.lookup("Address", variables{"text": part(query, "0"), "ip": ip})
			}
			return f.addresses(elementsOf(part(query, "2"), ""), "Address", "text", part(query, "0"), part(f.config["cluster"], "serial_no"))
		},
		"3": func(f *follower, query any) (any, *failure) {
			if query == nil {
				master, failed := f.lookup("Master", nil)
				return part(master, "name"), failed
			}
			fields, failed := f.lookup("MasterFields", nil)
			answer := []any{}
			for _, field := range elementsOf(part(query, "3"), "") {
				answer = append(answer, part(fields, fmt.Sprint(field)))
			}
			return answer, failed
		},
		"6": func(f *follower, query any) (any, *failure) {
			return ascending(f.lookup("Addresses", variables{"text": query}))
		},
		"7": func(f *follower, query any) (any, *failure) {
			node, failed := f.find("Node", query)
			if failed != nil {
				return nil, failed.as("Prerequisite")
			}
			return f.lookup("Minors", variables{"node": node})
		},
		"8": func(f *follower, query any) (any, *failure) {
			node, failed := f.find("Node", query)
			if failed != nil {
				return nil, failed.as("NoNode")
			}
			primary, failed := f.lookup("PrimaryInstances", variables{"node": node})
			if failed != nil {
				return nil, failed
			}
			secondary, failed := f.lookup("SecondaryInstances", variables{"node": node})
			return []any{primary, secondary}, failed
		},
		"9": func(f *follower, query any) (any, *failure) {
			instance, failed := f.find("Instance", query)
			if failed != nil {
				return nil, failed.as("NoInstance")
			}
			return f.lookup("Disks", variables{"instance": instance})
		},
		"10": func(f *follower, query any) (any, *failure) { return f.lookup("Pointer", variables{"pointer": query}) },
		"11": func(f *follower, _ any) (any, *failure) { return f.lookup("Collectors", nil) },
	},
	ClassicDialect: {
		"1": func(f *follower, query any) (any, *failure) {
			master, failed := f.lookup("ClassicMaster", nil)
			if failed != nil || query == master {
				return f.role("ClassicRole", true, nil), failed
			}
			node, failed := f.find("ExactNode", query)
			return f.role("ClassicRole", false, node), failed.as("ClassicErrorUnknownEntry")
		},
		"2": func(f *follower, query any) (any, *failure) {
			parameters := query.(map[string]any)
			if ip, ok := parameters["1"]; ok {
				return f.lookup("ClassicAddress", variables{"value": parameters["0"], "ip": ip})
			}
			var ips []any
			switch list := parameters["2"].(type) {
			case []any:
				ips = list
			case string:
				for _, character := range list {
					ips = append(ips, string(character))
				}
			case map[string]any:
				for _, key := range slices.Sorted(maps.Keys(list)) {
					ips = append(ips, key)
				}
			default:
				if _, ok := parameters["2"]; ok {
					return nil, &failure{name: "silence"}
				}
				return nil, &failure{name: "ClassicErrorArgument"}
			}
			return f.addresses(ips, "ClassicAddress", "value", parameters["0"], nil)
		},
		"3": func(f *follower, query any) (any, *failure) {
			parameters, ok := query.(map[string]any)
			if !ok {
				return f.lookup("ClassicMaster", nil)
			}
			list, ok := parameters["3"].([]any)
			if !ok {
				return nil, &failure{name: "ClassicErrorArgument"}
			}
			fields, failed := f.lookup("ClassicMasterFields", nil)
			answer := []any{}
			for _, field := range list {
				if name, ok := field.(string); ok && slices.Contains([]string{"0", "1", "2"}, name) {
					answer = append(answer, part(fields, name))
				}
			}
			return answer, failed
		},
		"6": func(f *follower, query any) (any, *failure) {
			return ascending(f.lookup("ClassicAddresses", variables{"value": query}))
		},
		"7": func(f *follower, query any) (any, *failure) {
			node, failed := f.find("Node", query)
			if failed != nil {
				name := "NodeNotFound"
				if strings.HasSuffix(failed.problem, "multiple matches") {
					name = "NodeAmbiguous"
				}
				return nil, failed.as(name)
			}
			return f.lookup("ClassicMinors", variables{"node": node})
		},
	},
}

// as returns a failure with a name.
func (f *failure) as(name string) *failure {
	if f == nil {
		return nil
	}
	return &failure{name: name, problem: f.problem}
}

// addresses answers a list of addresses.
func (f *follower) addresses(ips []any, lookup, linkIs string, link, serial any) (any, *failure) {
	answer := []any{}
	for _, ip := range ips {
		found, failed := f.lookup(lookup, variables{linkIs: link, "ip": ip})
		one := []any{json.Number("0"), found, serial}
		switch {
		case failed != nil && (failed.whole || failed.name == "silence"):
			return nil, failed
		case failed != nil:
			one = []any{json.Number("1"), f.constant(failed.name), json.Number("0")}
		}
		if serial == nil {
			one = one[:2]
		}
		answer = append(answer, one)
	}
	return answer, nil
}

// ascending sorts texts.
func ascending(list any, failed *failure) (any, *failure) {
	texts, _ := list.([]any)
	slices.SortFunc(texts, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return list, failed
}

// lookupCase is a request that gets an answer, or an error instead, by lookups.
type lookupCase struct {
	id, dialect, number string
	query               any
	config              map[string]any
	reply               *Reply          // nil if there is none
	taken               map[string]bool // the lookups for it, once it has been checked
}

// judge is what all lookup cases share.
type judge struct {
	values    any
	constants map[string]int64
	named     func(name string) *regexp.Regexp // of an error
}

// check returns how the reply of a case differs from what the steps in a table lead to.
func (j *judge) check(table *lookupTable, c *lookupCase) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", c.id, r)
		}
	}()
	f := &follower{table: table, constants: j.constants, config: c.config, values: j.values, taken: make(map[string]bool)}
	c.taken = f.taken
	want, failed := answers[c.dialect][c.number](f, c.query)
	switch {
	case failed != nil && failed.name == "silence":
		if c.reply != nil {
			return fmt.Errorf("%s: %.500s, while the steps lead to no reply", c.id, c.reply.Answer)
		}
	case c.reply == nil:
		return fmt.Errorf("%s: no reply, while the steps lead to %v, %v", c.id, want, failed)
	case failed != nil:
		// A literal may have the problem in another form, and a code has none.
		text := c.reply.text()
		quoted := strings.ContainsFunc(failed.problem, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
		same := json.Valid([]byte(text)) || quoted || strings.Contains(text, failed.problem)
		if c.reply.Status != 1 || !j.named(failed.name).MatchString(text) || !same {
			return fmt.Errorf("%s: %.500s, while the steps lead to %s, %.500s", c.id, c.reply.Answer, failed.name, failed.problem)
		}
	default:
		text, err := json.Marshal(want)
		if err != nil {
			return err
		}
		got := c.reply.Answer
		if got == nil {
			got = []byte("null")
		}
		serial := int64(0)
		as := &Reply{Serial: &serial, Answer: text, Unordered: c.reply.Unordered}
		if err := Compare(as, &Reply{Status: c.reply.Status, Serial: &serial, Answer: got}); err != nil {
			return fmt.Errorf("%s: %w by the steps", c.id, err)
		}
	}
	return nil
}

// strange is a configuration of the vectors with what no vector has: a plain disk whose
// logical_id begins with a node, an instance without a primary node, and the name of the master
// in place of its key.
var strange = Content{Config: "drbd", Edits: [][]string{
	{`"xenvg"`, `"541daa0a-7ad3-505a-9e5c-ee7cf8cf4934"`},
	{`"primary_node": "d79980b3-508e-5964-a451-97573fa366d0"`, `"primary_node": null`},
	{`"master_node": "e4355950-d491-54fc-b6aa-92705856cb20"`, `"master_node": "node1.example.com"`},
}}

// lookupCases returns the vectors, of which those of dialect 3.0 are recorded from Ganeti's
// daemons, and what this daemon replies about every node, instance, address and link of their
// configurations.
func lookupCases(t *testing.T, errors *errorTable) (cases []lookupCase) {
	t.Helper()
	key, now := readKey(t), time.Unix(1700000000, 0)
	rules, tooLarge := readRequests(t), errors.named("TooLarge")
	add := func(id, dialect string, config, request map[string]any, reply *Reply) {
		number := fmt.Sprint(request["type"])
		if answers[dialect][number] == nil || reply != nil && tooLarge.MatchString(reply.text()) {
			return
		}
		i, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if rules[i][dialect].Queries[kindOf(request["query"], dialect)].Outcome == "answer" {
			cases = append(cases, lookupCase{id: id, dialect: dialect, number: number, query: request["query"], config: config, reply: reply})
		}
	}
	configs := make(map[string]map[string]any)
	serve := func(dialect string, content Content) map[string]any {
		s := snapshot(t, content)
		id := dialect + " " + content.ID()
		if s == nil || configs[id] != nil {
			return configs[id]
		}
		configs[id] = canonical(t, s)
		for _, request := range questions(configs[id]) {
			text, err := json.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			asked := Vector{Message: Message{Request: text}}
			datagram, err := asked.Build(key, now)
			if err != nil {
				t.Fatal(err)
			}
			var reply *Reply
			if _, sealed := respond(dialect, protocol.NewCodec(protocol.NewKeyring(key)), s, datagram, now); sealed != nil {
				if reply, err = ParseReply(sealed, key, "config.data"); err != nil {
					t.Fatal(err)
				}
			}
			add(fmt.Sprintf("%s: %s", id, text), dialect, configs[id], request, reply)
		}
		return configs[id]
	}
	serve(Dialect, strange)
	serve(ClassicDialect, strange)
	for _, file := range load(t) {
		for _, v := range file.Vectors {
			dialect := spoken(t, file.Dialect, v.Content())
			config := serve(dialect, v.Content())
			text := requestText(&v)
			var request map[string]any
			if config != nil && v.Reply != nil && !bytes.Contains(text, []byte("{fill}")) && decodeNumbers(text, &request) == nil {
				add(v.ID, dialect, config, request, v.Reply)
			}
		}
	}
	return cases
}

// TestLookups: the steps of spec/lookups.json lead to the answers of the vectors and of this
// daemon, and without any one of them some answer is another.
func TestLookups(t *testing.T) {
	table := new(lookupTable)
	specfiles.Read(t, "lookups.json", table)
	errors := readErrors(t)
	patterns := make(map[string]*regexp.Regexp)
	j := &judge{constants: errors.values, named: func(name string) *regexp.Regexp {
		if patterns[name] == nil {
			patterns[name] = errors.named(name)
		}
		return patterns[name]
	}}
	specfiles.Read(t, "values.json", &j.values)
	cases := lookupCases(t, errors)
	counts := make(map[string]int)
	for i := range cases {
		counts[cases[i].dialect+" "+cases[i].number]++
		if err := j.check(table, &cases[i]); err != nil {
			t.Error(err)
		}
	}
	for dialect, numbers := range answers {
		for number := range numbers {
			if counts[dialect+" "+number] < 20 {
				t.Errorf("%d answers to type %s of dialect %s: the test says little", counts[dialect+" "+number], number, dialect)
			}
		}
	}
	without := func(name string, at int) {
		if !slices.ContainsFunc(cases, func(c lookupCase) bool { return c.taken[name] && j.check(table, &c) != nil }) {
			t.Errorf("%s: nobody notices that step %d is missing", name, at+1)
		}
	}
	for i := range table.Names.Lookups {
		withoutEach(&table.Names.Lookups[i].Steps, table.Names.Lookups[i].Name, without)
	}
	for i := range table.Roles.Lookups {
		withoutEach(&table.Roles.Lookups[i].Steps, table.Roles.Lookups[i].Name, without)
	}
	for i := range table.Lookups {
		withoutEach(&table.Lookups[i].Steps, table.Lookups[i].Name, without)
	}
}

// withoutEach leaves out each of some steps in turn.
func withoutEach[T any](steps *[]T, name string, missing func(name string, at int)) {
	all := *steps
	for at := range all {
		*steps = slices.Concat(all[:at], all[at+1:])
		missing(name, at)
	}
	*steps = all
}

// readRequests returns the types of request in spec/requests.json, by dialect.
func readRequests(t *testing.T) []map[string]requestRules {
	t.Helper()
	var table struct{ Requests []map[string]json.RawMessage }
	specfiles.Read(t, "requests.json", &table)
	var all []map[string]requestRules
	for _, one := range table.Requests {
		rules := make(map[string]requestRules)
		for _, dialect := range []string{Dialect, ClassicDialect} {
			var r requestRules
			if err := json.Unmarshal(one[dialect], &r); err != nil {
				t.Fatal(err)
			}
			rules[dialect] = r
		}
		all = append(all, rules)
	}
	return all
}

// canonical returns the configuration of a snapshot.
func canonical(t *testing.T, s *cluster.Snapshot) map[string]any {
	t.Helper()
	config := make(map[string]any)
	for _, name := range []string{"version", "cluster", "nodes", "nodegroups", "instances", "networks", "disks", "filters", "ctime", "mtime", "serial_no"} {
		text, err := s.AppendValue(nil, "/"+name, 1<<24)
		if err != nil {
			continue
		}
		var value any
		if err := decodeNumbers(text, &value); err != nil {
			t.Fatal(err)
		}
		config[name] = value
	}
	return config
}

// decodeNumbers is json.Unmarshal that keeps numbers as they are written.
func decodeNumbers(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

// questions returns requests about all that a configuration has.
func questions(config map[string]any) (requests []map[string]any) {
	ask := func(number int, queries ...any) {
		for _, query := range queries {
			requests = append(requests, map[string]any{"protocol": 1, "type": number, "rsalt": "x", "query": query})
		}
	}
	names := map[any]bool{"": true, "nobody": true}
	links := map[any]bool{nil: true, "": true, "nowhere": true}
	ips := map[any]bool{"": true, "192.0.2.99": true}
	for _, container := range []string{"nodes", "instances"} {
		objects, _ := config[container].(map[string]any)
		for key, object := range objects {
			names[key] = true
			ask(10, "/"+container+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key)+"/uuid")
			for _, one := range []any{part(object, "name"), part(object, "uuid"), part(object, "primary_node")} {
				if text, ok := one.(string); ok {
					first, _, _ := strings.Cut(text, ".")
					names[text], names[first] = true, true
				}
			}
			for _, nic := range elementsOf(part(object, "nics"), "") {
				if ip, ok := part(nic, "ip").(string); ok {
					ips[ip] = true
				}
				if link, ok := part(part(nic, "nicparams"), "link").(string); ok {
					links[link] = true
				}
			}
		}
	}
	for name := range names {
		for _, number := range []int{1, 7, 8, 9} {
			ask(number, name)
		}
	}
	for link := range links {
		ask(6, link)
		ask(2, map[string]any{"0": link, "2": []any{}}, map[string]any{"0": link, "2": slices.Collect(maps.Keys(ips))})
		for ip := range ips {
			ask(2, map[string]any{"0": link, "1": ip})
		}
	}
	ask(3, nil, map[string]any{"3": []any{"0", "1", "2"}})
	ask(10, "", "/cluster/nobody")
	ask(11, nil)
	return requests
}
