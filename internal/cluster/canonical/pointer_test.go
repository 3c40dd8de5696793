package canonical

import (
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/jsontext"

	"github.com/google/go-cmp/cmp"
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
					name := rapid.SampledFrom([]string{`""`, `"a"`, `"b"`, `"\u0062"`, `"c\"d"`, large}).Draw(t, "name")
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

// Only large values have tables.
func TestTables(t *testing.T) {
	t.Parallel()
	text := func(size int) string { return `"` + strings.Repeat("x", size-2) + `"` }
	list := func(size int) string { return `[` + text(size-2) + `]` }
	for _, test := range []struct {
		name, text string
		begins     []int
	}{
		{"small text", text(large - 1), nil},
		{"large text", text(large), []int{0}},
		{"small list", list(large - 1), nil},
		{"large list", list(large), []int{0}},
		{"larger list", list(large + 2), []int{0, 1}},
		{"small in large", `[` + list(large-1) + `,` + text(large-1) + `]`, []int{0}},
		{"large in large", `[` + list(large) + `,` + text(large) + `]`, []int{0, 1, 1 + large + 1}},
		{"object", `{"a":` + list(large-1) + `,"b":` + list(large) + `}`, []int{0, 5 + large - 1 + 5}},
	} {
		tree := NewTree([]byte(test.text))
		var begins []int
		for begin := range tree.tables {
			begins = append(begins, begin)
		}
		slices.Sort(begins)
		if !slices.Equal(begins, test.begins) {
			t.Errorf("%s: tables of the values at %v, want %v", test.name, begins, test.begins)
		}
	}
}

func TestMembersAndNames(t *testing.T) {
	t.Parallel()
	text := []byte(`{"b":1,"\u0061":[2],"b":{}}`)
	want := map[string][]byte{"a": []byte("[2]"), "b": []byte("{}")}
	if diff := cmp.Diff(want, Members(text)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"b", "a", "b"}, Names(text)); diff != "" {
		t.Error(diff)
	}
	if names := Names([]byte(`{}`)); names == nil || len(names) > 0 {
		t.Errorf("names %v of an empty object", names)
	}
	for _, other := range []string{`[]`, `"{}"`, `7`, `null`} {
		if Members([]byte(other)) != nil || Names([]byte(other)) != nil {
			t.Errorf("%s has members", other)
		}
	}
}

// The first byte of a value and the last of a container lead to it, and every byte in
// between to the innermost value that it is in.
func TestPlace(t *testing.T) {
	t.Parallel()
	const text = ` {"a" : [10, {"b~\/":"x y"} ] ,"c":[[] , true],"a":5}`
	for _, test := range []struct {
		part, place string
		last        bool // whether the last byte of part counts, not the first
	}{
		{text[1:], "", false}, {text, "", true},
		{`[10`, "/a", false}, {`10`, "/a/0", false}, {`{"b~`, "/a/1", false}, {`"x y"`, "/a/1/b~0~1", false}, {` y`, "/a/1/b~0~1", false},
		{`"x y"`, "/a/1/b~0~1", true}, {`"x y"}`, "/a/1", true}, {`"} ]`, "/a", true}, {`[[]`, "/c", false}, {`[] `, "/c/0", false},
		{`[]`, "/c/0", true}, {`true`, "/c/1", false}, {`true`, "/c/1", true}, {`true]`, "/c", true}, {`5}`, "/a", false}, {`5}`, "", true},
		{`:[[`, "", false}, {` , true`, "/c", false}, {`, true`, "/c", false},
	} {
		at := strings.Index(text, test.part)
		if test.last {
			at += len(test.part) - 1
		}
		if got := Place([]byte(text), at); got != test.place {
			t.Errorf("byte %d, of %q: %q, want %q", at, test.part, got, test.place)
		}
	}
}
