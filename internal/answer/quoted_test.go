package answer

import (
	"strings"
	"testing"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
)

// The sizes are those that the encoder writes.
func TestQuoted(t *testing.T) {
	for c := range 256 {
		text := string([]byte{byte(c)})
		var w jx.Writer
		w.Str(text)
		if got, want := Quoted(text), len(w.Buf)-len(`""`); got != want {
			t.Errorf("%q: %d bytes, want %d", text, got, want)
		}
	}
	for _, piece := range []string{"x", "\x01", "\n", `"`} {
		text := strings.Repeat(piece, 2*wire.MaxDatagramSize)
		short := Cut(text)
		var w jx.Writer
		w.Str(short)
		if size := len(w.Buf) - len(`""`); size <= wire.MaxDatagramSize || size > wire.MaxDatagramSize+6 {
			t.Errorf("%q is cut to %d bytes", piece, size)
		}
		if size := Quoted(text); size <= wire.MaxDatagramSize || size > wire.MaxDatagramSize+6 {
			t.Errorf("%q again and again has %d bytes", piece, size)
		}
		if fits := short[:len(short)-1]; Cut(fits) != fits {
			t.Errorf("%q is cut although it may fit", piece)
		}
	}
}

func TestExceeds(t *testing.T) {
	var e jx.Encoder
	e.Raw([]byte(`[]`))
	for more, want := range map[int]bool{0: false, wire.MaxDatagramSize - 2: false, wire.MaxDatagramSize - 1: true} {
		if got := Exceeds(&e, more); got != want {
			t.Errorf("2 bytes and %d more exceed a datagram: %v", more, got)
		}
	}
}
