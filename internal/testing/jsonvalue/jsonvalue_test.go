package jsonvalue

import (
	"encoding/json"
	"testing"
)

func TestDifference(t *testing.T) {
	exact := func(want, got any) bool {
		a, ok := want.(json.Number)
		b, okB := got.(json.Number)
		return want == got || ok && okB && SameNumberAndKind(a, b)
	}
	for _, test := range []struct{ want, got, difference string }{
		{"1", "1", ""},
		{"1", "1.0", ": 1.0, want 1"},
		{"100.0", "1.0e2", ""},
		{"0.1", "0.10000000000000000001", ": 0.10000000000000000001, want 0.1"},
		{"1", `"1"`, `: "1", want 1`},
		{"null", "0", ": 0, want null"},
		{"null", "{}", ": {}, want null"},
		{"[]", "{}", ": {}, want []"},
		{"{}", "[]", ": [], want {}"},
		{"[1,2]", "[2,1]", "/0: 2, want 1"},
		{"[1]", "[1,2]", "/1: unexpected [2], the list must end there"},
		{"[1,2]", "[1]", "/1: the list ends, want also [2]"},
		{"[1,2,3]", "[2,3]", "/0: from there on [2,3], want [1,2,3] (2 elements, want 3)"},
		{`{"a":1,"b":[{"c":2}]}`, `{"b":[{"c":2}],"a":1}`, ""},
		{`{"a":1,"b":[{"c":2}]}`, `{"b":[{"c":3}],"a":1}`, "/b/0/c: 3, want 2"},
		{`{"a":1}`, `{}`, `: missing member "a"`},
		{`{}`, `{"a":null}`, `: unexpected member "a"`},
	} {
		want, err := Decode([]byte(test.want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode([]byte(test.got))
		if err != nil {
			t.Fatal(err)
		}
		difference := ""
		if err := Difference(want, got, exact); err != nil {
			difference = err.Error()
		}
		if difference != test.difference {
			t.Errorf("%s and %s: %q, want %q", test.want, test.got, difference, test.difference)
		}
	}
}

func TestSameNumber(t *testing.T) {
	for _, test := range []struct {
		a, b       json.Number
		same, kind bool
	}{
		{"1", "1", true, true},
		{"1", "1.0", true, false},
		{"100", "1e2", true, false},
		{"100.0", "1e2", true, true},
		{"12345678901234567890", "12345678901234567891", false, false},
		{"0.1", "0.10000000000000000001", false, false},
		{"-0", "0", true, true},
		{"x", "1", false, false},
	} {
		if got := SameNumber(test.a, test.b); got != test.same {
			t.Errorf("SameNumber(%s, %s) = %t", test.a, test.b, got)
		}
		if got := SameNumberAndKind(test.a, test.b); got != test.kind {
			t.Errorf("SameNumberAndKind(%s, %s) = %t", test.a, test.b, got)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, text := range []string{"", "{", "1 2", "{} x", "nul"} {
		if value, err := Decode([]byte(text)); err == nil {
			t.Errorf("%q became %v", text, value)
		}
	}
	if value, err := Decode([]byte(" 12345678901234567890 \n")); err != nil || value != json.Number("12345678901234567890") {
		t.Errorf("%v, %v", value, err)
	}
}
