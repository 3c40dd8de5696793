package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
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
	redact     bool                  // whether canonical texts are without secrets
	rest       []byte                // the root without its containers, as it stands in the file
	root       []byte                // the same in canonical form
	older      []byte                // the file that was lifted, nil for none
	origins    map[string]string     // where objects are in older, by where they are now
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
	redact  bool     // whether canonical texts are without secrets
	objects []object // in ascending order of their keys
	byKey   places   // positions in objects
	// texts has the canonical text of each object that was asked for. Ganeti
	// writes nearly all objects in canonical form, so that this is as a rule the
	// text of the file and takes no memory.
	texts []atomic.Pointer[[]byte]
	// large has the large objects, by position. They are put into canonical form when
	// they are loaded, so that no question waits for it.
	large map[int32]largeText
}

// largeText is the canonical text of a large object, or ErrTooLarge.
type largeText struct {
	value canonical.Tree
	err   error
}

// object is one object of a container, as it stands in the file.
type object struct {
	key string
	raw []byte
}

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
	var failure error // the decoder puts words around what is returned to it
	fail := func(place string, err error) error {
		if failure == nil && err != nil {
			failure = fmt.Errorf("%s: %w", place, err)
		}
		return failure
	}
	var crowd crowd
	err := d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		if err := checkUTF8(key); err != nil {
			return fail("a key", err)
		}
		name := string(key)
		place := "/" + canonical.EscapeToken(name)
		doc.members = append(doc.members, name)
		if elem := form.Member(name).Elem(); elem != nil {
			switch d.Next() {
			case jx.Null: // the same as none, also of doubled ones the last
				delete(doc.containers, name)
				return d.Null()
			case jx.Object:
				c := &container{form: elem, redact: doc.redact}
				doc.containers[name] = c
				if err := c.load(d, place, former.objects(name), &crowd); err != nil {
					failure = err
				}
				return failure
			}
		}
		raw, err := nextRaw(d)
		if err == nil {
			err = check(raw, 1)
		}
		if err == nil {
			err = crowd.add(name, raw)
		}
		if err != nil {
			return fail(place, err)
		}
		if len(rest.Buf) > 1 {
			rest.Comma()
		}
		rest.FieldStart(name)
		rest.Raw(raw)
		return nil
	})
	if failure != nil {
		return failure
	}
	if err != nil {
		return err
	}
	if d.Skip() != io.EOF {
		return errors.New("something follows the object")
	}
	rest.ObjEnd()
	doc.rest = rest.Buf
	if doc.root, err = appendForm(form, rest.Buf, doc.redact); err != nil {
		return form.Placed(doc.rest, err)
	}
	doc.parts = make(map[string]part)
	for name, text := range canonical.Members(doc.root) {
		doc.parts[name] = newPart(text)
	}
	return nil
}

// isOlder reports whether the file has to be lifted to the present layout.
func (doc *document) isOlder() bool {
	version, err := strconv.ParseInt(string(doc.parts["version"].text), 10, 64)
	cluster := doc.parts["cluster"].members
	_, sshKeyType := cluster["ssh_key_type"]
	return err == nil && cluster != nil && classic.Older(version, sshKeyType)
}

// lift loads the text of an older file, which begins at start, in the present layout.
func (doc *document) lift(ctx context.Context, text io.ReadSeeker, start int64, former *document) error {
	if _, err := text.Seek(start, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(interruptible{ctx, text})
	if err != nil {
		return err
	}
	data = bytes.TrimSpace(data)
	lifted, origins, err := classic.Lift(ctx, data, func(err error, d *jx.Decoder, text []byte) error {
		return fault(err, d, text, "", func(inner string) []string { return canonical.Names(valueAt(data, inner)) })
	})
	if err != nil {
		return err
	}
	*doc = document{redact: doc.redact}
	if err := doc.load(interruptible{ctx, bytes.NewReader(lifted)}, former); err != nil {
		return err
	}
	doc.older, doc.origins = data, origins
	return nil
}

// origin returns where the object at a place is in the file, and the object's text there.
// text is what it has in the present layout.
func (doc *document) origin(place string, text []byte) (string, []byte) {
	if doc.older == nil {
		return place, text
	}
	if origin, moved := doc.origins[place]; moved {
		place = origin
	}
	return place, valueAt(doc.older, place)
}

// names returns the names of the members that the object at a pointer below the root has
// in the file, and of the root for the empty pointer.
func (doc *document) names(pointer string) []string {
	switch {
	case doc.older != nil:
		return canonical.Names(valueAt(doc.older, pointer))
	case pointer == "":
		return doc.members
	}
	return canonical.Names(valueAt(doc.rest, pointer))
}

// within says in which member an error arose.
func within(member string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", member, err)
}

var errDeep = fmt.Errorf("there are more than %d levels of containers", wire.ConfigLevels)

// nextRaw returns the next value of a text. The decoder's error tells of each level that
// it was in: of so many that they are an error by themselves, only that is told.
func nextRaw(d *jx.Decoder) ([]byte, error) {
	raw, err := d.Raw()
	levels := 0
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if levels++; levels > 2*wire.ConfigLevels {
			return nil, errDeep
		}
	}
	return raw, err
}

