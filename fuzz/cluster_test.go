package fuzz

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"gntconfd/gen/wire"
	"gntconfd/internal/jsontext"
)

// smallestCluster is a configuration without nodes and instances, in canonical form.
//
//go:embed testdata/cluster.json
var smallestCluster []byte

// The alphabets are small, so that keys, names, prefixes of names, links and addresses
// collide; they contain each other, so that lookups in the wrong table are noticed.
var (
	keys  = []string{"u0", "u1", "u2", "u3", "a", "a.x"}
	names = []string{"a", "a.x", "a.y", "a.x.y", "b", "b.x", "", ".x", "u1", "u2.x", "A", "a\"\\\x0eH\x7f1"}
	links = []string{"br0", "br1", ""}
	ips   = []string{"10.0.0.1", "10.0.0.10", "10.0.0.2", ""}
	// times maps times in the file to their canonical form.
	times = map[json.Number]json.Number{
		"0": "0", "1599980000": "1599980000.0000002", "1600000001.123456": "1600000001.1234562", "1600000106.25": "1600000106.2499998",
	}
)

// drawnCluster is a configuration in canonical form, and a file with the same meaning that
// Ganeti could have written.
type drawnCluster struct {
	doc  object
	file []byte
}

// String returns, for failed properties, the file without what all clusters have.
func (c drawnCluster) String() string {
	file := decode(c.file).(object)
	smallest := decode(smallestCluster).(object)["cluster"].(object)
	maps.DeleteFunc(file["cluster"].(object), func(member string, value any) bool { return equal(value, smallest[member]) })
	return string(encode(file))
}

// clusters generates configurations that are small, odd, and loaded by Ganeti.
func clusters() *rapid.Generator[drawnCluster] {
	return rapid.Custom(func(t *rapid.T) drawnCluster {
		doc := decode(smallestCluster).(object)
		doc["version"] = json.Number(fmt.Sprint(rapid.IntRange(2160000, 3000000).Draw(t, "version")))
		c := doc["cluster"].(object)
		drawCluster(t, c)
		doc["nodes"] = drawMap(t, "node", 2, drawNode)
		doc["instances"] = drawMap(t, "instance", 1, drawInstance)
		doc["disks"] = drawMap(t, "disk", 2, func(t *rapid.T, key string) object { return drawDisk(t, key, 1) })
		return drawnCluster{doc, encode(loosen(t, doc))}
	})
}

func drawCluster(t *rapid.T, c object) {
	c["master_node"] = oneOf(t, "master_node", keys[:3], names[:2])
	c["serial_no"] = number(t, "cluster serial_no", 1, 99)
	c["nicparams"].(object)["default"].(object)["link"] = oneOf(t, "default link", links)
	c["enabled_hypervisors"] = rapid.SliceOfN(rapid.Map(rapid.SampledFrom([]string{"kvm", "xen-pvm", "xen-hvm", "fake"}), toAny), 1, 2).Draw(t, "enabled_hypervisors")
	collectors := object{}
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"lv", "drbd", "inst-status-xen", "unheard-of"}), rapid.ID).Draw(t, "data_collectors") {
		collectors[name] = object{"active": rapid.Bool().Draw(t, "active"), "interval": rapid.SampledFrom([]json.Number{"0", "1", "5000000", "9007199254740992"}).Draw(t, "interval")}
	}
	c["data_collectors"] = collectors
}

func drawNode(t *rapid.T, key string) object {
	node := common(t, key)
	maps.Copy(node, object{
		"name": oneOf(t, "name", names), "primary_ip": oneOf(t, "primary_ip", ips), "secondary_ip": "10.0.1.1", "group": "g",
		"master_capable": true, "vm_capable": true, "powered": true, "ndparams": object{},
	})
	for _, flag := range []string{"master_candidate", "offline", "drained"} {
		node[flag] = rapid.Bool().Draw(t, flag)
	}
	return node
}

