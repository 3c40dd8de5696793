// Package original tells whether Ganeti's own daemon would load a configuration. It would not if
// a single member is missing, unknown or of the wrong type, and would then answer nothing.
// spec/config.json describes what it accepts.
package original

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/goccy/go-json"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/spec"
)

// Releases are the releases that Check covers. They accept the same files.
const Releases = "3.0 and 3.1"

// schemaFile is the schema of the configuration, in spec.
const schemaFile = "config.json"

// Check returns the problems that keep Ganeti's own daemon from loading a configuration, one
// line for each place, sorted. Each begins with a JSON pointer.
//
// The daemon accepts an empty list instead of a string, which Ganeti never writes; Check does
// not. Check takes about a second for 20 MB.
func Check(text []byte) ([]string, error) {
	if !utf8.Valid(text) {
		return []string{"the file: not UTF-8"}, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	config, err := decode(d)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the value")
		}
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return []string{"the file: ends too early, in the middle of JSON: it is empty or not whole"}, nil
	case err != nil:
		return []string{"the file: not JSON: " + err.Error()}, nil
	}
	schema, err := compile()
	if err != nil {
		return nil, err
	}
	err = schema.Validate(config)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil, err
	}
	problems := innermost(nil, invalid.DetailedOutput())
	slices.Sort(problems)
	return slices.Compact(problems), nil
}

// decode returns the next value in the form that the validator expects. The first of duplicate
// members counts, as for Ganeti's daemon.
func decode(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			element, err := decode(d)
			if err != nil {
				return nil, err
			}
			list = append(list, element)
		}
		_, err := d.Token() // the end of the list
		return list, err
	case json.Delim('{'):
		object := make(map[string]any)
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			member, err := decode(d)
			if err != nil {
				return nil, err
			}
			if _, doubled := object[name.(string)]; !doubled {
				object[name.(string)] = member
			}
		}
		_, err := d.Token() // the end of the object
		return object, err
	}
	return token, nil
}

// innermost appends the errors in unit that have no other errors as their cause.
func innermost(problems []string, unit *jsonschema.OutputUnit) []string {
	for i := range unit.Errors {
		problems = innermost(problems, &unit.Errors[i])
	}
	if len(unit.Errors) == 0 && unit.Error != nil {
		problems = append(problems, cmp.Or(unit.InstanceLocation, "the file")+": "+unit.Error.String())
	}
	return problems
}

func compile() (*jsonschema.Schema, error) {
	text, err := spec.Files.ReadFile(schemaFile)
	if err != nil {
		return nil, err
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemaFile, schema); err != nil {
		return nil, err
	}
	return compiler.Compile(schemaFile)
}
