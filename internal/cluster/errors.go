package cluster

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxErrorText is the maximum length, in bytes, of an error about a configuration. Decoders
// quote what they reject, and that may be most of the file.
const maxErrorText = 400

// shortError is an error about a configuration whose text is shortened and has control
// characters escaped: it goes to logs, pages and clients.
type shortError struct{ error }

func (e *shortError) Unwrap() error { return e.error }

func (e *shortError) Error() string {
	const ellipsis = "..."
	var b strings.Builder
	for text := e.error.Error(); text != ""; {
		r, size := utf8.DecodeRuneInString(text)
		piece := text[:size]
		if r == utf8.RuneError && size == 1 {
			piece = fmt.Sprintf(`\x%02x`, text[0])
		} else if !unicode.IsPrint(r) {
			piece = fmt.Sprintf(`\u%04x`, r)
		}
		if b.Len()+len(piece) > maxErrorText-len(ellipsis) {
			return b.String() + ellipsis
		}
		b.WriteString(piece)
		text = text[size:]
	}
	return b.String()
}
