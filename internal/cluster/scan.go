package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"gntconfd/gen/wire"
)

var (
	errDeep = fmt.Errorf("there are more than %d levels of containers", wire.ConfigLevels)
	// errCut: the text ends within the value.
	errCut = errors.New("the text ends too early")
)

// unexpected is the error about a byte, counted from 0, that cannot occur there in JSON.
func unexpected(c byte, at int) error {
	return fmt.Errorf("unexpected byte %q at byte %d of it", c, at)
}

// scanValue returns the end of the JSON value with which text begins. It accepts what RFC 8259
// allows, but not more than wire.ConfigLevels levels of containers; the value is below that
// many. The error is errCut if the value is incomplete. A number at the end of text counts as
// incomplete, because it may continue.
func scanValue(text []byte, level int) (end int, err error) {
	var objects uint64 // for each open container, whether it is an object; the innermost is bit 0
	top, i := level, 0
value:
	if i = space(text, i); i == len(text) {
		return 0, errCut
	}
	switch c := text[i]; {
	case c == '"':
		if i, err = scanString(text, i); err != nil {
			return 0, err
		}
	case c == '{' || c == '[':
		if level++; level > wire.ConfigLevels {
			return 0, errDeep
		}
		objects <<= 1
		if c == '{' {
			objects |= 1
		}
		if i = space(text, i+1); i == len(text) {
			return 0, errCut
		}
		if text[i] == c+2 { // the closing bracket
			i++
			objects >>= 1
			level--
			break
		}
		if c == '{' {
			goto member
		}
		goto value
	case c == '-' || isDigit(c):
		if i, err = scanNumber(text, i); err != nil {
			return 0, err
		}
	case c == 't':
		if i, err = scanWord(text, i, "true"); err != nil {
			return 0, err
		}
	case c == 'f':
		if i, err = scanWord(text, i, "false"); err != nil {
			return 0, err
		}
	case c == 'n':
		if i, err = scanWord(text, i, "null"); err != nil {
			return 0, err
		}
	default:
		return 0, unexpected(c, i)
	}
	for level > top {
		if i = space(text, i); i == len(text) {
			return 0, errCut
		}
		inObject := objects&1 == 1
		switch c := text[i]; {
		case c == ',' && inObject:
			if i = space(text, i+1); i == len(text) {
				return 0, errCut
			}
			goto member
		case c == ',':
			i++
			goto value
		case c == '}' && inObject, c == ']' && !inObject:
			i++
			objects >>= 1
			level--
		default:
			return 0, unexpected(c, i)
		}
	}
	return i, nil
member:
	if text[i] != '"' {
		return 0, unexpected(text[i], i)
	}
	if i, err = scanString(text, i); err != nil {
		return 0, err
	}
	if i = space(text, i); i == len(text) {
		return 0, errCut
	}
	if text[i] != ':' {
		return 0, unexpected(text[i], i)
	}
	i++
	goto value
}

// space returns the end of the white space that begins at i.
func space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// scanString returns the end of the string that begins at i.
func scanString(text []byte, i int) (int, error) {
	i++
	for {
		for i+8 <= len(text) && isPlain(binary.LittleEndian.Uint64(text[i:])) {
			i += 8
		}
		for i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\' {
			i++
		}
		switch {
		case i == len(text):
			return 0, errCut
		case text[i] == '"':
			return i + 1, nil
		case text[i] < ' ':
			return 0, unexpected(text[i], i)
		}
		if i++; i == len(text) { // what follows the backslash
			return 0, errCut
		}
		switch text[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i++
		case 'u':
			for range 4 {
				if i++; i == len(text) {
					return 0, errCut
				}
				if c := text[i]; !isDigit(c) && (c|' ' < 'a' || 'f' < c|' ') {
					return 0, unexpected(c, i)
				}
			} // the last digit is as plain as what follows
		default:
			return 0, unexpected(text[i], i)
		}
	}
}

// isPlain reports whether none of eight bytes ends a string, begins an escape or is a control
// character. It may be false although this is so.
func isPlain(eight uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := eight^(ones*'"'), eight^(ones*'\\')
	return ((eight-ones*' ')|(quote-ones)|(backslash-ones)|eight)&highs == 0
}

// scanNumber returns the end of the number that begins at i.
func scanNumber(text []byte, i int) (int, error) {
	digits := func() error {
		if i == len(text) {
			return errCut
		}
		if !isDigit(text[i]) {
			return unexpected(text[i], i)
		}
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		return nil
	}
	if text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if err := digits(); err != nil {
		return 0, err
	}
	if i < len(text) && text[i] == '.' {
		i++
		if err := digits(); err != nil {
			return 0, err
		}
	}
	if i < len(text) && text[i]|' ' == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if err := digits(); err != nil {
			return 0, err
		}
	}
	if i == len(text) {
		return 0, errCut
	}
	return i, nil
}

// scanWord returns the end of the word that begins at i.
func scanWord(text []byte, i int, word string) (int, error) {
	for j := range len(word) {
		if i+j == len(text) {
			return 0, errCut
		}
		if text[i+j] != word[j] {
			return 0, unexpected(text[i+j], i+j)
		}
	}
	return i + len(word), nil
}
