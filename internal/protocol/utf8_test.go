package protocol

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestValidUTF8(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, text string) {
		if got, want := validUTF8([]byte(text)), utf8.ValidString(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	// All texts of one and two bytes, and all beginnings with the bytes that matter after
	// them.
	edges := []string{"", "\x00", "\x7f", "\x80", "\x8f", "\x90", "\x9f", "\xa0", "\xbf", "\xc0", "\xff"}
	for first := range 256 {
		for second := range 256 {
			for _, third := range edges {
				for _, fourth := range edges {
					check(t, string([]byte{byte(first), byte(second)})+third+fourth)
				}
			}
		}
	}
	check(t, strings.Repeat("ascii ", 10)+"é"+strings.Repeat("ascii ", 10)+"\xc3")
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.String().Draw(t, "text")+string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
	})
}
