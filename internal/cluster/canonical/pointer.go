package canonical

import (
	"errors"
	"strconv"
	"strings"
)

var (
	// ErrPointer: the text is not a JSON pointer.
	ErrPointer = errors.New("malformed JSON pointer")
	// ErrWholeDocument: the pointer is empty. It points at the whole
	// configuration, which is not to be had.
	ErrWholeDocument = errors.New("JSON pointer to the whole document")
)

var (
	unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")
	escapePointer   = strings.NewReplacer("~", "~0", "/", "~1")
)

// EscapeToken returns a token as it stands in a pointer.
func EscapeToken(token string) string { return escapePointer.Replace(token) }

// ParsePointer splits a JSON pointer (RFC 6901) into its tokens. A pointer is any
// number of tokens, each after a slash; in a token "~1" stands for a slash, "~0"
// for a tilde, and a tilde stands nowhere else.
func ParsePointer(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, ErrWholeDocument
	}
	if pointer[0] != '/' {
		return nil, ErrPointer
	}
	tokens := strings.Split(pointer[1:], "/")
	if !strings.Contains(pointer, "~") {
		return tokens, nil
	}
	for i, token := range tokens {
		if strings.Count(token, "~") != strings.Count(token, "~0")+strings.Count(token, "~1") {
			return nil, ErrPointer
		}
		tokens[i] = unescapePointer.Replace(token)
	}
	return tokens, nil
}

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
		found[string(unquoted(key))] = value
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
		names = append(names, string(unquoted(key)))
	}
	return names
}

func memberOf(object []byte, name string) (found []byte, ok bool) {
	for key, value := range members(object) {
		if string(unquoted(key)) == name {
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
