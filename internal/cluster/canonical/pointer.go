package canonical

import (
	"strconv"

	"gntconfd/internal/jsontext"
)

// Lookup returns the text of the value at the tokens of a pointer into the canonical value text.
// If there are tokens, text may go on after that value. The result is part of text, not a copy. ok is
// false if there is no such value. The last of duplicate members counts.
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

// Members returns the members of an object in canonical form, and nil for any other value. They
// are parts of text, not copies. The last of duplicate members counts.
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

// Names returns the names of an object's members in their order, and nil for any other value.
// text must be valid JSON.
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

// index returns the index that a token means in an array. It returns false for tokens such as
// "-", "+1" and "01".
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
