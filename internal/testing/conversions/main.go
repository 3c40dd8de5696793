// Command conversions asks Ganeti's own ganeti-confd of each release what it makes of the
// inputs in spec/conversions.json, and writes the outputs into it. Run it in the root of the
// repository after adding an input.
//
//	go run ./internal/testing/conversions
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"gntconfd/client"
	"gntconfd/gen/wire"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/interop/judges"
	"gntconfd/internal/testing/vectors"
)

const file = "spec/conversions.json"

// table is the layout of spec/conversions.json.
type table struct {
	Schema      string `json:"$schema"`
	Description string `json:"description"`
	Forms       []form `json:"forms"`
}

type form struct {
	Form     string    `json:"form"`
	Pointer  string    `json:"pointer"`
	Examples []example `json:"examples"`
}

type example struct {
	Input  string  `json:"input"`
	Output *string `json:"output,omitempty"` // nil if the member is left out
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, file); err != nil {
		fmt.Fprintln(os.Stderr, "conversions:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var t table
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for number, judge := range judges.All() {
		if err := judge.Check(); err != nil {
			return err
		}
		start, err := conformance.Command(judge.Args("127.0.0.1", "{port}")...)
		if err != nil {
			return err
		}
		for i := range t.examples() {
			if err := t.record(ctx, start, i, number > 0); err != nil {
				return fmt.Errorf("release %s: example %d: %w", judge.Release, i, err)
			}
		}
	}
	return os.WriteFile(file, t.format(), 0o644)
}

// examples returns how many examples the form with most of them has.
func (t *table) examples() (most int) {
	for _, f := range t.Forms {
		most = max(most, len(f.Examples))
	}
	return most
}

// record asks for the example at a position of every form, from one configuration that has
// them all. If they were recorded before, it compares.
func (t *table) record(ctx context.Context, start conformance.Start, i int, again bool) (err error) {
	var config any
	d := json.NewDecoder(bytes.NewReader(sample.Config))
	d.UseNumber()
	if err := d.Decode(&config); err != nil {
		return err
	}
	for _, f := range t.Forms {
		if i < len(f.Examples) {
			config = replaced(config, strings.Split(f.Pointer, "/")[1:], json.RawMessage(f.Examples[i].Input))
		}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	server, err := start(ctx, conformance.Setup{Dialect: vectors.Dialect, Name: "conversions", Config: text, Key: sample.Key})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	c, err := client.New(client.Options{Peers: []string{server.Target.Addr.String()}, Key: sample.Key})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, f := range t.Forms {
		if i >= len(f.Examples) {
			continue
		}
		output, err := ask(ctx, c, f.Pointer)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", f.Form, f.Examples[i].Input, err)
		}
		former := f.Examples[i].Output
		if again && (former == nil) != (output == nil) || again && former != nil && *former != *output {
			return fmt.Errorf("%s: %s: the releases differ", f.Form, f.Examples[i].Input)
		}
		f.Examples[i].Output = output
	}
	return nil
}

// ask returns the value at a pointer, or nil if there is none.
func ask(ctx context.Context, c *client.Client, pointer string) (*string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	query, err := json.Marshal(pointer)
	if err != nil {
		return nil, err
	}
	result, err := client.Query(ctx, c, client.Raw(int(wire.RequestConfigQuery), query))
	failure := (*client.StatusError)(nil)
	if errors.As(err, &failure) && string(failure.JSON) == fmt.Sprint(wire.ErrorArgument) {
		return nil, nil
	}
	output := string(result.JSON)
	return &output, err
}

// replaced returns a value with the one that tokens lead to replaced or added.
func replaced(value any, tokens []string, by any) any {
	if len(tokens) == 0 {
		return by
	}
	switch value := value.(type) {
	case map[string]any:
		value[tokens[0]] = replaced(value[tokens[0]], tokens[1:], by)
	case []any:
		i := int(tokens[0][0] - '0')
		value[i] = replaced(value[i], tokens[1:], by)
	}
	return value
}

// format returns the file, with a line for each example.
func (t *table) format() []byte {
	var b bytes.Buffer
	line := func(format string, values ...any) {
		for i, value := range values {
			var text bytes.Buffer
			e := json.NewEncoder(&text)
			e.SetEscapeHTML(false)
			if err := e.Encode(value); err != nil {
				panic(err) // texts can be encoded
			}
			values[i] = strings.TrimSuffix(text.String(), "\n")
		}
		fmt.Fprintf(&b, format, values...)
	}
	line("{\n  \"$schema\": %s,\n  \"description\": %s,\n  \"forms\": [\n", t.Schema, t.Description)
	for i, f := range t.Forms {
		line("    {\n      \"form\": %s,\n      \"pointer\": %s,\n      \"examples\": [\n", f.Form, f.Pointer)
		for j, e := range f.Examples {
			line("        { \"input\": %s", e.Input)
			if e.Output != nil {
				line(", \"output\": %s", *e.Output)
			}
			b.WriteString(" }" + comma(j, len(f.Examples)))
		}
		b.WriteString("      ]\n    }" + comma(i, len(t.Forms)))
	}
	b.WriteString("  ]\n}\n")
	return b.Bytes()
}

func comma(i, n int) string {
	if i < n-1 {
		return ",\n"
	}
	return "\n"
}
