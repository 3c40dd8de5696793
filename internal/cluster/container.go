package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster/canonical"
	"gntconfd/internal/jsontext"
)

// container maps keys to objects of one kind. A nil container has none.
type container struct {
	form    *canonical.Form
	redact  bool          // whether canonical texts are without secrets
	objects []object      // in ascending order of their keys
	byKey   positionTable // positions in objects
	// texts has the canonical text of each object that a query has asked for. Ganeti writes
	// nearly all objects in canonical form, so this is usually the text of the file and takes
	// no memory.
	texts []atomic.Pointer[[]byte]
	// large has the large objects, by position. They are put into canonical form while they
	// are loaded, so no query waits for that.
	large map[int32]largeText
}

// largeText is the canonical text of a large object, or ErrTooLarge.
type largeText struct {
	value canonical.Tree
	err   error
}

// object is one object of a container, as it is in the file.
type object struct {
	key      string
	piece    *[]byte // of memory, where its text is with those of others: see arena
	at, size int     // its text begins at a byte of that and has so many
}

// newObject returns an object with a copy of a text.
func newObject(key string, text []byte) object {
	piece := bytes.Clone(text)
	return object{key: key, piece: &piece, size: len(text)}
}

// raw returns the object's text.
func (o *object) raw() []byte { return (*o.piece)[o.at : o.at+o.size : o.at+o.size] }

// samePlace reports whether two objects share the same text in memory.
func (o *object) samePlace(other *object) bool { return o.piece == other.piece && o.at == other.at }

// changes say how a container differs from the former one.
type changes struct {
	// sameKeys: the keys are the same as before, so each object is at the same position.
	sameKeys bool
	// texts are the positions of objects with another text, if sameKeys.
	texts []int32
}

// containerLoader reads a container.
type containerLoader struct {
	*window
	place  string     // of the container in the file
	former *container // nil for none
	crowd  *crowd
	now    *container

	// Until something differs, the objects are the first ones of the former container, in
	// its memory.
	differs bool
	changes changes
	arena   arena

	ahead func([]object) // decodes objects that are as they stay; nil to leave that for later
	given int            // how many it has been given
}

// load reads the objects of a container after its opening bracket. If the former container
// has the same objects, load returns that one.
func (l *containerLoader) load() (*container, changes, error) {
	if l.former == nil {
		l.former = new(container)
	}
	l.changes.sameKeys = true
	next := 0 // where in the former container the key is, if keys come in order
	for first := true; ; first = false {
		if ok, err := l.member(first); err != nil {
			return nil, changes{}, fmt.Errorf("%s: %w", l.place, err)
		} else if !ok {
			break
		}
		at, err := l.object(next)
		if err != nil {
			return nil, changes{}, err
		}
		if at >= 0 {
			next = at + 1
		}
	}
	l.finishArena()
	l.giveAhead(1)
	c := l.now
	l.changes.sameKeys = l.changes.sameKeys && len(c.objects) > 0 && len(c.objects) == len(l.former.objects)
	if l.changes.sameKeys && !l.differs {
		return l.former, l.changes, nil
	}
	l.differ()
	if l.changes.sameKeys {
		c.byKey = l.former.byKey
	} else {
		c.sort()
	}
	c.texts = make([]atomic.Pointer[[]byte], len(c.objects))
	return c, l.changes, c.prepareLarge(l.former)
}

