package cluster

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// Places are a map from texts to the last position with each.
func TestPositionTable(t *testing.T) {
	few := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e"})
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(few).Draw(t, "texts")
		text := func(i int32) string { return texts[i] }
		p := newPositionTable(len(texts))
		want := make(map[string]int32)
		for i := range texts {
			p.add(int32(i), text)
			want[texts[i]] = int32(i)
		}
		for _, wanted := range []string{"", "a", "b", "c", "d", "e", "none"} {
			i, ok := p.find(wanted, text)
			if at, known := want[wanted]; ok != known || ok && i != at {
				t.Fatalf("%q is at %d, %v; want %d, %v", wanted, i, ok, at, known)
			}
		}
		all := p.all()
		slices.Sort(all)
		if !slices.Equal(all, slices.Sorted(maps.Values(want))) {
			t.Fatalf("all are %v, want %v", all, want)
		}
	})
	if _, ok := positionTable(nil).find("", nil); ok {
		t.Error("something is found in none")
	}
}

// Many texts are found, however they share slots.
func TestManyPositions(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 100, 1000} {
		text := func(i int32) string { return strconv.Itoa(int(i)) }
		p := newPositionTable(n)
		if len(p) <= n || len(p) > 3*n+1 {
			t.Errorf("%d slots for %d texts", len(p), n)
		}
		for i := range int32(n) {
			p.add(i, text)
		}
		for i := range int32(n) {
			if at, ok := p.find(text(i), text); !ok || at != i {
				t.Errorf("of %d texts %d is at %d, %v", n, i, at, ok)
			}
		}
		if _, ok := p.find("none", text); ok {
			t.Errorf("of %d texts one is found that is not there", n)
		}
	}
}
