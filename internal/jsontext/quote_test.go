package jsontext

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Quoting gives the same result with and without spare capacity, whatever the text.
func TestAppendQuoted(t *testing.T) {
	texts := rapid.OneOf(
		rapid.SliceOf(rapid.Byte()),
		rapid.SliceOf(rapid.SampledFrom([]byte(`{"a":"b\n"},é`+"\x00\x1f\n\x7f"))),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Draw(t, "text")
		room := rapid.IntRange(0, 2*len(text)+10).Draw(t, "room")
		want := appendQuotedSlowly([]byte("before"), text)
		got := AppendQuoted(append(make([]byte, 0, len("before")+room), "before"...), text)
		if !bytes.Equal(got, want) {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

func BenchmarkAppendQuoted(b *testing.B) {
	text := bytes.Repeat([]byte(`{"name":"node1.example.com","primary_ip":"192.0.2.1","offline":false},`), 40)
	for name, quote := range map[string]func(dst, text []byte) []byte{"fast": AppendQuoted, "jx": appendQuotedSlowly} {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 1<<16)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				quote(dst, text)
			}
		})
	}
}
