package jsontext

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
