package interop

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/jsontext"
)

// oddStrings are used in every position that takes a string.
var oddStrings = []string{
	"", " ", ".", "/", "\x00", "\x00" + "1", "\x01\x02\x1b\x1f", "\x0e", "\x0eH", "\a\b\t\n\v\f\r",
	`"`, `\`, `\\"`, `\"`, "\x7f", "\x80", "\u00a0", "é", "é5", "\u20ac", "\u20ac7", "\u2028", "'", "&<>",
	"%s%n", "*", "null", "true", "0", "1", "-1", "1e3", "[]", "{}", "$", "a b", strings.Repeat("x", 1000),
	strings.Repeat(`"`, 300),
}

// shapes are queries of every kind, valid and invalid, as JSON text.
func shapes(text, ip, link string) []string {
	out := []string{
		"null", quote(text), quote(ip), quote(link),
		"0", "1", "-1", "12345678901234567890", "true", "false", "[]", `["a"]`, `["a", "b"]`, "[[]]", `[["a"]]`, "[null]", "[0]",
		`{"4": 1}`, `{"": "x"}`, `{"00": "x"}`, `{"0": "a", "x": null}`, `{"link": "x"}`,
	}
	type part struct{ key, value string }
	good := []part{{"0", quote(link)}, {"1", quote(ip)}, {"2", "[" + quote(ip) + `, "nowhere", ` + quote(ip) + "]"}, {"3", "[2, 0, 1, 0]"}}
	for subset := range 1 << len(good) {
		var with, null []string
		for i, p := range good {
			if subset&(1<<i) != 0 {
				with = append(with, fmt.Sprintf("%q: %s", p.key, p.value))
				null = append(null, fmt.Sprintf("%q: null", p.key))
			}
		}
		out = append(out, "{"+strings.Join(with, ", ")+"}", "{"+strings.Join(null, ", ")+"}")
		// Null for one parameter and a value for the others.
		if len(with) > 1 {
			out = append(out, "{"+strings.Join(append([]string{null[0]}, with[1:]...), ", ")+"}")
		}
	}
	for _, key := range []string{"0", "1", "2", "3"} {
		for _, value := range []string{`""`, `"x"`, "0", "1", "3", "true", "{}", "[]", "[null]", "[true]", "[0]", "[0, 1, 2]", "[3]", "[-1]", `["a", 1]`, `[["a"]]`, "[{}]", `["", ""]`} {
			out = append(out, fmt.Sprintf("{%q: %s}", key, value))
		}
	}
	// The real daemon accepts lists of characters as text, ours on purpose does not.
	return slices.DeleteFunc(out, func(query string) bool {
		return query == `{"0": []}` || query == `{"1": []}` || query == `{"2": [["a"]]}`
	})
}