// check returns an error when a value is not UTF-8, or has more levels of containers
// than it may have that many levels below the root.
func check(raw []byte, level int) error {
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if level++; level > wire.ConfigLevels {
				return errDeep
			}
		case '}', ']':
			level--
		}
	}
	return checkUTF8(raw)
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

// crowd counts what a file has in it, and the bytes: each object and each element takes
// memory, of which a file of nothing but {} or "" would need many times its size.
type crowd struct{ objects, commas, bytes int }

// add counts what is in a value. The error says that there is more than a file of that
// size may have. What looks like it in a text counts, too: to know better would take
// longer.
func (c *crowd) add(key string, raw []byte) error {
	c.objects += bytes.Count(raw, []byte("{"))
	c.commas += bytes.Count(raw, []byte(","))
	c.bytes += len(key) + len(raw)
	switch {
	case c.objects > wire.ConfigObjects+c.bytes/wire.ConfigObjectSize:
		return fmt.Errorf("up to here there are more than %d objects, and more than one for each %d bytes", wire.ConfigObjects, wire.ConfigObjectSize)
	case c.commas > wire.ConfigElements+c.bytes/wire.ConfigElementSize:
		return fmt.Errorf("up to here there are more than %d elements, and more than one for each %d bytes", wire.ConfigElements, wire.ConfigElementSize)
	}
	return nil
}

// load reads the objects at a place, of which the former document has the former ones.
func (c *container) load(d *jx.Decoder, place string, former []object, crowd *crowd) error {
	c.objects = make([]object, 0, len(former)+len(former)/8)
	var page page
	next := 0         // where in former the key is, if keys come in order
	var failure error // the decoder puts words around what is returned to it
	fail := func(place string, err error) error {
		failure = fmt.Errorf("%s: %w", place, err)
		return failure
	}
	err := d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		if err := checkUTF8(key); err != nil {
			return fail(place+": a key", err)
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
		raw, err := nextRaw(d)
		if err == nil && !bytes.Equal(raw, o.raw) {
			err = check(raw, 2)
		}
		if err == nil {
			err = crowd.add(o.key, raw)
		}
		if err != nil {
			return fail(place+"/"+canonical.EscapeToken(o.key), err)
		}
		if page.endsBefore(o.key) {
			page.finish(c.objects)
		}
		page.add(&o, raw)
		c.objects = append(c.objects, o)
		return nil
	})
	if failure != nil {
		return failure
	}
	if err != nil {
		return fmt.Errorf("%s: %w", place, err)
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
		if c.large == nil {
			c.large = make(map[int32]largeText)
		}
		text, err := c.makeText(int32(i))
		if err == nil && len(text) > wire.ConfigGrowth*len(c.objects[i].raw) {
			err = ErrTooLarge
			c.texts[i].Store(nil)
		}
		if err != nil && !errors.Is(err, ErrTooLarge) {
			return err
		}
		large := largeText{err: err}
		if err == nil {
			large.value = canonical.NewTree(text)
		}
		c.large[int32(i)] = large
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

// text returns the canonical text of the object at a position, and ErrTooLarge for one
// that no reply has room for.
func (c *container) text(i int32) ([]byte, error) {
	if text := c.texts[i].Load(); text != nil {
		return *text, nil
	}
	if large, ok := c.large[i]; ok && large.err != nil {
		return nil, large.err
	}
	return c.makeText(i)
}

// appendForm returns the canonical text of a value, without secrets if they are redacted.
func appendForm(form *canonical.Form, raw []byte, redact bool) ([]byte, error) {
	if redact {
		return form.AppendRedacted(nil, raw)
	}
	return form.Append(nil, raw)
}

// makeText makes the canonical text of the object at a position.
func (c *container) makeText(i int32) ([]byte, error) {
	raw := c.objects[i].raw
	text, err := appendForm(c.form, raw, c.redact)
	switch {
	case errors.Is(err, canonical.ErrTooLarge):
		return nil, ErrTooLarge
	case err != nil:
		return nil, within(c.objects[i].key, err)
	}
	if bytes.Equal(text, raw) {
		text = raw
	}
	// What questions are for shall not fill the memory: a text that is much longer than
	// the object is made again for each.
	if len(raw) >= largeObject || len(text) <= 2*len(raw) {
		c.texts[i].Store(&text)
	}
	return text, nil
}

// objects returns the objects of a container that the file may lack.
func (doc *document) objects(name string) []object { return doc.containers[name].all() }

// appendValue is Snapshot.AppendValue.
func (doc *document) appendValue(dst []byte, pointer string, limit int) ([]byte, error) {
	if strings.Count(pointer, "/") > wire.ConfigLevels {
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
	large, ok := c.large[i]
	if !ok {
		text, err := c.text(i)
		large = largeText{canonical.NewTree(text), err}
	}
	if large.err != nil {
		return dst, large.err
	}
	return appendFound(dst, large.value, tokens[1:], limit)
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
