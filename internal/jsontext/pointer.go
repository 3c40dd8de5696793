package jsontext

import (
	"errors"
	"strings"
)

var (
	// ErrPointer: the text is not a JSON pointer.
	ErrPointer = errors.New("malformed JSON pointer")
	// ErrWholeDocument: the pointer is empty, so it points at the whole document.
	ErrWholeDocument = errors.New("JSON pointer to the whole document")
)

var (
	unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")
	escapePointer   = strings.NewReplacer("~", "~0", "/", "~1")
)

// EscapeToken escapes a token for a JSON pointer.
func EscapeToken(token string) string { return escapePointer.Replace(token) }

// ParsePointer splits a JSON pointer (RFC 6901) into its tokens. A pointer is any number of
// tokens with a slash before each; in a token "~1" means a slash, "~0" a tilde, and any other
// tilde is an error.
func ParsePointer(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, ErrWholeDocument
	}
	if pointer[0] != '/' {
		return nil, ErrPointer
	}
	tokens := strings.Split(pointer[1:], "/")
	if strings.IndexByte(pointer, '~') < 0 {
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
