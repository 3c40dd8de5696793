package protocol

import "encoding/binary"

// validUTF8 reports whether text is UTF-8. Package unicode/utf8 is many times slower for
// text that mixes characters of several lengths, because of branch mispredictions, and a
// stranger could send such text. This function takes the same time for every text with
// non-ASCII bytes.
func validUTF8(text []byte) bool {
	// Most datagrams are ASCII: check eight bytes at a time for the highest bit.
	for len(text) >= 8 && binary.LittleEndian.Uint64(text)&0x80808080_80808080 == 0 {
		text = text[8:]
	}
	state := uint64(utf8Start)
	for _, c := range text {
		state = utf8Steps[c] >> (state & 63)
	}
	return state&63 == utf8Start
}

// The states between two bytes of a text, as shift counts for utf8Steps.
const (
	utf8Bad     = iota * 6 // final
	utf8Start              // a character may begin here
	utf8One                // one more byte, 0x80 to 0xbf
	utf8Two                // two more
	utf8Three              // three more
	utf8AfterE0            // two more, the first from 0xa0, otherwise the encoding is too long
	utf8AfterED            // two more, the first up to 0x9f, because surrogates are not characters
	utf8AfterF0            // three more, the first from 0x90
	utf8AfterF4            // three more, the first up to 0x8f, because code points end there
	utf8States
)

// utf8Steps has, for each byte, the state that follows each state, six bits each.
var utf8Steps = func() (steps [256]uint64) {
	step := func(first, last int, from, to uint64) {
		for c := first; c <= last; c++ {
			steps[c] |= to << from
		}
	}
	step(0x00, 0x7f, utf8Start, utf8Start)
	step(0xc2, 0xdf, utf8Start, utf8One)
	step(0xe0, 0xe0, utf8Start, utf8AfterE0)
	step(0xe1, 0xec, utf8Start, utf8Two)
	step(0xed, 0xed, utf8Start, utf8AfterED)
	step(0xee, 0xef, utf8Start, utf8Two)
	step(0xf0, 0xf0, utf8Start, utf8AfterF0)
	step(0xf1, 0xf3, utf8Start, utf8Three)
	step(0xf4, 0xf4, utf8Start, utf8AfterF4)
	step(0x80, 0xbf, utf8One, utf8Start)
	step(0x80, 0xbf, utf8Two, utf8One)
	step(0x80, 0xbf, utf8Three, utf8Two)
	step(0xa0, 0xbf, utf8AfterE0, utf8One)
	step(0x80, 0x9f, utf8AfterED, utf8One)
	step(0x90, 0xbf, utf8AfterF0, utf8Two)
	step(0x80, 0x8f, utf8AfterF4, utf8Two)
	return steps
}()
