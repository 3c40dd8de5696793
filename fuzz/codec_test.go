package fuzz

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/go-faster/jx"
	"pgregory.net/rapid"

	"gntconfd/gen/wire"
)

// codec is a generated codec.
type codec interface {
	Decode(*jx.Decoder) error
	Encode(*jx.Encoder)
}

// messages are the codecs of the definitions in spec/wire.json. Generated tuple decoders
// accept short tuples, so those types are tested only in the client's requests and without
// mutations.
var messages = []struct {
	definition string
	exact      bool // rejects everything that the schema rejects
	make       func() codec
}{
	{"Envelope", true, func() codec { return new(wire.Envelope) }},
	{"Request", true, func() codec { return new(wire.Request) }},
	{"QueryParameters", true, func() codec { return new(wire.QueryParameters) }},
	{"ClassicRequest", true, func() codec { return new(wire.ClassicRequest) }},
	{"ClassicReply", true, func() codec { return new(wire.ClassicReply) }},
	{"Reply", true, func() codec { return new(wire.Reply) }},
	{"DataCollectors", true, func() codec { return new(wire.DataCollectors) }},
	{"NodeIPAnswer", false, func() codec { return new(wire.NodeIPAnswer) }},
	{"ClassicNodeIPAnswer", false, func() codec { return new(wire.ClassicNodeIPAnswer) }},
	{"NodeMinor", false, func() codec { return new(wire.NodeMinor) }},
	{"NodeInstances", false, func() codec { return new(wire.NodeInstances) }},
}

// decodeInto decodes exactly one value, and validates it.
func decodeInto(c codec, text []byte) error {
	d := jx.DecodeBytes(text)
	if err := c.Decode(d); err != nil {
		return err
	}
	if d.Skip() != io.EOF {
		return errors.New("something follows the value")
	}
	if v, ok := c.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

func encoded(c codec) []byte {
	var e jx.Encoder
	c.Encode(&e)
	return slices.Clone(e.Bytes())
}

// TestMessages: the generated codecs reproduce every generated message, and reject what the
// schema rejects.
func TestMessages(t *testing.T) {
	for _, message := range messages {
		ref := "wire.json#/definitions/" + message.definition
		t.Run(message.definition, rapid.MakeCheck(func(t *rapid.T) {
			value := values(ref).Draw(t, "value")
			c := message.make()
			if err := decodeInto(c, encode(value)); err != nil {
				t.Fatalf("refused: %v\n%s", err, encode(value))
			}
			once := encoded(c)
			if got := decode(once); !equal(got, value) {
				t.Fatalf("changed\nfrom %s\n  to %s", encode(value), once)
			}
			if !message.exact {
				return
			}
			mutant := mutate(t, value)
			verdict, err := schemas.validate(ref, mutant), decodeInto(message.make(), encode(mutant))
			if (verdict == nil) != (err == nil) {
				t.Fatalf("%s\nthe schema says %v, the codec %v", encode(mutant), verdict, err)
			}
		}))
	}
}

// mutate changes one place of a value: removes a member, adds an unknown one, or replaces
// something.
func mutate(t *rapid.T, value any) any {
	if rapid.IntRange(0, 2).Draw(t, "deeper") > 0 {
		switch value := value.(type) {
		case object:
			if len(value) > 0 {
				key := rapid.SampledFrom(sortedKeys(value)).Draw(t, "member")
				changed := object{}
				for k, v := range value {
					changed[k] = v
				}
				switch rapid.IntRange(0, 3).Draw(t, "change") {
				case 0:
					delete(changed, key)
				case 1:
					changed["unheard-of"] = nil
				default:
					changed[key] = mutate(t, value[key])
				}
				return changed
			}
		case []any:
			if len(value) > 0 {
				i := rapid.IntRange(0, len(value)-1).Draw(t, "element")
				changed := slices.Clone(value)
				changed[i] = mutate(t, value[i])
				return changed
			}
		}
	}
	return rapid.SampledFrom([]any{
		nil, true, json.Number("0"), json.Number("3"), json.Number("999"), json.Number("-1"), json.Number("1.5"), "", "0", "3",
		[]any{}, []any{"a"}, []any{nil}, object{}, object{"0": "a"}, object{"3": []any{json.Number("1")}},
	}).Draw(t, "something else")
}
