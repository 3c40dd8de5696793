package cluster

import (
	"slices"
	"strings"
)

// Match is the outcome of a lookup by name.
type Match uint8

const (
	// NotFound: nothing has that key or name.
	NotFound Match = iota
	// Found: exactly one object is meant.
	Found
	// Ambiguous: more than one name starts with what was asked for.
	Ambiguous
)

// names finds objects of a container by key (the UUID, as a rule), by name, or by the
// leading labels of a name, in this order, as Ganeti finds nodes and instances.
type names struct {
	keys   *container
	byName positionTable
	sorted []int32 // one object of every name, by name, ascending
}

// newNames returns the names of a container's objects. nameless objects are found by
// their keys alone. Of several objects with one name the last is found.
func newNames(keys *container, name func(i int32) string, nameless func(i int32) bool) names {
	n := names{keys: keys, byName: newPositionTable(len(keys.all()))}
	for i := range int32(len(keys.all())) {
		if !nameless(i) {
			n.byName.add(i, name)
		}
	}
	n.sorted = n.byName.all()
	slices.SortFunc(n.sorted, func(i, j int32) int { return strings.Compare(name(i), name(j)) })
	return n
}

// with returns the same names of another container, which has the same keys.
func (n names) with(keys *container) names {
	n.keys = keys
	return n
}

// find returns the index of the object that query means: the one with that key
// or name or, where there is none, the only one whose name continues query with
// a dot. It takes time logarithmic in the number of names and allocates nothing.
func (n *names) find(query string, name func(i int32) string) (int32, Match) {
	if i, ok := n.keys.find(query); ok {
		return i, Found
	}
	if i, ok := n.byName.find(query, name); ok {
		return i, Found
	}
	first, _ := slices.BinarySearchFunc(n.sorted, query, func(i int32, query string) int {
		return compareWithDot(name(i), query)
	})
	continues := func(at int) bool {
		return at < len(n.sorted) && compareWithDot(name(n.sorted[at]), query) == 0
	}
	switch {
	case !continues(first):
		return 0, NotFound
	case continues(first + 1):
		return 0, Ambiguous
	}
	return n.sorted[first], Found
}

// compareWithDot compares the beginning of name, which is not query, with query + "."
// without making that string: 0 when name starts with it.
func compareWithDot(name, query string) int {
	if !strings.HasPrefix(name, query) {
		return strings.Compare(name, query)
	}
	return int(name[len(query)]) - '.'
}
