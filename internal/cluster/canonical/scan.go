package canonical

import (
	"bytes"
	"iter"

	"gntconfd/internal/jsontext"
)

// The functions below expect valid JSON.

// members yields the keys, as JSON strings, and values of an object.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for i := space(object, 1); object[i] != '}'; {
			keyEnd := skip(object, i)
			start := space(object, space(object, keyEnd)+1) // skips the colon
			end := skip(object, start)
			if !yield(object[i:keyEnd], object[start:end]) {
				return
			}
			i = comma(object, end)
		}
	}
}

// elements yields the elements of an array.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := space(array, 1); array[i] != ']'; {
			end := skip(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = comma(array, end)
		}
	}
}

// comma returns the position of the next member or element, or of the closing bracket.
func comma(b []byte, i int) int {
	if i = space(b, i); b[i] == ',' {
		return space(b, i+1)
	}
	return i
}

// space returns the end of the white space that begins at i.
func space(b []byte, i int) int {
	for isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skip returns the end of the value that begins at i.
func skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = skipString(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(b) && !isSpace(b[i]) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func isNull(value []byte) bool { return value[0] == 'n' }

// appendValue appends any value without white space, with its strings and numbers in normal
// form.
func (s *scratch) appendValue(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			end := skipString(raw, i)
			dst = appendString(dst, raw[i:end])
			i = end
		case c == '-' || '0' <= c && c <= '9':
			end := skip(raw, i)
			dst = s.appendExact(dst, raw[i:end])
			i = end
		default:
			if !isSpace(c) {
				dst = append(dst, c)
			}
			i++
		}
	}
	return dst
}

// appendString appends a JSON string without needless escapes.
func appendString(dst, raw []byte) []byte {
	if !bytes.ContainsRune(raw, '\\') {
		return append(dst, raw...)
	}
	return jsontext.AppendQuoted(dst, jsontext.Unquote(raw))
}
