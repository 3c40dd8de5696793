package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// EscapeUnicode writes characters that could upset a terminal, and that JSON and YAML
// allow in their texts, as \u and four digits.
func EscapeUnicode(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case r < 0x7f || strconv.IsGraphic(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// Printable returns text with the characters that could upset a terminal, line feeds
// among them, as Go writes them in quotes.
func Printable(text string) string {
	if !strings.ContainsFunc(text, upsetting) && utf8.ValidString(text) {
		return text
	}
	var out strings.Builder
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			fmt.Fprintf(&out, `\x%02x`, text[i])
		} else if upsetting(r) {
			quoted := strconv.QuoteRune(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func upsetting(r rune) bool { return !strconv.IsGraphic(r) }