// object reads an object. Its key is probably at position next in the former container.
// object returns the position there, or -1.
func (l *containerLoader) object(next int) (int, error) {
	at, key := -1, ""
	if next < len(l.former.objects) && l.passesString(l.former.objects[next].key) {
		at = next
	} else {
		var err error
		if key, err = l.string(); err != nil {
			return 0, fmt.Errorf("%s: %w", l.place, err)
		}
		if i, ok := l.former.find(key); ok {
			at = int(i)
		}
	}
	o := object{key: key}
	if at >= 0 {
		o = l.former.objects[at]
	}
	failed := func(err error) (int, error) {
		return 0, fmt.Errorf("%s/%s: %w", l.place, jsontext.EscapeToken(o.key), err)
	}
	if err := l.take(':'); err != nil {
		return failed(err)
	}
	if _, err := l.next(); err != nil {
		return failed(err)
	}
	position := len(l.now.objects)
	l.changes.sameKeys = l.changes.sameKeys && at == position
	var text []byte
	same := false
	if at >= 0 {
		text = o.raw()
		// A value that may continue, such as a number, must be read.
		same = text[0] == '{' && l.passes(text)
	}
	if !same {
		var err error
		if text, err = l.value(2); err == nil {
			err = checkUTF8(text)
		}
		if err != nil {
			return failed(err)
		}
		l.changes.texts = append(l.changes.texts, int32(position))
	}
	if err := l.crowd.add(o.key, text); err != nil {
		return failed(err)
	}
	if !same || at != position {
		l.differ()
	}
	if l.arena.endsBefore(o.key) {
		l.finishArena()
	}
	if same {
		l.arena.addFormer(&o)
	} else {
		l.arena.addNew(&o, text)
	}
	if !l.differs {
		l.now.objects = l.former.objects[:position+1]
	} else {
		l.now.objects = append(l.now.objects, o)
	}
	return at, nil
}

// finishArena ends the arena of the last objects.
func (l *containerLoader) finishArena() {
	if l.arena.differs() {
		l.differ()
	}
	l.arena.finish(l.now.objects)
	l.giveAhead(patience)
}

// giveAhead lets the objects that are not yet decoded be decoded, if there are at least so many.
func (l *containerLoader) giveAhead(least int) {
	if n := len(l.now.objects); l.ahead != nil && n-l.given >= least {
		l.ahead(l.now.objects[l.given:n:n])
		l.given = n
	}
}

// differ makes memory for the objects, as they are not the former ones.
func (l *containerLoader) differ() {
	if !l.differs {
		l.differs = true
		l.now.objects = append(make([]object, 0, len(l.former.objects)), l.now.objects...)
	}
}

// sort sorts the objects by their keys. The last of duplicate keys counts.
func (c *container) sort() {
	c.objects = slices.Clone(c.objects) // without the room that appending leaves
	if !c.sorted() {
		slices.SortStableFunc(c.objects, func(a, b object) int { return strings.Compare(a.key, b.key) })
		c.objects = slices.Clone(keepLast(c.objects, func(o object) string { return o.key }))
	}
	c.byKey = newPositionTable(len(c.objects))
	for i := range c.objects {
		c.byKey.add(int32(i), c.key)
	}
}

// sorted reports whether the objects are in the order of their keys, as Ganeti writes them.
func (c *container) sorted() bool {
	for i := range c.objects[min(1, len(c.objects)):] {
		if c.objects[i].key >= c.objects[i+1].key {
			return false
		}
	}
	return true
}

// largeObject is the least size of a large object, in bytes. Instances, the largest objects
// that Ganeti writes, have half of that or less.
const largeObject = 4 << 10

// prepareLarge puts the large objects into canonical form, except for those that share their
// text with the former container.
func (c *container) prepareLarge(former *container) error {
	for i := range c.objects {
		raw := c.objects[i].raw()
		if len(raw) < largeObject {
			continue
		}
		if c.large == nil {
			c.large = make(map[int32]largeText)
		}
		if at, ok := former.find(c.objects[i].key); ok && former.objects[at].samePlace(&c.objects[i]) {
			c.large[int32(i)] = former.large[at]
			c.texts[i].Store(former.texts[at].Load())
			continue
		}
		text, err := c.makeText(int32(i))
		if err == nil && len(text) > wire.ConfigGrowth*len(raw) {
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

// keepLast returns only the last of equal neighbours in a list. It reuses the list's memory.
func keepLast[T any](list []T, text func(T) string) []T {
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

// text returns the canonical text of the object at a position, or ErrTooLarge if it does not
// fit into any reply.
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
	raw := c.objects[i].raw()
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
	// Queries must not fill the memory: a text that is much longer than the object is made
	// anew for each query.
	if len(raw) >= largeObject || len(text) <= 2*len(raw) {
		c.texts[i].Store(&text)
	}
	return text, nil
}

// appendValue appends the value at the tokens of a pointer into a container.
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

// appendFound appends the value at the tokens of a pointer into a value.
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
