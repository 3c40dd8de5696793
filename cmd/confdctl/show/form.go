// Package show prints answers: as tables for people, as JSON and YAML for programs.
package show

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gntconfd/internal/terminal"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// Form is the format of a command's output.
type Form string

const (
	AsTable    Form = "table"    // for people
	AsWide     Form = "wide"     // with more columns
	AsName     Form = "name"     // one name a line
	AsJSON     Form = "json"     // for programs
	AsYAML     Form = "yaml"     // the same as JSON
	AsMarkdown Form = "markdown" // a table for a document
)

// The formats of commands whose output is a table, and of those with their own text.
var (
	ForTables = []Form{AsTable, AsWide, AsName, AsJSON, AsYAML, AsMarkdown}
	ForTexts  = []Form{AsTable, AsJSON, AsYAML}
)

// AddFlags defines the flag --output on a command.
func (o *Form) AddFlags(command *cobra.Command, forms []Form) {
	*o = AsTable
	names := make([]string, len(forms))
	for i, form := range forms {
		names[i] = string(form)
	}
	last := len(names) - 1
	choice := strings.Join(names[:last], ", ") + " or " + names[last]
	command.Flags().VarP(&format{o, forms, choice}, "output", "o", "output `format`: "+choice)
	if named := Form(os.Getenv(FormVariable)); slices.Contains(forms, named) {
		*o = named
	}
	if err := command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // defined above
	}
}

// FormVariable is the environment variable with the output format of all commands.
const FormVariable = "CONFD_OUTPUT"

// CheckEnvironment returns an error if the format in the environment does not exist.
func CheckEnvironment() error {
	if named := os.Getenv(FormVariable); named != "" && !slices.Contains(ForTables, Form(named)) {
		return fmt.Errorf("environment variable %s: there is no output format %q", FormVariable, named)
	}
	return nil
}

// AddJSON defines --json on a command, which is older than --output.
func (o *Form) AddJSON(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolFunc("json", "the same as --output json", func(string) error { *o = AsJSON; return nil })
	if err := flags.MarkHidden("json"); err != nil {
		panic(err) // defined above
	}
}

// FormatType is the type of the flag --output.
const FormatType = "format"

// format is a Form as the value of a flag.
type format struct {
	form   *Form
	forms  []Form
	choice string
}

func (f *format) String() string {
	if f.form == nil {
		return ""
	}
	return string(*f.form)
}

func (f *format) Set(text string) error {
	if !slices.Contains(f.forms, Form(text)) {
		return errors.New("must be " + f.choice)
	}
	*f.form = Form(text)
	return nil
}

func (*format) Type() string { return FormatType }

// ForPrograms reports whether the output is for programs.
func (o Form) ForPrograms() bool { return o == AsJSON || o == AsYAML }

// Show prints a view for people, or as a list of names.
func (o Form) Show(w io.Writer, v View) error {
	switch {
	case o == AsName:
		return terminal.WriteLines(w, v.names())
	case o == AsWide && v.Wide.Head != nil:
		return v.Wide.Write(w)
	case o == AsMarkdown && v.Wide.Head != nil:
		return terminal.WriteLines(w, v.Wide.Markdown())
	case o == AsMarkdown:
		return terminal.WriteLines(w, v.Table.Markdown())
	}
	return v.Table.Write(w)
}

// names returns the names in a view, or its first column if it has none.
func (v View) names() []string {
	var names []string
	for _, row := range v.Table.Rows {
		names = append(names, row[0].Text)
	}
	if v.Names != nil {
		names = v.Names
	}
	for i, name := range names {
		names[i] = terminal.Printable(name)
	}
	return names
}

// Write prints a document that encoding/json can encode, as JSON or YAML.
func (o Form) Write(w io.Writer, document any) error {
	text, err := encodeJSON(document, "  ")
	if err == nil && o == AsYAML {
		text, err = jsonToYAML(text)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// WriteOne prints one of several documents: JSON in a line of its own, YAML after a line of
// hyphens.
func (o Form) WriteOne(w io.Writer, document any) error {
	if o == AsYAML {
		if _, err := io.WriteString(w, "---\n"); err != nil {
			return err
		}
		return o.Write(w, document)
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
	if err := encoder.Encode(document); err != nil {
		return nil, err
	}
	if indent != "" && !deep(text.Bytes()) {
		var indented bytes.Buffer
		if err := json.Indent(&indented, text.Bytes(), "", indent); err != nil {
			return nil, err
		}
		text = indented
	}
	return []byte(terminal.EscapeUnicode(text.String())), nil
}

// jsonToYAML converts JSON to YAML. The order of members and the digits of numbers stay the
// same.
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
	return []byte(terminal.EscapeUnicode(out.String())), nil
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
			node.Kind = yaml.MappingNode // its content alternates names and values
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
		if terminal.Printable(lines) != lines || token == "<<" { // which by itself is a merge
			node.Style = yaml.DoubleQuotedStyle
		}
		return node, nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	default: // a number, true or false
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)}, nil
	}
}
