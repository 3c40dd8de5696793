package canonical

import (
	"strconv"
	"strings"

	"gntconfd/internal/jsontext"
)

// Place returns the JSON pointer to the innermost value in text whose first or last byte is at
// or, if it is no container, that contains at. text must be valid JSON.
func Place(text []byte, at int) string {
	var pointer strings.Builder
	for start := space(text, 0); start != at; {
		value := text[start:skip(text, start)]
		name, inner, found := "", []byte(nil), false
		within := func(part []byte) bool {
			// Parts share the memory of the whole, so their capacity tells where they are.
			begin := cap(text) - cap(part)
			return begin <= at && at < begin+len(part)
		}
		switch value[0] {
		case '{':
			for key, part := range members(value) {
				if within(part) {
					name, inner, found = string(jsontext.Unquote(key)), part, true
				}
			}
		case '[':
			i := 0
			for part := range elements(value) {
				if within(part) {
					name, inner, found = strconv.Itoa(i), part, true
				}
				i++
			}
		}
		if !found {
			break
		}
		pointer.WriteByte('/')
		pointer.WriteString(jsontext.EscapeToken(name))
		start = cap(text) - cap(inner)
	}
	return pointer.String()
}
