package jsontext

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/go-faster/jx"
	"pgregory.net/rapid"
)

// texts draws arbitrary bytes, and texts with much to escape.
var texts = rapid.OneOf(
	rapid.SliceOf(rapid.Byte()),
	rapid.SliceOf(rapid.SampledFrom([]byte(`{"a":"b\n"},é`+"\x00\b\x1f\n\x7f\xed\x9f\xbf"))),
)

func quoteWithJx(dst, text []byte) []byte {
	w := jx.Writer{Buf: dst}
	w.ByteStr(text)
	return w.Buf
}

// Quoting gives the same result with and without spare capacity, that of jx, and its size
// is known beforehand.
func TestAppendQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Filter(func(text []byte) bool { return !hasSurrogate(text) }).Draw(t, "text")
		room := rapid.IntRange(0, 2*len(text)+10).Draw(t, "room")
		want := quoteWithJx([]byte("before"), text)
		got := AppendQuoted(append(make([]byte, 0, len("before")+room), "before"...), text)
		if !bytes.Equal(got, want) {
			t.Fatalf("%s, want %s", got, want)
		}
		size := len("before") + len(`""`)
		for _, c := range text {
			size += QuotedSize(c)
		}
		if size != len(got) {
			t.Fatalf("%s has %d bytes, not %d", got, len(got), size)
		}
	})
}

func hasSurrogate(text []byte) bool {
	for i := range text {
		if text[i] == surrogate {
			if _, ok := surrogateAt(text[i:]); ok {
				return true
			}
		}
	}
	return false
}

// Unquoting gives back every text, lone surrogates included.
func TestUnquote(t *testing.T) {
	parts := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
		rapid.SampledFrom([][]byte{{0xed, 0xa0, 0x80}, {0xed, 0xbf, 0xbf}, []byte("\ud7ff"), []byte("\U0001f511"), []byte("\b\f\n\r\t\"\\/")}),
	)
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		for _, part := range rapid.SliceOf(parts).Draw(t, "parts") {
			text = append(text, part...)
		}
		room := rapid.SampledFrom([]int{0, 2*len(text) + 2}).Draw(t, "room")
		quoted := AppendQuoted(make([]byte, 0, room), text)
		if !json.Valid(quoted) {
			t.Fatalf("%s is not JSON", quoted)
		}
		// A high and a low surrogate side by side become one character.
		if got := Unquote(quoted); !bytes.Equal(got, text) && !bytes.Contains(text, []byte{0xed, 0xa0, 0x80, 0xed, 0xbf, 0xbf}) {
			t.Fatalf("%q became %s, then %q", text, quoted, got)
		}
	})
	for value, want := range map[string]string{
		`""`: "", `"a"`: "a", `"\u0041\/\""`: `A/"`, `"\ud83d\udd11"`: "🔑", `"\ud83d"`: "\xed\xa0\xbd",
		`"\ud83dA"`: "\xed\xa0\xbdA", `"\ud83d\u0041"`: "\xed\xa0\xbdA", `"\udd11"`: "\xed\xb4\x91", `1`: "", `null`: "", `{}`: "",
	} {
		if got := string(Unquote([]byte(value))); got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

func TestQuoteASCII(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		quoted := QuoteASCII([]byte(text))
		var got string
		if err := json.Unmarshal(quoted, &got); err != nil || got != text {
			t.Fatalf("%q became %s: %v", text, quoted, err)
		}
		if i := bytes.IndexFunc(quoted, func(r rune) bool { return r > 0x7f }); i >= 0 {
			t.Fatalf("%s is not ASCII", quoted)
		}
	})
}

func BenchmarkAppendQuoted(b *testing.B) {
	text := bytes.Repeat([]byte(`{"name":"node1.example.com","primary_ip":"192.0.2.1","offline":false},`), 40)
	for name, quote := range map[string]func(dst, text []byte) []byte{"fast": AppendQuoted, "slow": appendQuotedSlowly, "jx": quoteWithJx} {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 1<<16)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				quote(dst, text)
			}
		})
	}
}
