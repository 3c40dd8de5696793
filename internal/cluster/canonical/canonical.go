// Package canonical brings the objects of a configuration file into the form in
// which the daemon answers with them: members that the file leaves out have their
// defaults, numbers, times, sets and units are in normal form, and what the
// configuration's layout does not know is gone.
//
// All it knows about the layout is in gen/form, which is made from spec/config.json: that
// file explains the forms.
package canonical

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/go-faster/jx"

	"gntconfd/gen/form"
	"gntconfd/gen/rules"
	"gntconfd/internal/jsontext"
)

// Member returns the form of an object's member, nil when the object has no such
// member or f is not the form of an object.
func (f *Form) Member(name string) *Form {
	if f == nil {
		return nil
	}
	i, ok := f.index[name]
	if !ok {
		return nil
	}
	return f.members[i].form
}

// Elem returns the form of a map's values, nil when f is not the form of a map
// from keys to objects.
func (f *Form) Elem() *Form {
	if f == nil || f.kind != form.Map || f.elem.kind != form.Object {
		return nil
	}
	return f.elem
}

// Append appends the canonical text of a JSON value to dst. It fails when raw is not
// the text of one JSON value, and with ErrTooLarge; then dst comes back as it was.
//
// It is as lenient as it can be: an object that lacks a required member stays
// without it, and a value of an unexpected kind is copied, with its numbers in
// normal form. Of doubled members of an object the last counts; maps and values
// of no particular form keep them all.
func (f *Form) Append(dst, raw []byte) ([]byte, error) { return f.appendTo(dst, raw, false) }

// AppendRedacted is Append without the secrets: texts and objects that the spec marks as
// such are empty.
func (f *Form) AppendRedacted(dst, raw []byte) ([]byte, error) { return f.appendTo(dst, raw, true) }

func (f *Form) appendTo(dst, raw []byte, redact bool) ([]byte, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	if err := s.check(raw); err != nil {
		return dst, fmt.Errorf("canonical form: %w", err)
	}
	start := space(raw, 0)
	before := len(dst)
	s.redact = redact
	s.limit, s.full = before+growth*len(raw)+maxDigits, false
	dst = f.append(dst, raw[start:skip(raw, start)], s)
	clear(s.values[:cap(s.values)])
	s.values = s.values[:0]
	if s.full {
		return dst[:before], ErrTooLarge
	}
	return dst, nil
}

// Placed names the member of an object that err, of Append for the object, is about. It
// is err itself when no member alone is.
func (f *Form) Placed(object []byte, err error) error {
	if !errors.Is(err, ErrTooLarge) {
		return err
	}
	object = bytes.TrimSpace(object)
	for name, value := range Members(object) {
		inner := f.Member(name)
		if f.kind == form.Map {
			inner = f.elem
		}
		if inner == nil {
			continue
		}
		if _, innerErr := inner.Append(nil, value); innerErr != nil {
			place := "/" + jsontext.EscapeToken(name)
			if placed := inner.Placed(value, innerErr); inner.Elem() != nil && placed != innerErr {
				return fmt.Errorf("%s%w", place, placed)
			}
			return fmt.Errorf("%s: %w", place, innerErr)
		}
	}
	return err
}

// ErrTooLarge: with its numbers written out and its defaults filled in a value is many
// times larger than its text. No reply has room for it.
var ErrTooLarge = errors.New("too large: with exponents written out and defaults filled in it is many times longer than in the file")

// growth is how many times as large as its text a value may be in canonical form,
// beside maxDigits for small ones: 1e61439 and {} are short, and many of them are not.
const growth = 4

// scratch is the working memory of an Append.
type scratch struct {
	decoder jx.Decoder
	values  [][]byte // a stack: what is found of the objects being worked on
	limit   int      // how long the text may become
	full    bool     // it would have become longer
	redact  bool     // secrets are left out
}

// room notes in s.full when there is no room for some more bytes in dst.
func (s *scratch) room(dst []byte, bytes int) { s.full = s.full || len(dst)+bytes > s.limit }

