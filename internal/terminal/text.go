package terminal

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gntconfd/internal/jsontext"
)

// EscapeUnicode escapes characters that could upset a terminal as \u and four digits, which JSON
// and YAML allow in their strings.
func EscapeUnicode(text string) string {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r < 0x7f || strconv.IsGraphic(r) {
			out = utf8.AppendRune(out, r)
		} else {
			out = jsontext.AppendEscape(out, r)
		}
	}
	return string(out)
}

// Printable escapes characters that could upset a terminal, including line feeds, like Go does
// in quotes.
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

// described matches an indented line of a help text with two spaces or more before a
// description, as for flags and commands.
var described = regexp.MustCompile(`^( +\S.*?  +)(\S.*)$`)

// Fit wraps a help text in lines of at most width columns. Paragraphs are filled, and
// descriptions continue below their beginning. Other indented lines, such as commands, do not
// change, and nothing does if width is 0.
func Fit(text string, width int) string {
	if width < 1 {
		return text
	}
	var out, paragraph []string
	flush := func() {
		if slices.ContainsFunc(paragraph, func(line string) bool { return utf8.RuneCountInString(line) > width }) {
			paragraph = Wrap(strings.Join(paragraph, " "), width)
		}
		out = append(out, paragraph...)
		paragraph = nil
	}
	for _, line := range strings.Split(text, "\n") {
		if line != "" && line[0] != ' ' {
			paragraph = append(paragraph, line)
			continue
		}
		flush()
		parts := described.FindStringSubmatch(line)
		if utf8.RuneCountInString(line) <= width || parts == nil || width-len(parts[1]) < narrow {
			out = append(out, line)
			continue
		}
		for i, rest := range Wrap(parts[2], width-len(parts[1])) {
			lead := parts[1]
			if i > 0 {
				lead = strings.Repeat(" ", len(lead))
			}
			out = append(out, lead+rest)
		}
	}
	flush()
	return strings.Join(out, "\n")
}
