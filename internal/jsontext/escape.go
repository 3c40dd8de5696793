package jsontext

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// surrogate is the first of the three bytes that UTF-8 would have for a surrogate. Some
// characters begin with it too.
const surrogate = 0xed

// surrogateAt returns the surrogate with which text begins.
func surrogateAt(text []byte) (r rune, ok bool) {
	if len(text) < 3 || text[1]&0xe0 != 0xa0 || text[2]&0xc0 != 0x80 {
		return 0, false
	}
	return rune(text[0]&0x0f)<<12 | rune(text[1]&0x3f)<<6 | rune(text[2]&0x3f), true
}

// AppendEscape appends a character as \u and four hexadecimal digits, twice if it needs two
// UTF-16 units.
func AppendEscape(dst []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendUnit(appendUnit(dst, high), low)
	}
	return appendUnit(dst, r)
}

func appendUnit(dst []byte, unit rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[unit>>12&15], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15])
}

// QuoteASCII returns text as a JSON string with its quotes, with non-ASCII characters
// escaped.
func QuoteASCII(text []byte) []byte {
	quoted := AppendQuoted(make([]byte, 0, 2*len(text)+2), text)
	if bytes.IndexFunc(quoted, func(c rune) bool { return c >= utf8.RuneSelf }) < 0 {
		return quoted
	}
	out := make([]byte, 0, len(quoted)+len(quoted)/4)
	for _, c := range string(quoted) {
		if c < utf8.RuneSelf {
			out = append(out, byte(c))
		} else {
			out = AppendEscape(out, c)
		}
	}
	return out
}

// The letters of JSON's short escapes, and the characters that they mean.
var (
	escapeLetters = []byte("bfnrt")
	meanings      = []byte("\b\f\n\r\t")
)

// Unquote returns the text that a valid JSON string means, which is part of the string if
// nothing in it is escaped, and nil for any other JSON value. A lone surrogate, which is not
// a character, becomes the three bytes that UTF-8 would have for it.
func Unquote(value []byte) []byte {
	if value[0] != '"' {
		return nil
	}
	value = value[1 : len(value)-1]
	i := bytes.IndexByte(value, '\\')
	if i < 0 {
		return value
	}
	text := append(make([]byte, 0, len(value)), value[:i]...)
	for i < len(value) {
		c := value[i]
		if c != '\\' {
			text = append(text, c)
			i++
			continue
		}
		c = value[i+1]
		i += 2
		if at := bytes.IndexByte(escapeLetters, c); at >= 0 {
			text = append(text, meanings[at])
			continue
		}
		if c != 'u' {
			text = append(text, c)
			continue
		}
		r := hex(value[i:])
		i += 4
		if utf16.IsSurrogate(r) && i+6 <= len(value) && value[i] == '\\' && value[i+1] == 'u' {
			if pair := utf16.DecodeRune(r, hex(value[i+2:])); pair != utf8.RuneError {
				r = pair
				i += 6
			}
		}
		if utf16.IsSurrogate(r) {
			text = append(text, surrogate, 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
			continue
		}
		text = utf8.AppendRune(text, r)
	}
	return text
}

// hex returns the number of four hexadecimal digits, with which text begins.
func hex(text []byte) rune {
	n, _ := strconv.ParseUint(string(text[:4]), 16, 16)
	return rune(n)
}
