package canonical

import (
	"bytes"
	"iter"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions below read text that is known to be valid JSON.

// members yields the keys, as JSON strings, and values of an object.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for i := space(object, 1); object[i] != '}'; {
			keyEnd := skip(object, i)
			start := space(object, space(object, keyEnd)+1) // the colon is between
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

// comma returns where the next member or element begins, or the closing bracket.
func comma(b []byte, i int) int {
	if i = space(b, i); b[i] == ',' {
		return space(b, i+1)
	}
	return i
}

// space returns where the white space that begins at i ends.
func space(b []byte, i int) int {
	for isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skip returns where the value that begins at i ends.
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

// appendValue appends any value, without white space and with its strings and
// numbers in normal form.
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

// appendString appends a JSON string with nothing escaped that need not be.
func appendString(dst, raw []byte) []byte {
	if !bytes.ContainsRune(raw, '\\') {
		return append(dst, raw...)
	}
	return appendQuoted(dst, unquoted(raw))
}

// unquoted returns what a JSON string stands for. Half of a surrogate pair, which
// is not a character, becomes the three bytes that UTF-8 would have for it.
func unquoted(raw []byte) []byte {
	if raw[0] != '"' {
		return nil
	}
	raw = raw[1 : len(raw)-1]
	i := bytes.IndexByte(raw, '\\')
	if i < 0 {
		return raw
	}
	text := append(make([]byte, 0, len(raw)), raw[:i]...)
	for i < len(raw) {
		c := raw[i]
		if c != '\\' {
			text = append(text, c)
			i++
			continue
		}
		c = raw[i+1]
		i += 2
		if at := bytes.IndexByte(escapeLetters, c); at >= 0 {
			text = append(text, escaped[at])
			continue
		}
		if c != 'u' {
			text = append(text, c)
			continue
		}
		r := hex(raw[i:])
		i += 4
		if utf16.IsSurrogate(r) && i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
			if pair := utf16.DecodeRune(r, hex(raw[i+2:])); pair != utf8.RuneError {
				r = pair
				i += 6
			}
		}
		if utf16.IsSurrogate(r) {
			text = append(text, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
			continue
		}
		text = utf8.AppendRune(text, r)
	}
	return text
}

// The letters of JSON's short escapes, and what they stand for.
var (
	escapeLetters = []byte("bfnrt")
	escaped       = []byte("\b\f\n\r\t")
)

// hex returns the number of which text begins with the four digits.
func hex(text []byte) rune {
	n, _ := strconv.ParseUint(string(text[:4]), 16, 16)
	return rune(n)
}

// appendQuoted appends text as a JSON string: the reverse of unquoted.
func appendQuoted(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch at := bytes.IndexByte(escaped, c); {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case at >= 0:
			dst = append(dst, '\\', escapeLetters[at])
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c == 0xed && i+2 < len(text) && text[i+1] >= 0xa0: // a surrogate
			dst = append(dst, '\\', 'u', 'd', digits[text[i+1]>>2&15], digits[text[i+1]<<2&12|text[i+2]>>4&3], digits[text[i+2]&15])
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
