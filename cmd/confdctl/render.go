package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// output is the form in which a command prints what it has learnt.
type output string

const (
	outputTable output = "table" // for people
	outputJSON  output = "json"
	outputYAML  output = "yaml" // the same as JSON
)

// addFlags defines the flag --output on a command.
func (o *output) addFlags(command *cobra.Command) {
	*o = outputTable
	command.Flags().VarP(o, "output", "o", "`form` of what is printed: table, json or yaml")
	err := command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(
		[]string{string(outputTable), string(outputJSON), string(outputYAML)}, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // it is defined above
	}
}

// addJSON defines --json on a command, which had it before it had --output.
func (o *output) addJSON(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolFunc("json", "the same as --output json", func(string) error { return o.Set(string(outputJSON)) })
	if err := flags.MarkHidden("json"); err != nil {
		panic(err) // it is defined above
	}
}

// String, Set and Type make an output the value of a flag.
func (o *output) String() string { return string(*o) }

func (o *output) Set(text string) error {
	switch form := output(text); form {
	case outputTable, outputJSON, outputYAML:
		*o = form
		return nil
	}
	return errors.New("must be table, json or yaml")
}

func (*output) Type() string { return "form" }

// write prints a document, which encoding/json can encode, as JSON or YAML.
func (o output) write(w io.Writer, document any) error {
	text, err := encodeJSON(document, "  ")
	if err == nil && o == outputYAML {
		text, err = jsonToYAML(text)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// writeOne prints one of several documents: JSON in a line of its own, YAML behind a
// line of hyphens.
func (o output) writeOne(w io.Writer, document any) error {
	if o == outputYAML {
		if _, err := io.WriteString(w, "---\n"); err != nil {
			return err
		}
		return o.write(w, document)
	}
	text, err := encodeJSON(document, "")
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func encodeJSON(document any, indent string) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(document); err != nil {
		return nil, err
	}
	return []byte(escapeUnicode(text.String())), nil
}

// jsonToYAML returns the same document as YAML, with its members in the same order and
// its numbers as they are.
func jsonToYAML(text []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	node, err := yamlNode(decoder)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(node), encoder.Close()); err != nil {
		return nil, err
	}
	return []byte(escapeUnicode(out.String())), nil
}

// yamlNode reads one JSON value.
func yamlNode(decoder *json.Decoder) (*yaml.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		if token == '{' {
			node.Kind = yaml.MappingNode // whose content is a name, a value, and so on
		}
		for decoder.More() {
			child, err := yamlNode(decoder)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, child)
		}
		_, err = decoder.Token()
		return node, err
	case string:
		node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: token}
		lines := strings.ReplaceAll(token, "\n", "")
		if printable(lines) != lines || token == "<<" { // which by itself is a merge
			node.Style = yaml.DoubleQuotedStyle
		}
		return node, nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	default: // a number, true or false
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)}, nil
	}
}

// escapeUnicode writes characters that could upset a terminal, and that JSON and YAML
// allow in their texts, as \u and four digits.
func escapeUnicode(text string) string {
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

// printable returns text with the characters that could upset a terminal, line feeds
// among them, as Go writes them in quotes.
func printable(text string) string {
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

// tone is how a text is set off on a terminal, by its code there.
type tone string

const (
	plain  tone = ""
	strong tone = "1"
	faint  tone = "2"
	bad    tone = "31"
	good   tone = "32"
	warn   tone = "33"
)

// style says whether texts are set off.
type style bool

// styleFor returns colours for a terminal and plain text for all else.
func styleFor(w io.Writer) style {
	return style(isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (s style) paint(t tone, text string) string {
	if !s || t == plain || text == "" {
		return text
	}
	return "\x1b[" + string(t) + "m" + text + "\x1b[0m"
}

// isTerminal reports whether w is a character device.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// cell is a text in a table.
type cell struct {
	text string
	tone tone
}

// table is what people see of an answer: rows of cells below headings, or, without
// headings, lines.
type table struct {
	noun string // what the rows are, in the plural
	head []string
	rows [][]cell
}

// row adds a row, each of whose cells is a string, a cell, or anything that
// fmt.Sprint makes a text of.
func (t *table) row(cells ...any) {
	row := make([]cell, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case cell:
			row[i] = c
		default:
			row[i] = cell{text: fmt.Sprint(c)}
		}
	}
	t.rows = append(t.rows, row)
}

// listing returns a table of lines.
func listing(noun string, lines ...string) table {
	t := table{noun: noun}
	for _, line := range lines {
		t.row(line)
	}
	return t
}

// brief returns what fits into one cell of another table.
func (t table) brief() string {
	switch {
	case t.head == nil && len(t.rows) == 1 && len(t.rows[0]) == 1:
		return t.rows[0][0].text
	case len(t.rows) == 1:
		return "1 " + strings.TrimSuffix(t.noun, "s")
	}
	return fmt.Sprintf("%d %s", len(t.rows), t.noun)
}

// lines lays the table out.
func (t table) lines(style style) []string {
	rows := t.rows
	if t.head != nil {
		head := make([]cell, len(t.head))
		for i, text := range t.head {
			head[i] = cell{text, strong}
		}
		rows = append([][]cell{head}, rows...)
	}
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(printable(c.text)))
		}
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		var line strings.Builder
		gap := 0 // before the next text
		for j, c := range row {
			text := printable(c.text)
			if text != "" {
				line.WriteString(strings.Repeat(" ", gap) + style.paint(c.tone, text))
				gap = 0
			}
			gap += widths[j] - utf8.RuneCountInString(text) + 2
		}
		lines[i] = line.String()
	}
	return lines
}

// write prints the table.
func (t table) write(w io.Writer) error {
	return writeLines(w, t.lines(styleFor(w)))
}

func writeLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
