package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster/canonical"
	"gntconfd/internal/cluster/classic"
	"gntconfd/internal/jsontext"
)

var (
	// ErrNoValue: a pointer is malformed or leads nowhere.
	ErrNoValue = errors.New("no such value")
	// ErrTooLarge: a value is larger than the caller can take.
	ErrTooLarge = errors.New("value is too large")
)

// document is the configuration as text. It keeps objects as they are in the file, and puts
// them into canonical form when a query asks for them.
type document struct {
	members    []string              // the root's members in the order of the file
	redact     bool                  // whether canonical texts are without secrets
	rest       []byte                // the root without its containers, as it stands in the file
	root       []byte                // the same in canonical form
	older      []byte                // the file that was lifted, nil for none
	origins    map[string]string     // where objects are in older, by where they are now
	parts      map[string]part       // the members of root
	containers map[string]*container // the root's members that map keys to objects
	changes    map[string]changes    // what in containers is not as it was; nil when all is loaded

	// ahead returns what decodes the objects of a container while the file is being split,
	// or nil. It is nil when all is loaded.
	ahead func(container string) func([]object)
}

// part is a member of the root, with its own members if it is an object. So a pointer into
// the large cluster object takes only two lookups.
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

// load splits a configuration file into its objects. It compares bytes with the former
// document and takes over what is equal: only what is new is parsed, and takes memory.
func (doc *document) load(text io.Reader, former *document) error {
	w := newWindow(text)
	defer w.close()
	if c, err := w.next(); err != nil && w.err != io.EOF {
		return err
	} else if c != '{' {
		return errors.New("not a JSON object")
	}
	w.text = w.text[1:]
	form := canonical.Of("Config")
	doc.containers = make(map[string]*container)
	doc.changes = make(map[string]changes)
	rest := jx.Writer{}
	rest.ObjStart()
	var crowd crowd
	for first := true; ; first = false {
		if ok, err := w.member(first); err != nil {
			return err
		} else if !ok {
			break
		}
		name, err := w.key()
		if err != nil {
			return err
		}
		place := "/" + jsontext.EscapeToken(name)
		doc.members = append(doc.members, name)
		c, err := w.next()
		if err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
		elem := form.Member(name).Elem()
		if elem != nil && c == '{' {
			w.text = w.text[1:]
			l := containerLoader{window: w, place: place, former: former.containers[name], crowd: &crowd, ahead: doc.ahead(name)}
			l.now = &container{form: elem, redact: doc.redact}
			if doc.containers[name], doc.changes[name], err = l.load(); err != nil {
				return err
			}
			continue
		}
		raw, err := w.value(1)
		if err == nil {
			err = checkUTF8(raw)
		}
		if err == nil {
			err = crowd.add(name, raw)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
		if elem != nil && c == 'n' { // the same as none, also of doubled ones the last
			delete(doc.containers, name)
			continue
		}
		if len(rest.Buf) > 1 {
			rest.Comma()
		}
		rest.FieldStart(name)
		rest.Raw(raw)
	}
	if _, err := w.next(); err == nil {
		return errors.New("something follows the object")
	} else if w.err != io.EOF {
		return err
	}
	rest.ObjEnd()
	doc.rest = rest.Buf
	var err error
	if doc.root, err = appendForm(form, rest.Buf, doc.redact); err != nil {
		return form.Placed(doc.rest, err)
	}
	doc.parts = make(map[string]part)
	for name, text := range canonical.Members(doc.root) {
		doc.parts[name] = newPart(text)
	}
	return nil
}

// isOlder reports whether the file must be converted to the present layout.
func (doc *document) isOlder() bool {
	version, err := strconv.ParseInt(string(doc.parts["version"].text), 10, 64)
	cluster := doc.parts["cluster"].members
	_, sshKeyType := cluster["ssh_key_type"]
	return err == nil && cluster != nil && classic.Older(version, sshKeyType)
}

// lift converts an older file, whose text begins at start, to the present layout and loads it.
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
	*doc = document{redact: doc.redact, ahead: doc.ahead}
	if err := doc.load(interruptible{ctx, bytes.NewReader(lifted)}, former); err != nil {
		return err
	}
	doc.older, doc.origins = data, origins
	return nil
}

// origin returns the place in the file of an object at a place in the present layout, and the
// object's text there. text is its text in the present layout.
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

// within adds to an error the member in which it arose.
func within(member string, err error) error {
	return fmt.Errorf("%s: %w", member, err)
}

// checkUTF8 returns an error that names the first byte of a text, counted from 0, that is
// not UTF-8. The decoder refuses such bytes outside of strings anyway.
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

// crowd counts the objects, elements and bytes of a file. Each object and each element takes
// memory: a file of nothing but {} or "" would need many times its size.
type crowd struct{ objects, commas, bytes int }

// add counts what is in a value. The error says that there is more than a file of that size
// may have. It also counts what only looks like an object or an element inside a string:
// telling them apart would take longer.
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

// objects returns the objects of a container, or none if the file has no such container.
func (doc *document) objects(name string) []object { return doc.containers[name].all() }

// appendValue is Snapshot.AppendValue.
func (doc *document) appendValue(dst []byte, pointer string, limit int) ([]byte, error) {
	if strings.Count(pointer, "/") > wire.ConfigLevels {
		return dst, ErrNoValue
	}
	tokens, err := jsontext.ParsePointer(pointer)
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
