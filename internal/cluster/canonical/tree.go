package canonical

import (
	"bytes"
	"slices"
	"sort"

	"gntconfd/internal/jsontext"
)

// A Tree finds values in a canonical text by pointers. Large values have tables of where they
// end and where their elements begin, which are made once, so finding something in a large value
// takes no longer than in a small one. A text without large values has no tables.
type Tree struct {
	text   []byte
	tables map[int]*table // by the position in text where the value begins
}

// large is the minimum size in bytes of a value with a table. Smaller values are scanned from
// the beginning.
const large = 4 << 10

// table has the end of a large value and the beginnings of its elements or members.
type table struct {
	end    int
	starts []int32 // for each element, in the order of the text
	// byName has, for an object, positions in starts, sorted by the members' names; of duplicate
	// names only the last.
	byName []int32
	// labels has those names that the text, in unknown members, writes with needless escapes,
	// without these escapes.
	labels map[int32][]byte
}

// NewTree returns the Tree of a canonical text of less than 2 GiB. It takes time linear in the
// text, except for sorting names, and memory for the elements of large containers.
func NewTree(text []byte) Tree {
	t := Tree{text: text}
	if len(text) < large {
		return t
	}
	t.tables = make(map[int]*table)
	type container struct {
		begin  int
		starts int // position of its elements in starts
	}
	var open []container
	var starts []int32
	expecting := false // whether an element or a member begins next
	for i := 0; i < len(text); {
		c := text[i]
		if expecting && c != ']' && c != '}' {
			starts = append(starts, int32(i))
		}
		expecting = false
		begin := i
		i++
		switch c {
		case '{', '[':
			open = append(open, container{begin, len(starts)})
			expecting = true
		case ',':
			expecting = true
		case ':':
		case ']', '}':
			last := open[len(open)-1]
			open = open[:len(open)-1]
			if i-last.begin >= large {
				t.tables[last.begin] = t.newTable(i, starts[last.starts:], c == '}')
			}
			starts = starts[:last.starts]
		default: // a string, a number or a word
			if i = skip(text, begin); i-begin >= large {
				t.tables[begin] = &table{end: i}
			}
		}
	}
	return t
}

func (t Tree) newTable(end int, starts []int32, object bool) *table {
	made := &table{end: end, starts: slices.Clone(starts)}
	if !object {
		return made
	}
	order := make([]int32, len(starts))
	for i := range order {
		order[i] = int32(i)
		raw := t.label(made, int32(i))
		if !bytes.ContainsRune(raw, '\\') {
			continue
		}
		if label := jsontext.AppendQuoted(nil, jsontext.Unquote(raw)); !bytes.Equal(label, raw) {
			if made.labels == nil {
				made.labels = make(map[int32][]byte)
			}
			made.labels[int32(i)] = label
		}
	}
	slices.SortStableFunc(order, func(i, j int32) int { return bytes.Compare(t.label(made, i), t.label(made, j)) })
	made.byName = order[:0]
	for i, position := range order {
		if i+1 == len(order) || !bytes.Equal(t.label(made, order[i+1]), t.label(made, position)) {
			made.byName = append(made.byName, position)
		}
	}
	return made
}

// label returns the name of the member at a position as a JSON string. No label is a prefix of
// another, because labels end with a quote.
func (t Tree) label(of *table, position int32) []byte {
	if label, ok := of.labels[position]; ok {
		return label
	}
	start := int(of.starts[position])
	return t.text[start:skipString(t.text, start)]
}

// compare compares a label with the name of the member at a position. It reads no more of a long
// name than the label's length.
func (t Tree) compare(label []byte, of *table, position int32) int {
	name, ok := of.labels[position]
	if !ok {
		name = t.text[of.starts[position]:]
	}
	return bytes.Compare(label, name[:min(len(name), len(label))])
}

// Lookup returns the text of the value at the tokens of a pointer, like the function Lookup.
func (t Tree) Lookup(tokens []string) (value []byte, ok bool) {
	begin := 0
	for depth, token := range tokens {
		table := t.tables[begin]
		switch {
		case table == nil:
			return Lookup(t.text[begin:], tokens[depth:]) // without looking for the value's end
		case t.text[begin] == '[':
			n, ok := index(token)
			if !ok || n >= uint64(len(table.starts)) {
				return nil, false
			}
			begin = int(table.starts[n])
		case t.text[begin] == '{':
			label := jsontext.AppendQuoted(nil, []byte(token))
			at, found := sort.Find(len(table.byName), func(i int) int {
				return t.compare(label, table, table.byName[i])
			})
			if !found {
				return nil, false
			}
			begin = int(table.starts[table.byName[at]])
			begin = skipString(t.text, begin) + len(":")
		default:
			return nil, false
		}
	}
	return t.valueAt(begin), true
}

// valueAt returns the value that begins at begin.
func (t Tree) valueAt(begin int) []byte {
	if table := t.tables[begin]; table != nil {
		return t.text[begin:table.end]
	}
	return t.text[begin:skip(t.text, begin)]
}
