package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/go-faster/jx"
	"github.com/ogen-go/ogen/validate"

	"gntconfd/internal/cluster/canonical"
	"gntconfd/internal/cluster/classic"
)

var (
	// ErrNoValue: a pointer is malformed or leads nowhere.
	ErrNoValue = errors.New("no such value")
	// ErrTooLarge: a value is larger than the caller can take.
	ErrTooLarge = errors.New("value is too large")
)

// document is the configuration as text. Objects are kept as they stand in the
// file and put into canonical form when they are asked for.
type document struct {
	members    []string              // the root's members in the order of the file
	root       []byte                // canonical text of the root without its containers
	parts      map[string]part       // the members of root
	containers map[string]*container // the root's members that map keys to objects
}

// part is a member of the root, with its own members if it is an object, so that
// a pointer into the large cluster object is a matter of two lookups.
type part struct {
	value   canonical.Tree
	text    []byte
	members map[string]canonical.Tree
}

func newPart(text []byte) part {
	p := part{value: canonical.NewTree(text), text: text}
	for name, member := range canonical.Members(text) {
		if p.members == nil {
			p.members = make(map[string]canonical.Tree)
		}
		p.members[name] = canonical.NewTree(member)
	}
	return p
}

// container maps keys to objects of one kind. A nil container has none.
type container struct {
	form    *canonical.Form
	objects []object // in ascending order of their keys
	byKey   places   // positions in objects
	// texts has the canonical text of each object that was asked for. Ganeti
	// writes nearly all objects in canonical form, so that this is as a rule the
	// text of the file and takes no memory.
	texts []atomic.Pointer[[]byte]
	// large has the large objects, by position. They are put into canonical form when
	// they are loaded, so that no question waits for it.
	large map[int32]canonical.Tree
}

// object is one object of a container, as it stands in the file.
type object struct {
	key string
	raw []byte
}

// deepest is how many levels of containers a configuration has at most. Ganeti's have
// ten, and two more for each level of disks below disks.
const deepest = 40

// readSize is how much of a configuration file is read at a time, in bytes.
const readSize = 64 << 10

// load splits the text of a configuration file into the objects in it. Keys and
// texts that the former document has are taken from there, so that only what is new
// takes memory.
func (doc *document) load(text io.Reader, former *document) error {
	d := jx.Decode(text, readSize)
	if d.Next() != jx.Object {
		return errors.New("not a JSON object")
	}
	form := canonical.Of("Config")
	doc.containers = make(map[string]*container)
	rest := jx.Writer{}
	rest.ObjStart()
	err := d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		if err := checkUTF8(key); err != nil {
			return within("a key", err)
		}
		name := string(key)
		doc.members = append(doc.members, name)
		if elem := form.Member(name).Elem(); elem != nil {
			switch d.Next() {
			case jx.Null: // the same as none
				return d.Null()
			case jx.Object:
				c := &container{form: elem}
				doc.containers[name] = c
				return within(name, c.load(d, former.objects(name)))
			}
		}
		raw, err := d.Raw()
		if err == nil {
			err = checkUTF8(raw)
		}
		if err != nil {
			return within(name, err)
		}
		if len(rest.Buf) > 1 {
			rest.Comma()
		}
		rest.FieldStart(name)
		rest.Raw(raw)
		return nil
	})
	if err != nil {
		return err
	}
	if d.Skip() != io.EOF {
		return errors.New("something follows the object")
	}
	rest.ObjEnd()
	if doc.root, err = form.Append(nil, rest.Buf); err != nil {
		return err
	}
	doc.parts = make(map[string]part)
	for name, text := range canonical.Members(doc.root) {
		doc.parts[name] = newPart(text)
	}
	return nil
}

// older reports whether the file has to be lifted to the present layout.
func (doc *document) older() bool {
	version, err := strconv.ParseInt(string(doc.parts["version"].text), 10, 64)
	cluster := doc.parts["cluster"].members
	_, sshKeyType := cluster["ssh_key_type"]
	return err == nil && cluster != nil && classic.Older(version, sshKeyType)
}

// lift loads the text of an older file, which begins at start, in the present layout.
func (doc *document) lift(text io.ReadSeeker, start int64, former *document) error {
	if _, err := text.Seek(start, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(text)
	if err != nil {
		return err
	}
	if data, err = classic.Lift(data); err != nil {
		return err
	}
	*doc = document{}
	return doc.load(bytes.NewReader(data), former)
}

// explain says what the root of the configuration lacks in the words of Ganeti's
// daemon, when that is what err tells.
func (doc *document) explain(err error) error {
	var invalid *validate.Error
	if !errors.As(err, &invalid) {
		return err
	}
	members, _ := json.Marshal(doc.members)
	return fmt.Errorf("key '%s' not found, object contains only %s", invalid.Fields[0].Name, members)
}

// within says in which member an error arose.
func within(member string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", member, err)
}

// checkUTF8 returns an error that says which byte of a text, from 0, is the first
// that is not UTF-8. Outside of strings the decoder takes no such bytes.
func checkUTF8(text []byte) error {
	if utf8.Valid(text) {
		return nil
	}
	for i := 0; ; {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return fmt.Errorf("byte %d of it is not UTF-8", i)
		}
		i += size
	}
}

