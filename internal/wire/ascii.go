package wire

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-faster/jx"
)

// quoteASCII is text as a JSON string with its quotes, and with the characters beyond
// ASCII as escapes.
func quoteASCII(text []byte) []byte {
	var w jx.Writer
	w.ByteStr(text)
	var out []byte
	for _, c := range string(w.Buf) {
		if c < utf8.RuneSelf {
			out = append(out, byte(c))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}
