package jsontext

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-faster/jx"
)

// QuoteASCII returns text as a JSON string with its quotes, with non-ASCII characters
// escaped.
func QuoteASCII(text []byte) []byte {
	w := jx.Writer{Buf: make([]byte, 0, len(text)+len(text)/4)} // the quotes of every name and value are escaped
	w.ByteStr(text)
	out := make([]byte, 0, len(w.Buf))
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
