package canonical

import (
	"strings"
	"testing"

	"gntconfd/internal/jsontext"

	"pgregory.net/rapid"
)

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
		tokens, err := jsontext.ParsePointer(test.pointer)
		if err != nil {
			t.Fatalf("%s: %v", test.pointer, err)
		}
		got, ok := Lookup(document, tokens)
		if string(got) != test.want || ok != (test.want != "") {
			t.Errorf("%s leads to %q, %t; want %q", test.pointer, got, ok, test.want)
		}
	}
}

// A Tree finds what Lookup finds, in values of all sizes.
func TestTree(t *testing.T) {
	t.Parallel()
	large := `"` + strings.Repeat("x", 5_000) + `"`
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) string
		value = func(depth int) string {
			kinds := []string{"1", "null", `"s"`, `"a\"]}"`, large, "[", "{"}
			if depth == 4 {
				kinds = kinds[:5]
			}
			kind := rapid.SampledFrom(kinds).Draw(t, "value")
			var parts []string
			for range rapid.IntRange(0, 5).Draw(t, "elements") {
				switch kind {
				case "[":
					parts = append(parts, value(depth+1))
				case "{":
					name := rapid.SampledFrom([]string{`""`, `"a"`, `"b"`, `"c\"d"`, large}).Draw(t, "name")
					parts = append(parts, name+":"+value(depth+1))
				}
			}
			switch kind {
			case "[":
				return "[" + strings.Join(parts, ",") + "]"
			case "{":
				return "{" + strings.Join(parts, ",") + "}"
			}
			return kind
		}
		text := []byte(value(0))
		tree := NewTree(text)
		token := rapid.SampledFrom([]string{"0", "1", "2", "4", "5", "", "a", "b", `c"d`, strings.Repeat("x", 5_000), "01"})
		for range 20 {
			tokens := rapid.SliceOfN(token, 0, 5).Draw(t, "tokens")
			got, ok := tree.Lookup(tokens)
			want, found := Lookup(text, tokens)
			if string(got) != string(want) || ok != found {
				t.Fatalf("%.200s: %.100q leads to %.100q, %t, want %.100q, %t", text, tokens, got, ok, want, found)
			}
		}
	})
}