// load reads the objects, of which the former document has the former ones.
func (c *container) load(d *jx.Decoder, former []object) error {
	c.objects = make([]object, 0, len(former)+len(former)/8)
	var page page
	next := 0 // where in former the key is, if keys come in order
	err := d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		if err := checkUTF8(key); err != nil {
			return within("a key", err)
		}
		for next < len(former) && former[next].key < string(key) {
			next++
		}
		var o object
		if next < len(former) && former[next].key == string(key) {
			o = former[next]
		} else {
			o.key = string(key)
		}
		raw, err := d.Raw()
		if err == nil {
			err = checkUTF8(raw)
		}
		if err != nil {
			return within(o.key, err)
		}
		if page.endsBefore(o.key) {
			page.finish(c.objects)
		}
		page.add(&o, raw)
		c.objects = append(c.objects, o)
		return nil
	})
	if err != nil {
		return err
	}
	page.finish(c.objects)
	// Of doubled keys the last counts.
	slices.SortStableFunc(c.objects, func(a, b object) int { return strings.Compare(a.key, b.key) })
	last := lastOf(c.objects, func(o object) string { return o.key })
	c.objects = slices.Clone(last) // without the room that appending leaves
	c.byKey = newPlaces(len(c.objects))
	for i := range c.objects {
		c.byKey.add(int32(i), c.key)
	}
	c.texts = make([]atomic.Pointer[[]byte], len(c.objects))
	return c.prepareLarge()
}

// largeObject is from how many bytes on an object is a large one. Instances, which are
// Ganeti's largest, have half of that or less.
const largeObject = 4 << 10

// prepareLarge puts the large objects into canonical form.
func (c *container) prepareLarge() error {
	for i := range c.objects {
		if len(c.objects[i].raw) < largeObject {
			continue
		}
		text, err := c.text(int32(i))
		if err != nil {
			return err
		}
		if c.large == nil {
			c.large = make(map[int32]canonical.Tree)
		}
		c.large[int32(i)] = canonical.NewTree(text)
	}
	return nil
}

// lastOf returns a list, in which what has the same text stands together, with only
// the last of each text in it. It reuses the list's memory.
func lastOf[T any](list []T, text func(T) string) []T {
	last := list[:0]
	for i, item := range list {
		if i+1 == len(list) || text(list[i+1]) != text(item) {
			last = append(last, item)
		}
	}
	return last
}

// all returns the objects.
func (c *container) all() []object {
	if c == nil {
		return nil
	}
	return c.objects
}

// find returns the position of the object with a key.
func (c *container) find(key string) (int32, bool) {
	if c == nil {
		return 0, false
	}
	return c.byKey.find(key, c.key)
}

// key returns the key of the object at a position.
func (c *container) key(i int32) string { return c.objects[i].key }

// text returns the canonical text of the object at a position.
func (c *container) text(i int32) ([]byte, error) {
	if text := c.texts[i].Load(); text != nil {
		return *text, nil
	}
	raw := c.objects[i].raw
	text, err := c.form.Append(nil, raw)
	if err != nil {
		return nil, within(c.objects[i].key, err)
	}
	if bytes.Equal(text, raw) {
		text = raw
	}
	c.texts[i].Store(&text)
	return text, nil
}

// objects returns the objects of a container that the file may lack.
func (doc *document) objects(name string) []object { return doc.containers[name].all() }

// appendValue is Snapshot.AppendValue.
func (doc *document) appendValue(dst []byte, pointer string, limit int) ([]byte, error) {
	if strings.Count(pointer, "/") > deepest {
		return dst, ErrNoValue
	}
	tokens, err := canonical.ParsePointer(pointer)
	if err != nil {
		return dst, ErrNoValue
	}
	name, tokens := tokens[0], tokens[1:]
	if c, ok := doc.containers[name]; ok {
		return c.appendValue(dst, tokens, limit)
	}
	part, ok := doc.parts[name]
	value := part.value
	if len(tokens) > 0 && part.members != nil {
		value, ok = part.members[tokens[0]]
		tokens = tokens[1:]
	}
	if !ok {
		return dst, ErrNoValue
	}
	return appendFound(dst, value, tokens, limit)
}

// appendValue appends what tokens lead to in a container.
func (c *container) appendValue(dst []byte, tokens []string, limit int) ([]byte, error) {
	if len(tokens) == 0 {
		return c.appendAll(dst, limit)
	}
	i, ok := c.find(tokens[0])
	if !ok {
		return dst, ErrNoValue
	}
	value, ok := c.large[i]
	if !ok {
		text, err := c.text(i)
		if err != nil {
			return dst, err
		}
		value = canonical.NewTree(text)
	}
	return appendFound(dst, value, tokens[1:], limit)
}

// appendFound appends what tokens lead to in a value.
func appendFound(dst []byte, in canonical.Tree, tokens []string, limit int) ([]byte, error) {
	value, ok := in.Lookup(tokens)
	switch {
	case !ok:
		return dst, ErrNoValue
	case len(value) > limit:
		return dst, ErrTooLarge
	}
	return append(dst, value...), nil
}

// appendAll appends the whole container.
func (c *container) appendAll(dst []byte, limit int) ([]byte, error) {
	w := jx.Writer{Buf: dst}
	w.ObjStart()
	for i, o := range c.objects {
		text, err := c.text(int32(i))
		if err != nil {
			return dst, err
		}
		if len(w.Buf)-len(dst)+len(o.key)+len(text) > limit {
			return dst, ErrTooLarge
		}
		if i > 0 {
			w.Comma()
		}
		w.FieldStart(o.key)
		w.Raw(text)
	}
	w.ObjEnd()
	return w.Buf, nil
}
