package cluster

import (
	"slices"
	"strings"
)

// Match is the result of a lookup by name.
type Match uint8

const (
	// NotFound: nothing has the key or name.
	NotFound Match = iota
	// Found: exactly one object matches.
	Found
	// Ambiguous: several names begin with the query.
	Ambiguous
)

// names finds objects of a container by key (usually the UUID), by name, or by the first labels
// of a name, in this order, as Ganeti finds nodes and instances.
type names struct {
	keys   *container
	byName positionTable
	sorted []int32 // one object for each name, sorted by name
}

// newNames returns the names of a container's objects. Objects that are nameless are found only
// by their keys. If several objects have the same name, the last one is found.
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

// with returns the same names for another container with the same keys.
func (n names) with(keys *container) names {
	n.keys = keys
	return n
}

// find returns the index of the object with the key or name in query or, if there is none, the
// only object whose name continues query with a dot. It takes time logarithmic in the number of
// names and allocates nothing.
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

// compareWithDot compares the beginning of name, which is not query, with query + "." without
// making that string. It returns 0 if name begins with it.
func compareWithDot(name, query string) int {
	if !strings.HasPrefix(name, query) {
		return strings.Compare(name, query)
	}
	return int(name[len(query)]) - '.'
}
