package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gntconfd/gen/wire"
)

// jsonPieces are what drawn texts are made of.
var jsonPieces = []string{`{`, `}`, `[`, `]`, `:`, `,`, `"a"`, `"`, `\`, `\u00e9`, `\u12g4`, "\x1f", "\x7f", " ", "\n", "\t", `é`, "\xff",
	`0`, `1`, `-`, `.`, `e`, `E+`, `e-`, `-0.5e10`, `01`, `true`, `false`, `null`, `tru`, `nul`, `{}`, `[]`, `{"a":1}`, `"long text without anything"`, `/`, `b`}

// A value is what encoding/json takes for one, and ends where it does.
func TestScanValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(jsonPieces), 0, 12).Draw(t, "pieces"), "")
		end, err := scanValue([]byte(text), 0)
		switch {
		case err == nil && !json.Valid([]byte(text[:end])):
			t.Fatalf("%q is taken for a value", text[:end])
		case err != nil && json.Valid([]byte(text)) && (err != errCut || text[len(text)-1] < '0' || text[len(text)-1] > '9'):
			t.Fatalf("%q: %v", text, err)
		case err == nil && end < len(text) && strings.ContainsAny(text[:1], `{["`) && json.Valid([]byte(text)) && strings.TrimSpace(text[end:]) != "":
			t.Fatalf("%q ends at %d", text, end)
		case err == errCut && !cut(text):
			t.Fatalf("%q may go on", text)
		case err != nil && err != errCut && !errors.Is(err, errDeep) && cut(text):
			t.Fatalf("%q may go on, but: %v", text, err)
		}
	})
}

// cut reports whether a text is the beginning of a value and of no whole one, or is a
// number that may go on.
func cut(text string) bool {
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	if err == nil {
		_, number := value.(json.Number)
		return number && int(decoder.InputOffset()) == len(text)
	}
	return strings.Contains(err.Error(), "EOF")
}

// Values have as many levels as they may, and no more.
func TestScanLevels(t *testing.T) {
	for levels, want := range map[int]error{wire.ConfigLevels: nil, wire.ConfigLevels + 1: errDeep} {
		for _, text := range []string{
			strings.Repeat("[", levels) + strings.Repeat("]", levels),
			strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1),
		} {
			if end, err := scanValue([]byte(text), 0); err != want || err == nil && end != len(text) {
				t.Errorf("%.40s: ends at %d, %v", text, end, err)
			}
		}
	}
}

// Each byte of a string may be in any of its places, also where eight are looked at at once.
func TestScanStrings(t *testing.T) {
	pieces := []string{"a", "aaaaaaaa", " ", "!", "~", "\x1f", "\x00", `\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`, `\a`, `\u0000`, `\uaFAf`,
		`\u00g0`, `\u@000`, "\\u00`0", `\u00G0`, `\u0:00`, `\u12`, "é", "\x7f", `\`, "[", "]", "#"}
	rapid.Check(t, func(t *rapid.T) {
		text := `"` + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6).Draw(t, "pieces"), "") + `"`
		end, err := scanString([]byte(text), 0)
		if err != nil {
			if json.Valid([]byte(text)) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !json.Valid([]byte(text[:end])) {
			t.Fatalf("%q is taken for a string", text[:end])
		}
		for i := 1; i < end; i++ {
			if _, err := scanString([]byte(text[:i]), 0); err != errCut {
				t.Fatalf("%q: %v", text[:i], err)
			}
		}
	})
}

// Of eight bytes each is looked at, and printable ASCII is plain.
func TestIsPlain(t *testing.T) {
	for c := range 256 {
		for at := range 8 {
			eight := []byte("aaaaaaaa")
			eight[at] = byte(c)
			want := ' ' <= c && c < 0x80 && c != '"' && c != '\\'
			if got := isPlain(binary.LittleEndian.Uint64(eight)); got != want {
				t.Errorf("%q: plain is %v", eight, got)
			}
		}
	}
}

// An error about a word names the byte that differs.
func TestScanWords(t *testing.T) {
	for text, want := range map[string]error{
		"true": nil, "false": nil, "null": nil, "tru": errCut, "f": errCut, "nul": errCut, " tru": errCut, "[nul": errCut,
		"trux": unexpected('x', 3), "falze": unexpected('z', 3), " nuLl": unexpected('L', 3), "[1,tRue]": unexpected('R', 4), "[1,nullx]": unexpected('x', 7),
	} {
		if _, err := scanValue([]byte(text), 0); (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// All texts of up to five bytes that numbers consist of are numbers where encoding/json takes
// them for such.
func TestScanNumbers(t *testing.T) {
	texts := []string{""}
	for range 5 {
		var longer []string
		for _, text := range texts {
			for _, c := range "-+.eE09" {
				longer = append(longer, text+string(c))
			}
		}
		texts = longer
		for _, text := range texts {
			end, err := scanValue([]byte(text+" "), 0)
			if got, want := err == nil && end == len(text), json.Valid([]byte(text)); got != want {
				t.Errorf("%s: ends at %d, %v", text, end, err)
			}
			if _, err := scanValue([]byte(text), 0); err != errCut && json.Valid([]byte(text)) {
				t.Errorf("%s may go on, but: %v", text, err)
			}
		}
	}
}

// A text that ends before a value does is cut, wherever it ends.
func TestScanCut(t *testing.T) {
	const text = ` { "a" : [ 1 , "b" , { } ] , "c" : { "d\u00e9" : null , "e" : [ ] } }`
	if end, err := scanValue([]byte(text), 0); err != nil || end != len(text) {
		t.Errorf("ends at %d of %d, %v", end, len(text), err)
	}
	for i := range text {
		if _, err := scanValue([]byte(text[:i]), 0); err != errCut {
			t.Errorf("%s: %v", text[:i], err)
		}
	}
}
