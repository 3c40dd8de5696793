package canonical

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePointer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pointer string
		want    []string
		err     error
	}{
		{"", nil, ErrWholeDocument},
		{"/", []string{""}, nil},
		{"//", []string{"", ""}, nil},
		{"/a/b c", []string{"a", "b c"}, nil},
		{"/a/", []string{"a", ""}, nil},
		{"/~0~1/~01", []string{"~/", "~1"}, nil},
		{"a", nil, ErrPointer},
		{"#/a", nil, ErrPointer},
		{" /a", nil, ErrPointer},
		{"/~", nil, ErrPointer},
		{"/a~", nil, ErrPointer},
		{"/~2", nil, ErrPointer},
		{"/~~0", nil, ErrPointer},
		{"/~/0", nil, ErrPointer},
	}
	for _, test := range tests {
		got, err := ParsePointer(test.pointer)
		if !errors.Is(err, test.err) {
			t.Errorf("%q: error %v, want %v", test.pointer, err, test.err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.pointer, diff)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	document := []byte(`{"a":{"":{"":5},"~":"t","x/y":1,"é\"":2},"list":[10,[20,21],{"k":1},"s"],"n":null,"f":false,"empty":[],"none":{},"d":1,"d":2}`)
	tests := []struct{ pointer, want string }{
		{"/a//", "5"},
		{"/a/", `{"":5}`},
		{"/a/~0", `"t"`},
		{"/a/x~1y", "1"},
		{`/a/é"`, "2"},
		{"/list", `[10,[20,21],{"k":1},"s"]`},
		{"/list/0", "10"},
		{"/list/1/1", "21"},
		{"/list/2/k", "1"},
		{"/n", "null"},
		{"/d", "2"},
		// nothing there
		{"/", ""},
		{"/b", ""},
		{"/A", ""},
		{"/list/4", ""},
		{"/list/-", ""},
		{"/list/-1", ""},
		{"/list/+1", ""},
		{"/list/01", ""},
		{"/list/00", ""},
		{"/list/1x", ""},
		{"/list/", ""},
		{"/list/18446744073709551616", ""},
		{"/list/3/0", ""},
		{"/n/x", ""},
		{"/f/0", ""},
		{"/empty/0", ""},
		{"/none/0", ""},
	}
	for _, test := range tests {
		tokens, err := ParsePointer(test.pointer)
		if err != nil {
			t.Fatalf("%s: %v", test.pointer, err)
		}
		got, ok := Lookup(document, tokens)
		if string(got) != test.want || ok != (test.want != "") {
			t.Errorf("%s leads to %q, %t; want %q", test.pointer, got, ok, test.want)
		}
	}
}