// general returns questions, sensible or not, that fit any configuration.
func general(text, ip, link string) []question {
	var out []question
	for _, requestType := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "-1", "100", "255", "256"} {
		out = append(out, question(fmt.Sprintf(`{"protocol": 1, "type": %s, "rsalt": "$N"}`, requestType)))
		for _, shape := range shapes(text, ip, link) {
			out = append(out, ask1(requestType, shape))
		}
		for _, odd := range oddStrings {
			o := quote(odd)
			out = append(out, ask1(requestType, o))
			switch requestType {
			case "1", "2", "3", "6", "7", "10":
				out = append(out,
					ask1(requestType, `{"0": `+o+`, "1": `+quote(ip)+`}`),
					ask1(requestType, `{"1": `+o+`}`),
					ask1(requestType, `{"2": [`+o+`, `+quote(ip)+`, `+o+`]}`),
					ask1(requestType, `{"0": `+o+`, "1": `+o+`, "2": [`+o+`], "3": [1]}`),
				)
			}
		}
	}
	for _, odd := range oddStrings {
		o := quote(odd)[1:]
		out = append(out, question(`{"protocol": 1, "type": 0, "rsalt": "$N `+o+`}`))
	}
	for _, member := range []string{
		`"protocol": 0`, `"protocol": 2`, `"protocol": -7`, `"protocol": "1"`, `"protocol": null`, `"protocol": true`, `"protocol": []`, `"protocol": {}`,
		`"type": null`, `"type": "0"`, `"type": true`, `"type": {}`, `"type": []`, `"type": 01`, `"type": +1`, `"type": .5`, `"type": 1e`, `"type": 0x1`,
		`"rsalt": null`, `"rsalt": 5`, `"rsalt": {}`, `"rsalt": true`,
	} {
		name := strings.SplitN(member, ":", 2)[0]
		text := map[string]string{`"protocol"`: `"protocol": 1`, `"type"`: `"type": 4`, `"rsalt"`: `"rsalt": "$N"`}
		without := []string{}
		for _, other := range keys(text) {
			if other != name {
				without = append(without, text[other])
			}
		}
		out = append(out,
			question("{"+strings.Join(append(without, member), ", ")+"}"),
			question("{"+strings.Join(without, ", ")+"}"),
		)
	}
	for _, text := range []string{
		`{"protocol": 1, "type": 4, "rsalt": "$N", "extra": null}`,
		`{"protocol": 1, "type": 4, "rsalt": "$N", "Type": 4}`,
		`{"PROTOCOL": 1, "type": 4, "rsalt": "$N"}`,
		`{"rsalt": "$N", "query": null, "type": 4, "protocol": 1}`,
		"{\n\t\"protocol\" :\r 1 , \"type\": 4, \"rsalt\": \"$N\"\n}\n",
		`{"protocol": 1, "type": 4, "rsalt": "$N"} `,
		`{"protocol": 1, "type": 4, "rsalt": "$N"}x`,
		`{"protocol": 1, "type": 4, "rsalt": "$N"}}`,
		`{"protocol": 1, "type": 4, "rsalt": "$N"}` + "\x00",
		`{"protocol": 1, "type": 4, "rsalt": "$N"`,
		`{"protocol": 1, "type": 4, "rsalt": "$N",}`,
		`{"protocol": 1, "type": 4 "rsalt": "$N"}`,
		`{'protocol': 1, "type": 4, "rsalt": "$N"}`,
		`{"protocol": 1, "type": 4, "rsalt": "$N", "query": "\x"}`,
		`{"protocol": 1, "type": 4, "rsalt": "$N", "query": "\u12"}`,
		`{"protocol": 1, "type": 4, "rsalt": "$N", "query": nul}`,
		`{"protocol": 1, "type": 4, "rsalt": "$N", "query": TRUE}`,
		`{"protocol": 1, "type": 4, "rsalt": "$N", "query": "` + "\t" + `"}`,
		`[{"protocol": 1, "type": 4, "rsalt": "$N"}]`,
		`[1, 4, "$N"]`, `"$N"`, `null`, ``, `{}`, `[]`, `0`,
		`{"protocol": 1, "\u0074ype": 4, "rsalt": "$N"}`,
		`{"protocol": 1, "type": 4, "rsalt": "$N", "query": {"\u0031": "x"}}`,
	} {
		out = append(out, question(text))
	}
	return out
}

// member returns the object that a member of an object holds, or an empty one.
func member(parent any, name string) map[string]any {
	object, _ := parent.(map[string]any)
	child, _ := object[name].(map[string]any)
	return child
}

func text(parent any, name string) string {
	object, _ := parent.(map[string]any)
	s, _ := object[name].(string)
	return s
}

// variants returns names that mean the given one, or almost.
func variants(name string) []string {
	out := []string{name, name + ".", "." + name, name + " ", " " + name, strings.ToUpper(name), strings.ToLower(name), name + "x"}
	for i, r := range name {
		if r == '.' {
			out = append(out, name[:i], name[:i+1], name[i+1:])
		}
	}
	if len(name) > 1 && name[len(name)-1] < 0x80 {
		out = append(out, name[:len(name)-1])
	}
	return out
}

