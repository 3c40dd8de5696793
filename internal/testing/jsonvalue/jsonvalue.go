// Package jsonvalue decodes and compares JSON values for tests. It uses only encoding/json,
// and so is independent of the codecs that the tests judge.
package jsonvalue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// Decode decodes one JSON value. Numbers become json.Number, which keeps all digits.
func Decode(text []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return value, nil
}

// SameNumber reports whether two numbers have exactly the same value, however they are
// written.
func SameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, okX := new(big.Rat).SetString(a.String())
	y, okY := new(big.Rat).SetString(b.String())
	return okX && okY && x.Cmp(y) == 0
}

// SameNumberAndKind is like SameNumber, but an integer differs from a number with a fraction
// or an exponent: 1 is not 1.0, but 1.0e2 is 100.0.
func SameNumberAndKind(a, b json.Number) bool {
	return strings.ContainsAny(a.String(), ".eE") == strings.ContainsAny(b.String(), ".eE") && SameNumber(a, b)
}

// Difference returns the first difference between two decoded values, with its path, or nil.
// same compares values that are neither objects nor lists.
func Difference(want, got any, same func(want, got any) bool) error {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			break
		}
		for name := range got {
			if _, ok := want[name]; !ok {
				return fmt.Errorf(": unexpected member %q", name)
			}
		}
		for name := range want {
			value, ok := got[name]
			if !ok {
				return fmt.Errorf(": missing member %q", name)
			}
			if err := Difference(want[name], value, same); err != nil {
				return fmt.Errorf("/%s%w", name, err)
			}
		}
		return nil
	case []any:
		got, ok := got.([]any)
		if !ok {
			break
		}
		for i := range min(len(want), len(got)) {
			if err := Difference(want[i], got[i], same); err == nil {
				continue
			} else if len(want) != len(got) {
				return fmt.Errorf("/%d: from there on %.200s, want %.200s (%d elements, want %d)",
					i, Encode(got[i:]), Encode(want[i:]), len(got), len(want))
			} else {
				return fmt.Errorf("/%d%w", i, err)
			}
		}
		switch n := min(len(want), len(got)); {
		case len(got) < len(want):
			return fmt.Errorf("/%d: the list ends, want also %.200s", n, Encode(want[n:]))
		case len(got) > len(want):
			return fmt.Errorf("/%d: unexpected %.200s, the list must end there", n, Encode(got[n:]))
		}
		return nil
	default:
		if same(want, got) {
			return nil
		}
	}
	return fmt.Errorf(": %.200s, want %.200s", Encode(got), Encode(want))
}

// Encode returns a value as JSON, without escapes for HTML.
func Encode(value any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
