package canonical

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"

	"gntconfd/gen/form"
)

// maxDigits is the maximum length of numbers that are written out. A longer one does not fit
// into a reply, and writing out 1e1000000000 would take all memory.
const maxDigits = 61440

// maxDouble is the number of digits of the largest double.
const maxDouble = 309

// appendNumber appends a number in the normal form of f's kind.
func (f *Form) appendNumber(dst, raw []byte, s *scratch) []byte {
	switch f.kind {
	case form.Int64, form.Mebibytes, form.JobID:
		return s.appendInteger(dst, raw, true)
	case form.Integer:
		return s.appendInteger(dst, raw, false)
	case form.Double:
		if x, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return s.appendDouble(dst, x)
		}
	case form.Time:
		if x, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return s.appendTime(dst, raw, x)
		}
	}
	return s.appendExact(dst, raw)
}

// decimal is a number as its decimal digits: 0.DIGITS * 10^point.
type decimal struct {
	negative bool
	digits   []byte // neither the first nor the last is 0; empty for the number 0
	point    int
}

// parse splits a JSON number.
func parse(raw []byte) decimal {
	var d decimal
	if raw[0] == '-' {
		d.negative = true
		raw = raw[1:]
	}
	exponent := 0
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		// A number out of range becomes the nearest limit. The limits leave room to add the
		// number of digits.
		n, _ := strconv.ParseInt(string(raw[i+1:]), 10, 32)
		exponent, raw = int(n), raw[:i]
	}
	whole, fraction, _ := bytes.Cut(raw, []byte{'.'})
	digits := whole
	if len(fraction) > 0 {
		digits = append(append(make([]byte, 0, len(raw)), whole...), fraction...)
	}
	d.point = len(whole) + exponent
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
		d.point--
	}
	d.digits = bytes.TrimRight(digits, "0")
	return d
}

// isPlain reports whether a number is written as an integer in normal form.
func isPlain(raw []byte) bool { return !bytes.ContainsAny(raw, ".eE") && string(raw) != "-0" }

// appendExact appends a whole number exactly, and any other as the nearest double.
func (s *scratch) appendExact(dst, raw []byte) []byte {
	if isPlain(raw) {
		return append(dst, raw...)
	}
	d := parse(raw)
	switch {
	case len(d.digits) == 0:
		return append(dst, '0')
	case d.point > maxDigits:
		return append(dst, raw...)
	case d.point >= len(d.digits):
		return s.appendWhole(dst, d)
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return append(dst, raw...)
	}
	return appendHaskell(dst, x)
}

// appendWhole appends a number without a fraction with all its digits.
func (s *scratch) appendWhole(dst []byte, d decimal) []byte {
	if s.room(dst, d.point); s.full {
		return dst
	}
	if d.negative {
		dst = append(dst, '-')
	}
	dst = append(dst, d.digits...)
	for range d.point - len(d.digits) {
		dst = append(dst, '0')
	}
	return dst
}

// appendInteger appends the nearest integer, the even one of two, reduced to 64 bits if wrap is
// set.
func (s *scratch) appendInteger(dst, raw []byte, wrap bool) []byte {
	if isPlain(raw) && (!wrap || len(raw) <= 18) {
		return append(dst, raw...)
	}
	d := parse(raw)
	if d.point > maxDigits {
		return append(dst, raw...)
	}
	d = d.rounded()
	switch {
	case wrap:
		return strconv.AppendInt(dst, d.low64(), 10)
	case len(d.digits) == 0:
		return append(dst, '0')
	}
	return s.appendWhole(dst, d)
}

// rounded returns the integer nearest to d, the even one of two.
func (d decimal) rounded() decimal {
	if d.point >= len(d.digits) {
		return d
	}
	if d.point < 0 {
		return decimal{}
	}
	whole, rest := d.digits[:d.point], d.digits[d.point:]
	odd := d.point > 0 && whole[d.point-1]%2 == 1
	half := len(rest) == 1 && rest[0] == '5'
	up := rest[0] >= '5' && (!half || odd)
	d.digits = bytes.TrimRight(whole, "0")
	if !up {
		if len(d.digits) == 0 {
			return decimal{}
		}
		return d
	}
	// Adds one at the end: nines become zeros, which are omitted.
	digits := bytes.TrimRight(whole, "9")
	if len(digits) == 0 {
		return decimal{negative: d.negative, digits: []byte{'1'}, point: d.point + 1}
	}
	d.digits = bytes.Clone(digits)
	d.digits[len(digits)-1]++
	return d
}

// low64 returns the lowest 64 bits of a whole number, as a signed integer.
func (d decimal) low64() int64 {
	var n uint64
	// Digits more than 64 places before the point add a multiple of 2^64.
	for i := max(0, d.point-64); i < d.point; i++ {
		n *= 10
		if i < len(d.digits) {
			n += uint64(d.digits[i] - '0')
		}
	}
	if d.negative {
		n = -n
	}
	return int64(n)
}

// appendDouble appends a double, with all its digits if it is whole.
func (s *scratch) appendDouble(dst []byte, x float64) []byte {
	switch {
	case x == 0:
		return append(dst, '0')
	case x == math.Trunc(x):
		if s.room(dst, maxDouble); s.full {
			return dst
		}
		return strconv.AppendFloat(dst, x, 'f', 0, 64)
	}
	return appendHaskell(dst, x)
}

// appendHaskell appends a double in Haskell's notation: from 0.1 to 10^7 plain, others like
// 1.0e-2.
func appendHaskell(dst []byte, x float64) []byte {
	format := byte('e')
	if abs := math.Abs(x); abs == 0 || 0.1 <= abs && abs < 1e7 {
		format = 'f'
	}
	text := strconv.AppendFloat(make([]byte, 0, 32), x, format, -1, 64)
	mantissa, exponent, hasExponent := bytes.Cut(text, []byte{'e'})
	dst = append(dst, mantissa...)
	if !bytes.ContainsRune(mantissa, '.') {
		dst = append(dst, ".0"...)
	}
	if hasExponent {
		n, _ := strconv.Atoi(string(exponent)) // without its plus sign and zeros
		dst = strconv.AppendInt(append(dst, 'e'), int64(n), 10)
	}
	return dst
}

// appendTime appends a time as Ganeti's clock type converts it: split into whole seconds and
// picoseconds and added up again, with the resulting rounding errors.
func (s *scratch) appendTime(dst, raw []byte, t float64) []byte {
	const pico = 1_000_000_000_000
	p := math.RoundToEven(t * pico)
	if math.Abs(p) >= 1e31 {
		return s.appendExact(dst, raw) // not a time, and too large for the division below
	}
	fraction, exponent := math.Frexp(math.Abs(p))
	mantissa, shift := uint64(fraction*(1<<53)), exponent-53
	var high, low uint64
	if shift <= 0 { // exact: p is whole
		low = mantissa >> -shift
	} else {
		high, low = mantissa>>(64-shift), mantissa<<shift
	}
	seconds, rest := bits.Div64(high, low, pico)
	whole := float64(seconds)
	if p < 0 {
		whole = -whole
		if rest > 0 { // the division rounds towards minus infinity
			whole = -float64(seconds + 1)
			rest = pico - rest
		}
	}
	return s.appendDouble(dst, whole+float64(rest)/pico)
}
