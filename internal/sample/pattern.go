package sample

import (
	"bytes"

	"github.com/go-faster/jx"

	"github.com/goccy/go-json"
)

// pattern is an object of the sample cluster: its members, in Ganeti's order.
type pattern []member

type member struct {
	name  string
	value jx.Raw // without white space
}

// values replace values of a pattern's members. A nil value omits the member.
type values map[string]any

// patterns are the sample cluster and, for each kind of object in it, one object with every
// member that occurs.
type patterns struct {
	root, node, group, network, instance, nic, disk pattern
}

func newPatterns() patterns {
	var text bytes.Buffer
	if err := json.Compact(&text, Config); err != nil {
		panic(err) // Config is part of the program
	}
	p := patterns{root: patternOf(text.Bytes())}
	p.node = p.root.fullest("nodes")
	p.group = p.root.fullest("nodegroups")
	p.network = p.root.fullest("networks")
	p.instance = p.root.fullest("instances")
	p.disk = p.root.fullest("disks")
	var nics []json.RawMessage
	if err := json.Unmarshal(p.instance.value("nics"), &nics); err != nil {
		panic(err)
	}
	p.nic = patternOf(jx.Raw(nics[0]))
	return p
}

// patternOf splits an object into its members.
func patternOf(text jx.Raw) (p pattern) {
	err := jx.DecodeBytes(text).Obj(func(d *jx.Decoder, name string) error {
		value, err := d.Raw()
		p = append(p, member{name, value})
		return err
	})
	if err != nil {
		panic(err)
	}
	return p
}

// value returns the value of a member.
func (p pattern) value(name string) jx.Raw {
	for _, m := range p {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// fullest returns the first object with the most members in a map of objects.
func (p pattern) fullest(container string) (most pattern) {
	for _, m := range patternOf(p.value(container)) {
		if object := patternOf(m.value); len(object) > len(most) {
			most = object
		}
	}
	return most
}

// with returns the text of a pattern with some values replaced.
func (p pattern) with(v values) []byte {
	var w jx.Writer
	w.ObjStart()
	for _, m := range p {
		value := []byte(m.value)
		if own, ok := v[m.name]; ok {
			if own == nil {
				continue
			}
			var err error
			if value, err = json.Marshal(own); err != nil {
				panic(err) // it is one of ours
			}
		}
		if len(w.Buf) > 1 {
			w.Comma()
		}
		w.FieldStart(m.name)
		w.Raw(value)
	}
	w.ObjEnd()
	return w.Buf
}
