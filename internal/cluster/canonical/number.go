package canonical

import (
	"bytes"
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// maxDigits is the length up to which numbers are written out. No longer one fits
// into a reply, and writing out 1e1000000000 would take all memory.
const maxDigits = 61440

// appendNumber appends a number in the normal form of f's kind.
func (f *Form) appendNumber(dst, raw []byte) []byte {
	switch f.kind {
	case int64Number, mebibytes, jobID:
		return appendInteger(dst, raw, true)
	case integerNumber:
		return appendInteger(dst, raw, false)
	case doubleNumber:
		if x, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return appendDouble(dst, x)
		}
	case timeNumber:
		if x, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return appendTime(dst, raw, x)
		}
	}
	return appendExact(dst, raw)
}

// decimal is a number as its decimal digits: 0.DIGITS * 10^point.
type decimal struct {
	negative bool
	digits   []byte // neither the first nor the last is 0; none when the number is 0
	point    int
}

// parse takes a JSON number apart.
func parse(raw []byte) decimal {
	var d decimal
	if raw[0] == '-' {
		d.negative = true
		raw = raw[1:]
	}
	exponent := 0
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		// One out of range comes back as the nearest limit. The limits leave
		// room to add the number of digits.
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
func isPlain(raw []byte) bool {
	for _, c := range raw {
		if c == '.' || c == 'e' || c == 'E' {
			return false
		}
	}
	return string(raw) != "-0"
}

// appendExact appends a number as what it is exactly when it is whole, else as
// the nearest double.
func appendExact(dst, raw []byte) []byte {
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
		if d.negative {
			dst = append(dst, '-')
		}
		dst = append(dst, d.digits...)
		return append(dst, bytes.Repeat([]byte{'0'}, d.point-len(d.digits))...)
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return append(dst, raw...)
	}
	return appendHaskell(dst, x)
}

// appendInteger appends the integer nearest to a number, of two the even one, and
// reduced to 64 bits when wrap is set.
func appendInteger(dst, raw []byte, wrap bool) []byte {
	if isPlain(raw) && (!wrap || len(raw) <= 18) {
		return append(dst, raw...)
	}
	d := parse(raw)
	if d.point > maxDigits {
		return append(dst, raw...)
	}
	var n big.Int
	if d.point > 0 {
		whole := d.digits[:min(d.point, len(d.digits))]
		whole = append(bytes.Clone(whole), bytes.Repeat([]byte{'0'}, d.point-len(whole))...)
		n.SetString(string(whole), 10)
	}
	if d.point >= 0 && d.point < len(d.digits) {
		rest := d.digits[d.point:]
		half := len(rest) == 1 && rest[0] == '5'
		if half && n.Bit(0) == 1 || !half && rest[0] >= '5' {
			n.Add(&n, big.NewInt(1))
		}
	}
	if d.negative {
		n.Neg(&n)
	}
	if !wrap {
		return n.Append(dst, 10)
	}
	var low big.Int
	low.And(&n, new(big.Int).SetUint64(math.MaxUint64))
	return strconv.AppendInt(dst, int64(low.Uint64()), 10)
}

// appendDouble appends a double: all its digits when it is whole.
func appendDouble(dst []byte, x float64) []byte {
	switch {
	case x == 0:
		return append(dst, '0')
	case x == math.Trunc(x):
		return strconv.AppendFloat(dst, x, 'f', 0, 64)
	}
	return appendHaskell(dst, x)
}

// appendHaskell appends a double in Haskell's notation: 0.1 to 10^7 plain, others
// as 1.0e-2.
func appendHaskell(dst []byte, x float64) []byte {
	format := byte('e')
	if abs := math.Abs(x); abs == 0 || 0.1 <= abs && abs < 1e7 {
		format = 'f'
	}
	text := strconv.AppendFloat(make([]byte, 0, 32), x, format, -1, 64)
	mantissa, exponent, hasExponent := bytes.Cut(text, []byte{'e'})
	dst = append(dst, mantissa...)
	if bytes.IndexByte(mantissa, '.') < 0 {
		dst = append(dst, ".0"...)
	}
	if hasExponent {
		n, _ := strconv.Atoi(string(exponent)) // without its plus sign and zeros
		dst = strconv.AppendInt(append(dst, 'e'), int64(n), 10)
	}
	return dst
}

// appendTime appends a time as Ganeti's clock type turns it: cut into whole
// seconds and picoseconds and put together again, with the rounding errors that
// come of it.
func appendTime(dst, raw []byte, t float64) []byte {
	const pico = 1_000_000_000_000
	p := math.RoundToEven(t * pico)
	if math.Abs(p) >= 1e31 {
		return appendExact(dst, raw) // not a time, and more than the division below takes
	}
	fraction, exponent := math.Frexp(math.Abs(p))
	mantissa, shift := uint64(fraction*(1<<53)), exponent-53
	var high, low uint64
	switch {
	case shift <= 0: // nothing is lost: p is whole
		low = mantissa >> -shift
	case shift < 64:
		high, low = mantissa>>(64-shift), mantissa<<shift
	}
	seconds, rest := bits.Div64(high, low, pico)
	whole := float64(seconds)
	if p < 0 {
		whole = -whole
		if rest > 0 { // the division is towards minus infinity
			whole = -float64(seconds + 1)
			rest = pico - rest
		}
	}
	return appendDouble(dst, whole+float64(rest)/pico)
}
