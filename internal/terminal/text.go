package terminal

import (
	"fmt"
	"io"
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

// Errors and notes quote what they are about, such as an argument or a name. These are the most
// characters of a word and of a text that people are shown of it.
const (
	longestWord = 300
	longestText = 2000
)

// Bounded returns a text with its long words shortened in their middle, and then itself if it
// still is long: what is wrong stands at the beginning or at the end.
func Bounded(text string) string {
	if len(text) <= longestWord {
		return text
	}
	text = word.ReplaceAllStringFunc(text, func(word string) string { return shortened(word, longestWord) })
	return shortened(text, longestText)
}

// word matches what stands between white space.
var word = regexp.MustCompile(`\S+`)

// shortened returns the beginning and the end of a text of more characters than most.
func shortened(text string, most int) string {
	const gap = "..."
	if len(text) <= most || utf8.RuneCountInString(text) <= most {
		return text
	}
	letters := []rune(text)
	half := (most - len(gap)) / 2
	return string(letters[:half]) + gap + string(letters[len(letters)-half:])
}

// Say prints what a person should know, on a terminal in its width.
func Say(w io.Writer, text string) {
	io.WriteString(w, Remark(text, Width(w)))
}

// Remark returns what a person should know, bounded, as lines of at most width columns, or any
// number if width is 0: a line that goes on in the next one stays indented, behind a hyphen by
// two columns more.
func Remark(text string, width int) string {
	var out strings.Builder
	for line := range strings.Lines(Bounded(text)) {
		line = Printable(strings.TrimSuffix(line, "\n"))
		words := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(words)]
		if point, is := strings.CutPrefix(words, "- "); is {
			words, indent = point, indent+"  "
			line = strings.TrimSuffix(indent, "  ") + "- "
		} else {
			line = indent
		}
		for _, part := range Wrap(words, width-len(indent)) {
			out.WriteString(line + part + "\n")
			line = indent
		}
	}
	return out.String()
}

// described matches an indented line with a description after two spaces or more, as of
// flags and commands in a help text.
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