func drawInstance(t *rapid.T, key string) object {
	instance := common(t, key)
	maps.Copy(instance, object{"hvparams": object{}, "beparams": object{}, "osparams": object{}, "osparams_private": object{}})
	nics := []any{}
	for i := range rapid.IntRange(0, 3).Draw(t, "nics") {
		nic := object{"mac": "aa:00:00:00:00:01", "uuid": fmt.Sprint("nic", i), "nicparams": object{}}
		maybe(t, nic, "ip", func() any { return oneOf(t, "ip", ips) })
		maybe(t, nic["nicparams"].(object), "link", func() any { return oneOf(t, "link", links) })
		nics = append(nics, nic)
	}
	instance["nics"] = nics
	instance["disks"] = rapid.SliceOfN(rapid.Map(rapid.SampledFrom(keys[:4]), toAny), 0, 2).Draw(t, "disks")
	forthcoming(t, instance, object{
		"name": oneOf(t, "name", names), "primary_node": oneOf(t, "primary_node", keys, names[:2]), "os": "debian", "hypervisor": "kvm",
		"admin_state": "up", "admin_state_source": "admin", "disks_active": true,
	})
	return instance
}

func drawDisk(t *rapid.T, key string, depth int) object {
	disk := common(t, key)
	delete(disk, "tags")
	maps.Copy(disk, object{"nodes": []any{}, "iv_name": "", "mode": "rw"})
	children := []any{}
	if depth > 0 {
		for i := range rapid.IntRange(0, 2).Draw(t, "children") {
			children = append(children, drawDisk(t, fmt.Sprint(key, ".", i), depth-1))
		}
	}
	disk["children"] = children
	ends := keys[:4]
	id, kind := []any{"vg", "lv"}, "plain"
	if rapid.IntRange(0, 3).Draw(t, "dev_type") > 0 {
		id, kind = []any{oneOf(t, "node a", ends), oneOf(t, "node b", ends, keys), json.Number("11000"), number(t, "minor a", 0, 9), number(t, "minor b", 0, 9), "secret"}, "drbd"
	}
	if forthcoming(t, disk, object{"size": json.Number("1024")}) && rapid.Bool().Draw(t, "no logical_id") {
		return disk
	}
	disk["logical_id"], disk["dev_type"] = id, kind
	return disk
}

// common generates what all objects have. An object's uuid is usually its key.
func common(t *rapid.T, key string) object {
	if rapid.IntRange(0, 5).Draw(t, "own uuid") == 5 {
		key = oneOf(t, "uuid", keys)
	}
	time := func(what string) any {
		return times[rapid.SampledFrom(slices.Sorted(maps.Keys(times))).Draw(t, what)]
	}
	return object{"uuid": key, "serial_no": number(t, "serial_no", 1, 99), "ctime": time("ctime"), "mtime": time("mtime"), "tags": []any{}}
}

// forthcoming adds the members that only a forthcoming object may lack.
func forthcoming(t *rapid.T, o, members object) bool {
	if rapid.IntRange(0, 5).Draw(t, "forthcoming") < 5 {
		maps.Copy(o, members)
		return false
	}
	o["forthcoming"] = true
	for _, member := range sortedKeys(members) {
		maybe(t, o, member, func() any { return members[member] })
	}
	return true
}

// loosen turns a canonical value into a file's version: what has a default may be null or
// missing, and times are as Ganeti writes them.
func loosen(t *rapid.T, value any) any {
	switch value := value.(type) {
	case object:
		loose := object{}
		for _, member := range sortedKeys(value) {
			loose[member] = loosen(t, value[member])
			switch text := string(encode(value[member])); member {
			case "ctime", "mtime":
				for file, out := range times {
					if out == value[member] {
						loose[member] = file
					}
				}
				if text != "0" {
					continue
				}
			case "nics", "disks", "children", "nodes":
				if text != "[]" {
					continue
				}
			case "iv_name", "mode", "osparams_private":
				if text != `""` && text != `"rw"` && text != "{}" {
					continue
				}
			default:
				continue
			}
			switch rapid.IntRange(0, 4).Draw(t, "loose "+member) {
			case 3:
				loose[member] = nil
			case 4:
				delete(loose, member)
			}
		}
		return loose
	case []any:
		loose := []any{}
		for _, element := range value {
			loose = append(loose, loosen(t, element))
		}
		return loose
	}
	return value
}

// question is a request without the salt.
type question struct {
	Type  wire.RequestType
	Query any
}

