package bench

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-faster/jx"
)

// Change is what a write of the configuration changes.
type Change struct {
	name  string
	share float64 // of the objects; 0 for one object
	count int     // of instances added; negative for removed
}

// The names of changes that are no shares.
const (
	oneObject = "one"
	added     = "added"
	removed   = "removed"
)

// ParseChanges reads a list of changes: "one" for one object, shares of the objects such as
// "1%", "added" and "removed" for an instance with its disks.
func ParseChanges(text string) ([]Change, error) {
	var changes []Change
	for _, name := range strings.Split(text, ",") {
		c := Change{name: strings.TrimSpace(name)}
		switch number, percent := strings.CutSuffix(c.name, "%"); {
		case percent:
			value, err := strconv.ParseFloat(number, 64)
			if err != nil || !(value > 0 && value <= 100) {
				return nil, fmt.Errorf("%q is not a share of more than 0 and at most 100 %%", name)
			}
			c.share = value / 100
		case c.name == added:
			c.count = 1
		case c.name == removed:
			c.count = -1
		case c.name != oneObject:
			return nil, fmt.Errorf("%q is neither one, added, removed nor a share such as 1%%", name)
		}
		if slices.Contains(changes, c) {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// document is a configuration in pieces, of a generated cluster, to write it again with
// changes as Ganeti makes them: every write raises the serial number of the file, and
// those of the objects that it changes.
type document struct {
	members []member
	next    int // where the next changed object is, so that each write changes others
	news    int // instances added
}

// member is a member of the configuration: its text or, of those with objects that change,
// the objects in the order of their keys.
type member struct {
	name    string
	text    []byte
	objects []object
}

type object struct {
	key  string
	text []byte
}

// changing are the members whose objects change.
var changing = []string{"instances", "disks", "nodes"}

func parseDocument(config []byte) (*document, error) {
	d := new(document)
	err := jx.DecodeBytes(config).ObjBytes(func(dec *jx.Decoder, key []byte) error {
		m := member{name: string(key)}
		if slices.Contains(changing, m.name) {
			d.members = append(d.members, m)
			objects := &d.members[len(d.members)-1].objects
			return dec.ObjBytes(func(dec *jx.Decoder, key []byte) error {
				text, err := dec.Raw()
				*objects = append(*objects, object{string(key), text})
				return err
			})
		}
		text, err := dec.Raw()
		m.text = text
		d.members = append(d.members, m)
		return err
	})
	return d, err
}

// bytes returns the configuration as Ganeti writes it, in one line.
func (d *document) bytes() []byte {
	var out bytes.Buffer
	separator := "{"
	for _, m := range d.members {
		fmt.Fprintf(&out, "%s%q:", separator, m.name)
		separator = ","
		if m.text != nil {
			out.Write(m.text)
			continue
		}
		between := "{"
		for _, o := range m.objects {
			fmt.Fprintf(&out, "%s%q:", between, o.key)
			out.Write(o.text)
			between = ","
		}
		if between == "{" {
			out.WriteString(between)
		}
		out.WriteByte('}')
	}
	out.WriteByte('}')
	return out.Bytes()
}

// member returns the member with a name.
func (d *document) member(name string) *member {
	i := slices.IndexFunc(d.members, func(m member) bool { return m.name == name })
	if i < 0 {
		return new(member)
	}
	return &d.members[i]
}

// serialMark begins the serial number of an object, which is the last one in its text: a
// disk has those of its children before.
const serialMark = `"serial_no":`

// raise returns a text with the number at an offset raised by one, and that number.
func raise(text []byte, at int) ([]byte, int64, error) {
	end := at
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	serial, err := strconv.ParseInt(string(text[at:end]), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("serial_no: %w", err)
	}
	serial++
	return slices.Concat(text[:at], strconv.AppendInt(nil, serial, 10), text[end:]), serial, nil
}

// apply makes a change. It returns the new serial number of the file, and how many objects
// are changed, added or removed.
func (d *document) apply(c Change) (serial int64, objects int, err error) {
	switch {
	case c.count > 0:
		objects, err = d.add()
	case c.count < 0:
		objects, err = d.remove()
	default:
		objects, err = d.touch(c.share)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("change %q: %w", c.name, err)
	}
	file := d.member("serial_no")
	file.text, serial, err = raise(file.text, 0)
	return serial, objects, err
}

// touch raises the serial numbers of a share of the objects, spread evenly; at least of
// one.
func (d *document) touch(share float64) (int, error) {
	var all []*object
	for _, name := range changing {
		m := d.member(name)
		for i := range m.objects {
			all = append(all, &m.objects[i])
		}
	}
	n := min(max(1, int(share*float64(len(all)))), len(all))
	for i := range n {
		o := all[(i*len(all)/n+d.next)%len(all)]
		var err error
		at := bytes.LastIndex(o.text, []byte(serialMark))
		if at < 0 {
			return 0, fmt.Errorf("%s has no serial_no", o.key)
		}
		if o.text, _, err = raise(o.text, at+len(serialMark)); err != nil {
			return 0, fmt.Errorf("%s: %w", o.key, err)
		}
	}
	d.next++
	return n, nil
}

var (
	nameMember = regexp.MustCompile(`"name": *"[^"]*"`)
	ipMember   = regexp.MustCompile(`"ip": *"[^"]*"`)
)

// add adds a copy of an instance and of its disks, with a name and an address of its own.
func (d *document) add() (int, error) {
	instances, disks := d.member("instances"), d.member("disks")
	if len(instances.objects) == 0 {
		return 0, errors.New("there is no instance to copy")
	}
	d.news++
	model := instances.objects[d.next%len(instances.objects)]
	d.next++
	text := nameMember.ReplaceAll(model.text, fmt.Appendf(nil, `"name":"added%d.example.org"`, d.news))
	// Generated clusters have no address this high in the range of the link.
	text = ipMember.ReplaceAll(text, fmt.Appendf(nil, `"ip":"10.127.%d.%d"`, d.news>>8&255, d.news&255))
	text = d.rename(text, model.key)
	var copies []object
	for _, o := range disks.objects {
		if bytes.Contains(model.text, []byte(o.key)) {
			text = d.rename(text, o.key)
			copies = append(copies, object{d.keyFor(o.key), d.rename(o.text, o.key)})
		}
	}
	instances.insert(object{d.keyFor(model.key), text})
	for _, o := range copies {
		disks.insert(o)
	}
	return 1 + len(copies), nil
}

// keyFor returns the key of the newest copy of the object with a key.
func (d *document) keyFor(key string) string {
	return fmt.Sprintf("%s%012x", key[:len(key)-12], d.news)
}

// rename gives the newest copy of an object its key.
func (d *document) rename(text []byte, key string) []byte {
	return bytes.ReplaceAll(text, []byte(key), []byte(d.keyFor(key)))
}

func (m *member) insert(o object) {
	i, _ := slices.BinarySearchFunc(m.objects, o.key, func(o object, key string) int { return strings.Compare(o.key, key) })
	m.objects = slices.Insert(m.objects, i, o)
}

// remove removes an instance with its disks.
func (d *document) remove() (int, error) {
	instances, disks := d.member("instances"), d.member("disks")
	if len(instances.objects) == 0 {
		return 0, errors.New("no instance is left to remove")
	}
	i := d.next % len(instances.objects)
	d.next++
	gone := instances.objects[i]
	instances.objects = slices.Delete(instances.objects, i, i+1)
	before := len(disks.objects)
	disks.objects = slices.DeleteFunc(disks.objects, func(o object) bool { return bytes.Contains(gone.text, []byte(o.key)) })
	return 1 + before - len(disks.objects), nil
}
