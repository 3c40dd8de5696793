package cluster

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// A positionTable finds positions in a list by a text of the element there. It takes 6 to 12
// bytes per element and has no texts of its own; a map takes about 40 bytes, and two pointers
// for the garbage collector to follow. It is a hash table with linear probing. Slots contain a
// position plus 1, or 0 if empty. A nil table is empty.
//
// Its methods take a function that returns the text of the element at a position.
type positionTable []int32

var seed = maphash.MakeSeed()

// newPositionTable returns a table for at most n positions.
func newPositionTable(n int) positionTable { return make(positionTable, 1<<bits.Len(uint(n+n/2))) }

// add adds a position, and replaces the one with the same text, if any.
func (p positionTable) add(position int32, text func(int32) string) {
	*p.slot(text(position), text) = position + 1
}

// find returns the position with a text.
func (p positionTable) find(wanted string, text func(int32) string) (int32, bool) {
	if p == nil {
		return 0, false
	}
	position := *p.slot(wanted, text) - 1
	return position, position >= 0
}

// slot returns the slot with a text or, if there is none, the slot for it. At least one slot is
// always empty.
func (p positionTable) slot(wanted string, text func(int32) string) *int32 {
	for h := maphash.String(seed, wanted); ; h++ {
		slot := &p[h&uint64(len(p)-1)]
		if *slot == 0 || text(*slot-1) == wanted {
			return slot
		}
	}
}

// all returns the positions in no particular order.
func (p positionTable) all() []int32 {
	var all []int32
	for _, slot := range p {
		if slot > 0 {
			all = append(all, slot-1)
		}
	}
	return slices.Clip(all)
}
