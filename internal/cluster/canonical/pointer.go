package canonical

import (
	"strconv"

	"gntconfd/internal/jsontext"
)

// Lookup returns the text of the value that the tokens of a pointer lead to, from
// the value in canonical text on. It is a part of text, not a copy. ok is false
// when there is no such value. Of doubled members the last counts.
func Lookup(text []byte, tokens []string) (value []byte, ok bool) {
	for _, token := range tokens {
		switch text[0] {
		case '{':
			text, ok = memberOf(text, token)
		case '[':
			text, ok = elementOf(text, token)
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return text, true
}

// Members returns the members of an object in canonical form, and nil for any
// other value. They are parts of text, not copies. Of doubled members the last
// counts.
func Members(text []byte) map[string][]byte {
	if text[0] != '{' {
		return nil
	}
	found := make(map[string][]byte)
	for key, value := range members(text) {
		found[string(jsontext.Unquote(key))] = value
	}
	return found
}

// Names returns the names of an object's members, in their order, and nil for any other
// value. The text is known to be valid JSON.
func Names(text []byte) []string {
	if text[0] != '{' {
		return nil
	}
	names := []string{}
	for key := range members(text) {
		names = append(names, string(jsontext.Unquote(key)))
	}
	return names
}

func memberOf(object []byte, name string) (found []byte, ok bool) {
	for key, value := range members(object) {
		if string(jsontext.Unquote(key)) == name {
			found, ok = value, true
		}
	}
	return found, ok
}

// index returns the position that a token means in an array. It is false for what means
// none: "-", "+1", "01".
func index(token string) (uint64, bool) {
	n, err := strconv.ParseUint(token, 10, 64)
	return n, err == nil && strconv.FormatUint(n, 10) == token
}

func elementOf(array []byte, token string) ([]byte, bool) {
	n, ok := index(token)
	if !ok {
		return nil, false
	}
	for value := range elements(array) {
		if n == 0 {
			return value, true
		}
		n--
	}
	return nil, false
}