// questions are all questions that can matter for a cluster with this file's alphabets;
// pointers are random.
func questions(t *rapid.T, c drawnCluster) []question {
	var list []question
	ask := func(query any, types ...wire.RequestType) {
		for _, request := range types {
			list = append(list, question{request, query})
		}
	}
	every := []wire.RequestType{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	ask(nil, every...)
	ask("a", every...)
	ask(object{}, every...)
	ask(object{"0": nil, "1": nil, "2": nil, "3": nil}, every...)
	ask(object{"0": "br\"0", "1": "\x0eH", "2": []any{"\\", "1"}, "3": toFields(0, 2, 1)}, every...)
	for _, name := range slices.Concat(keys, names, []string{"x", "u9", "a.", "a.x."}) {
		ask(name, wire.RequestNodeRoleByName, wire.RequestNodeDRBD, wire.RequestNodeInstances, wire.RequestInstanceDisks)
	}
	for _, link := range append(links, "br") {
		ask(link, wire.RequestInstanceIPsList)
		ask(object{"0": link, "2": toAnys(ips)}, wire.RequestNodePIPByInstanceIP)
	}
	for _, ip := range append(ips, "10.0.0") {
		ask(object{"1": ip}, wire.RequestNodePIPByInstanceIP)
	}
	ask(object{"2": toAnys(append(ips, "10.0.0.3", ips[0]))}, wire.RequestNodePIPByInstanceIP)
	ask(object{"3": toFields(0, 1, 2, 2, 0)}, wire.RequestClusterMaster)
	for range 12 {
		ask(drawPointer(t, c.doc), wire.RequestConfigQuery)
	}
	return list
}

// drawPointer generates a pointer into doc, or just beside it.
func drawPointer(t *rapid.T, doc any) string {
	pointer := ""
	for {
		var tokens []string
		switch value := doc.(type) {
		case object:
			tokens = sortedKeys(value)
		case []any:
			for i := range value {
				tokens = append(tokens, strconv.Itoa(i))
			}
		}
		if pointer != "" && rapid.IntRange(0, 4).Draw(t, "stop") == 0 {
			return pointer
		}
		tokens = append(tokens, "no-such", "9")
		token := rapid.SampledFrom(tokens).Draw(t, "token")
		pointer += "/" + jsontext.EscapeToken(token)
		var ok bool
		if doc, ok = walk(doc, "/"+jsontext.EscapeToken(token)); !ok {
			return pointer
		}
	}
}

func drawMap(t *rapid.T, what string, least int, draw func(*rapid.T, string) object) object {
	objects := object{}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), least, 5, rapid.ID).Draw(t, what+" keys") {
		objects[key] = draw(t, key)
	}
	return objects
}

func oneOf(t *rapid.T, what string, alphabets ...[]string) string {
	return rapid.SampledFrom(slices.Concat(alphabets...)).Draw(t, what)
}

func number(t *rapid.T, what string, least, greatest int) json.Number {
	return json.Number(strconv.Itoa(rapid.IntRange(least, greatest).Draw(t, what)))
}

func maybe(t *rapid.T, o object, member string, value func() any) {
	if rapid.IntRange(0, 3).Draw(t, "has "+member) > 0 {
		o[member] = value()
	}
}

func toAny(text string) any { return text }

func toAnys(texts []string) []any {
	list := []any{}
	for _, text := range texts {
		list = append(list, text)
	}
	return list
}

func toFields(codes ...int) []any {
	list := []any{}
	for _, code := range codes {
		list = append(list, json.Number(strconv.Itoa(code)))
	}
	return list
}

// sortedKeys returns an object's keys in order. Generators must not depend on Go's map
// order, which differs between runs.
func sortedKeys(o object) []string { return slices.Sorted(maps.Keys(o)) }

// decode decodes JSON text that is known to be valid.
func decode(text []byte) any {
	value, err := tryDecode(text)
	if err != nil {
		panic(fmt.Sprintf("%v: %s", err, text))
	}
	return value
}

// tryDecode decodes exactly one JSON value, with numbers as json.Number.
func tryDecode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if rest := bytes.TrimSpace(text[decoder.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("%q after the value", rest)
	}
	return value, nil
}

func encode(value any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

// equal reports whether two decoded JSON values are the same. Numbers are the same if they
// are spelt the same or, unless both are integers, are the same float64.
func equal(a, b any) bool {
	switch a := a.(type) {
	case object:
		b, ok := b.(object)
		if !ok || len(a) != len(b) {
			return false
		}
		for member := range a {
			if other, ok := b[member]; !ok || !equal(a[member], other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case json.Number:
		b, ok := b.(json.Number)
		if !ok || a == b {
			return ok
		}
		if !strings.ContainsAny(string(a), ".eE") && !strings.ContainsAny(string(b), ".eE") {
			return false
		}
		x, errX := a.Float64()
		y, errY := b.Float64()
		return errX == nil && errY == nil && x == y
	}
	return a == b
}