// about returns questions about everything in the configuration, except for JSON pointers.
func about(config map[string]any) []question {
	names, ips := map[string]bool{"": true}, map[string]bool{"": true, "192.0.2.255": true}
	links := map[string]bool{"": true, "nolink": true}
	for _, nicparams := range member(member(config, "cluster"), "nicparams") {
		links[text(nicparams, "link")] = true
	}
	for _, section := range []string{"nodes", "instances", "disks"} {
		for key, object := range member(config, section) {
			for _, name := range []string{key, text(object, "name"), text(object, "uuid")} {
				if section == "disks" {
					names[name] = true
					continue
				}
				for _, variant := range variants(name) {
					names[variant] = true
				}
			}
			if section == "nodes" {
				names[text(object, "primary_ip")] = true
				ips[text(object, "primary_ip")] = true
			}
			nics, _ := object.(map[string]any)["nics"].([]any)
			for _, nic := range nics {
				if nic, ok := nic.(map[string]any); ok {
					ips[text(nic, "ip")] = true
					links[text(nic["nicparams"], "link")] = true
				}
			}
		}
	}
	names[text(member(config, "cluster"), "master_node")] = true

	var out []question
	for _, name := range keys(names) {
		for _, requestType := range []int{1, 7, 8, 9} {
			out = append(out, ask1(requestType, quote(name)))
		}
	}
	allIPs := make([]string, 0, len(ips))
	for _, ip := range keys(ips) {
		allIPs = append(allIPs, quote(ip))
	}
	for _, link := range append([]string{"null"}, quoted(keys(links))...) {
		out = append(out, ask1(6, link))
		for _, ip := range allIPs {
			out = append(out, ask1(2, `{"0": `+link+`, "1": `+ip+`}`))
		}
		for some := range slices.Chunk(append(allIPs, allIPs[0]), 50) {
			out = append(out, ask1(2, `{"2": [`+strings.Join(some, ", ")+`], "0": `+link+`}`))
		}
	}
	for _, ip := range allIPs {
		out = append(out, ask1(2, `{"1": `+ip+`}`), ask1(2, `{"2": [`+ip+`]}`))
	}
	return out
}

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = quote(name)
	}
	return out
}

// mostPointers limits the number of JSON pointers: if there are more, only every second,
// third and so on is used.
const mostPointers = 8000

// pointers returns questions for every JSON pointer into the configuration as the daemon,
// the genuine one, answers it, and for similar pointers that lead nowhere.
func pointers(t *testing.T, d *daemon, config map[string]any) []question {
	t.Helper()
	// A whole section may not fit into a datagram: its members are fetched one by one.
	tops := []string{"/version", "/serial_no", "/ctime", "/mtime", "/nosuch", "/cluster"}
	for _, section := range []string{"nodes", "nodegroups", "instances", "networks", "disks", "filters"} {
		tops = append(tops, "/"+section)
		for _, key := range keys(member(config, section)) {
			tops = append(tops, "/"+section+"/"+jsontext.EscapeToken(key))
		}
	}
	for _, name := range keys(member(config, "cluster")) {
		tops = append(tops, "/cluster/"+jsontext.EscapeToken(name))
	}
	fetch := make([]question, len(tops))
	for i, top := range tops {
		fetch[i] = ask1(10, quote(top))
	}
	found := map[string]bool{"": true, "/": true, "//": true, "x": true, "version": true, "/~": true, "/~x": true, "/~2": true, "~0": true}
	for i, r := range d.ask(t, fetch) {
		found[tops[i]] = true
		if r.silent || r.lossy {
			continue
		}
		if status, _, answer, err := r.parse(); err == nil && status == "0" {
			walk(tops[i], answer, found)
		}
	}
	names := keys(found)
	stride := 1 + len(names)/mostPointers
	var out []question
	for i := 0; i < len(names); i += stride {
		out = append(out, ask1(10, quote(names[i])))
	}
	return out
}

func walk(pointer string, value any, found map[string]bool) {
	found[pointer] = true
	found[pointer+"/"] = true
	switch value := value.(type) {
	case map[string]any:
		for name, child := range value {
			walk(pointer+"/"+jsontext.EscapeToken(name), child, found)
		}
		for _, odd := range []string{"nosuch", "0", "~0", "//", "~", "NAME"} {
			found[pointer+"/"+odd] = true
		}
	case []any:
		for i, child := range value {
			walk(fmt.Sprintf("%s/%d", pointer, i), child, found)
		}
		for _, odd := range []string{fmt.Sprint(len(value)), "-1", "-", "00", "01", "+0", " 0", "0x0", "0.0", "0 ", "1e0", "a", "18446744073709551616", "0/0"} {
			found[pointer+"/"+odd] = true
		}
	default:
		found[pointer+"/0"] = true
		found[pointer+"/x"] = true
	}
}

// decode decodes a configuration into plain Go values.
func decode(t *testing.T, config []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(config, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
