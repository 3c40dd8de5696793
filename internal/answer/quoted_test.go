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
		if size := Quoted(short); size <= wire.MaxDatagramSize || size > wire.MaxDatagramSize+6 {
			t.Errorf("%q is cut to %d bytes", piece, size)
		}
		if fits := short[:len(short)-1]; Cut(fits) != fits {
			t.Errorf("%q is cut although it may fit", piece)
		}
	}
}