// check reports whether raw is the text of one JSON value.
func (s *scratch) check(raw []byte) error {
	s.decoder.ResetBytes(raw)
	defer s.decoder.ResetBytes(nil) // keeps nothing of the caller's
	if err := s.decoder.Skip(); err != nil {
		return err
	}
	if err := s.decoder.Skip(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// append is Append for text that is known to be a JSON value, without space
// around it.
func (f *Form) append(dst, raw []byte, s *scratch) []byte {
	switch first := raw[0]; {
	case f.secret && s.redact:
		return append(dst, nothing(first)...)
	case first == '{' && f.kind == form.Object:
		return f.appendObject(dst, raw, s)
	case first == '{' && f.kind == form.Map:
		dst = append(dst, '{')
		for key, value := range members(raw) {
			dst = append(appendString(dst, key), ':')
			dst = append(f.elem.append(dst, value, s), ',')
		}
		return closeWith(dst, '}')
	case first == '[' && f.kind == form.List:
		dst = append(dst, '[')
		for value := range elements(raw) {
			dst = append(f.elem.append(dst, value, s), ',')
		}
		return closeWith(dst, ']')
	case first == '[' && f.kind == form.Tuple:
		dst = append(dst, '[')
		i := 0
		for value := range elements(raw) {
			if i < len(f.tuple) {
				dst = f.tuple[i].append(dst, value, s)
			} else {
				dst = s.appendValue(dst, value)
			}
			dst = append(dst, ',')
			i++
		}
		return closeWith(dst, ']')
	case first == '[' && f.kind == form.Set:
		return appendSet(dst, raw, s)
	case first == '[' && f.kind == form.Filter:
		return f.appendFilter(dst, raw, s)
	case first == '"':
		return f.appendText(dst, raw)
	case first == '-' || '0' <= first && first <= '9':
		return f.appendNumber(dst, raw, s)
	}
	return s.appendValue(dst, raw)
}

// nothing returns the empty value of the kind that a value's first byte tells.
func nothing(first byte) string {
	switch first {
	case '{':
		return "{}"
	case '[':
		return "[]"
	case 'n':
		return "null"
	}
	return `""`
}

func (f *Form) appendObject(dst, raw []byte, s *scratch) []byte {
	base := len(s.values)
	s.values = slices.Grow(s.values, len(f.members))[:base+len(f.members)]
	clear(s.values[base:])
	dst = append(dst, '{')
	for key, value := range members(raw) {
		if i, known := f.index[string(jsontext.Unquote(key))]; known {
			s.values[base+i] = value
		} else if f.open {
			dst = append(append(dst, key...), ':')
			dst = append(append(dst, value...), ',')
		}
	}

	for i := range f.members {
		m := &f.members[i]
		value := s.values[base+i]
		missing := value == nil || m.nullable && isNull(value)
		switch {
		case s.full, missing && m.fallback == nil,
			m.flag && string(value) != "true",
			m.needs >= 0 && (s.values[base+m.needs] == nil || isNull(s.values[base+m.needs])):
			continue
		}
		start := len(dst)
		dst = append(dst, m.label...)
		text := len(dst)
		if missing {
			if s.room(dst, len(m.fallback)); s.full {
				continue
			}
			dst = append(dst, m.fallback...)
		} else {
			dst = m.form.append(dst, value, s)
		}
		if m.nonEmpty && string(dst[text:]) == "{}" {
			dst = dst[:start]
			continue
		}
		dst = append(dst, ',')
	}
	s.values = s.values[:base]
	return closeWith(dst, '}')
}

// appendSet appends a list of strings in ascending order of their code points and
// without repetitions.
func appendSet(dst, raw []byte, s *scratch) []byte {
	base := len(s.values)
	defer func() { s.values = s.values[:base] }()
	for value := range elements(raw) {
		if value[0] != '"' {
			return s.appendValue(dst, raw)
		}
		s.values = append(s.values, jsontext.Unquote(value))
	}
	set := s.values[base:]
	slices.SortFunc(set, bytes.Compare) // the order of UTF-8 is that of the code points
	dst = append(dst, '[')
	for i, value := range set {
		if i == 0 || !bytes.Equal(value, set[i-1]) {
			dst = append(jsontext.AppendQuoted(dst, value), ',')
		}
	}
	return closeWith(dst, ']')
}

// appendFilter appends an expression of Ganeti's query language, rewritten as
// spec/values.json says.
func (f *Form) appendFilter(dst, raw []byte, s *scratch) []byte {
	base := len(s.values)
	defer func() { s.values = s.values[:base] }()
	for value := range elements(raw) {
		s.values = append(s.values, value)
	}
	n := len(s.values) - base
	if n == 0 {
		return append(dst, "[]"...)
	}
	first := s.values[base]
	operator := string(jsontext.Unquote(first))
	if rewrite, ok := rules.Rewrites[operator]; ok && n == 3 {
		dst = s.appendValue(append(dst, rewrite.Before...), s.values[base+1])
		dst = s.appendValue(append(dst, rewrite.Between...), s.values[base+2])
		return append(dst, rewrite.Behind...)
	}
	if !slices.Contains(rules.NestedFilters[:], operator) {
		return s.appendValue(dst, raw)
	}
	dst = append(dst, '[')
	dst = s.appendValue(dst, first)
	for i := 1; i < n; i++ {
		dst = append(dst, ',')
		dst = f.append(dst, s.values[base+i], s)
	}
	return append(dst, ']')
}

// closeWith ends an object or array of which dst ends with the last comma or, if
// it is empty, with the opening bracket.
func closeWith(dst []byte, bracket byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = bracket
		return dst
	}
	return append(dst, bracket)
}
