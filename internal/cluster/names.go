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

// names finds objects by key (the UUID, as a rule), by name, or by the leading
// labels of a name, in this order, as Ganeti finds nodes and instances.
type names struct {
	byKey  map[string]int32
	byName map[string]int32
	sorted []string // every name, once, ascending
}

func newNames(size int) names {
	return names{
		byKey:  make(map[string]int32, size),
		byName: make(map[string]int32, size),
		sorted: make([]string, 0, size),
	}
}

// add makes object i known under its key and its name. Of two objects with one
// name the one added last is found.
func (n *names) add(i int32, key, name string) {
	n.byKey[key] = i
	n.byName[name] = i
	n.sorted = append(n.sorted, name)
}

// addNameless makes object i known under its key alone.
func (n *names) addNameless(i int32, key string) { n.byKey[key] = i }

// finish makes n ready for find.
func (n *names) finish() {
	slices.Sort(n.sorted)
	n.sorted = slices.Clip(slices.Compact(n.sorted))
}

// find returns the index of the object that query means: the one with that key
// or name or, where there is none, the only one whose name continues query with
// a dot. It takes time logarithmic in the number of names and allocates nothing.
func (n *names) find(query string) (int32, Match) {
	if i, ok := n.byKey[query]; ok {
		return i, Found
	}
	if i, ok := n.byName[query]; ok {
		return i, Found
	}
	first, _ := slices.BinarySearchFunc(n.sorted, query, compareWithDot)
	switch {
	case !n.continues(first, query):
		return 0, NotFound
	case n.continues(first+1, query):
		return 0, Ambiguous
	}
	return n.byName[n.sorted[first]], Found
}

// continues reports whether the name at i starts with query and a dot.
func (n *names) continues(i int, query string) bool {
	return i < len(n.sorted) && compareWithDot(n.sorted[i], query) == 0
}

// compareWithDot compares the beginning of name with query + "." without making
// that string: 0 when name starts with it.
func compareWithDot(name, query string) int {
	switch {
	case name == query:
		return -1
	case !strings.HasPrefix(name, query):
		return strings.Compare(name, query)
	}
	return int(name[len(query)]) - '.'
}
