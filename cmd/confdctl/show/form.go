// Package show prints answers: as tables for people, as JSON and YAML for programs.
package show

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gntconfd/internal/terminal"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// Form is the form in which a command prints what it has learnt.
type Form string

const (
	AsTable Form = "table" // for people
	AsJSON  Form = "json"
	AsYAML  Form = "yaml" // the same as JSON
)

// AddFlags defines the flag --output on a command.
func (o *Form) AddFlags(command *cobra.Command) {
	*o = AsTable
	command.Flags().VarP(o, "output", "o", "`form` of what is printed: table, json or yaml")
	err := command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(
		[]string{string(AsTable), string(AsJSON), string(AsYAML)}, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // it is defined above
	}
}

// AddJSON defines --json on a command, which had it before it had --output.
func (o *Form) AddJSON(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolFunc("json", "the same as --output json", func(string) error { return o.Set(string(AsJSON)) })
	if err := flags.MarkHidden("json"); err != nil {
		panic(err) // it is defined above
	}
}

// String, Set and Type make an output the value of a flag.
func (o *Form) String() string { return string(*o) }

func (o *Form) Set(text string) error {
	switch form := Form(text); form {
	case AsTable, AsJSON, AsYAML:
		*o = form
		return nil
	}
	return errors.New("must be table, json or yaml")
}

func (*Form) Type() string { return "form" }

// Write prints a document, which encoding/json can encode, as JSON or YAML.
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

// WriteOne prints one of several documents: JSON in a line of its own, YAML behind a
// line of hyphens.
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
	encoder.SetIndent("", indent)
	if err := encoder.Encode(document); err != nil {
		return nil, err
	}
	return []byte(terminal.EscapeUnicode(text.String())), nil
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
