package cluster

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-faster/jx"
	"github.com/ogen-go/ogen/validate"

	"gntconfd/internal/cluster/canonical"
	"gntconfd/internal/jsontext"
)

// fault returns a better error for an error err of a generated decoder. d is the decoder in the
// state in which it stopped, text what it decoded, and place the pointer to text in the
// configuration. The decoder knows the names of the members that it was in, but not the index of
// an array's element, nor the other members of an object: names returns the names of the members
// in the file of the object at a pointer in text.
func fault(err error, d *jx.Decoder, text []byte, place string, names func(inner string) []string) error {
	at := lastRead(err, d, text)
	inner := canonical.Place(text, at)
	place += inner
	problem := "unexpected " + kindOf(valueAt(text, inner))
	var invalid *validate.Error
	if errors.As(err, &invalid) {
		// the wording of Ganeti's daemon
		var all jx.Encoder
		all.Arr(func(e *jx.Encoder) {
			for _, name := range names(inner) {
				e.Str(name)
			}
		})
		problem = fmt.Sprintf("key '%s' not found, object contains only %s", invalid.Fields[0].Name, &all)
	}
	if place == "" {
		return errors.New(problem)
	}
	return fmt.Errorf("%s: %s", place, problem)
}

// valueAt returns the value at a pointer, or the text itself if there is none.
func valueAt(text []byte, pointer string) []byte {
	if tokens, err := jsontext.ParsePointer(pointer); err == nil {
		if value, ok := canonical.Lookup(text, tokens); ok {
			return value
		}
	}
	return text
}

// lastRead returns the position of the byte that caused an error of the decoder, or else of the
// last byte that it read.
func lastRead(err error, d *jx.Decoder, text []byte) int {
	if at, ok := position(innermost(err)); ok {
		return at
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		// The text is complete: the decoder expected a literal, and the last value is shorter.
		at := len(text) - 1
		for at > 0 && strings.IndexByte("}] \n\t\r", text[at]) >= 0 {
			at--
		}
		return at
	}
	// The decoder reveals its position when it rejects what comes next or, at the end, finds
	// nothing.
	next := d.Null
	if d.Next() == jx.Null {
		next = func() error { _, err := d.Bool(); return err }
	}
	at, ok := position(next())
	if !ok {
		at = len(text)
	}
	if ok && strings.HasPrefix(innermost(err).Error(), otherType) {
		return at // it has looked at the value without reading it
	}
	for at--; at > 0 && strings.IndexByte(" \n\t\r", text[at]) >= 0; {
		at--
	}
	return max(at, 0)
}

// otherType begins the error of a decoder that accepts several types if the next value has none
// of them.
const otherType = "unexpected json type"

func innermost(err error) error {
	for {
		cause := errors.Unwrap(err)
		if cause == nil {
			return err
		}
		err = cause
	}
}

// position returns the position at the end of the decoder's error about a byte.
func position(err error) (int, bool) {
	if err == nil {
		return 0, false
	}
	text := err.Error()
	if !strings.HasPrefix(text, "unexpected byte ") {
		return 0, false
	}
	at, convErr := strconv.Atoi(text[strings.LastIndexByte(text, ' ')+1:])
	return at, convErr == nil
}

// kindOf returns the type of a JSON value in words.
func kindOf(value []byte) string {
	switch value[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "text"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
