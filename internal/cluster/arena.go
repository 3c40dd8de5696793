package cluster

import "hash/maphash"

// An arena keeps the texts of some neighbouring objects of a file in one piece of memory.
// That wastes less memory than a piece for each, and is less work for the garbage collector.
// The hashes of the keys decide where an arena begins and ends. So a new object does not
// change the arenas after its own, and unchanged arenas can be shared with the former
// snapshot.
//
// A few new texts have pieces of their own. The texts that they replace stay in the common
// piece as waste. When there is too much waste, all texts get a new piece.
type arena struct {
	objects int     // how many there are in it
	size    int     // of their texts, in bytes
	held    int     // the size of the pieces of the former snapshot that texts are in
	last    *[]byte // the last of these that is not for one text alone
	alone   int     // how many texts have one for themselves, or are new
	new     []byte  // the texts that are not in the former snapshot
}

const (
	// arenaMask is one less than the mean number of objects in an arena.
	arenaMask = 1<<5 - 1
	// At most one in so many bytes of an arena is waste, and one in so many texts alone.
	arenaWaste = 8
)

// endsBefore reports whether the object with a key is in the next arena.
func (a *arena) endsBefore(key string) bool { return maphash.String(seed, key)&arenaMask == 0 }

// addFormer adds an object of the former snapshot.
func (a *arena) addFormer(o *object) {
	a.objects++
	a.size += o.size
	switch {
	case o.size == len(*o.piece):
		a.alone++
		a.held += o.size
	case o.piece != a.last:
		a.last = o.piece
		a.held += len(*o.piece)
	}
}

// addNew adds an object that gets a new text.
func (a *arena) addNew(o *object, text []byte) {
	a.objects++
	a.size += len(text)
	a.alone++
	o.piece, o.at, o.size = &a.new, len(a.new), len(text)
	a.new = append(a.new, text...)
}

// wasteful reports whether the texts are to get a new piece.
func (a *arena) wasteful() bool {
	return a.held+len(a.new) > a.size+a.size/arenaWaste || a.objects > 1 && a.alone > a.objects/arenaWaste
}

// differs reports whether the arena differs from the one in the former snapshot.
func (a *arena) differs() bool { return len(a.new) > 0 || a.wasteful() }

// finish ends an arena, whose objects are the last of a list, and begins a new one. It may
// move the texts if the arena differs.
func (a *arena) finish(list []object) {
	list = list[len(list)-a.objects:]
	switch {
	case a.wasteful():
		piece := make([]byte, 0, a.size)
		for i := range list {
			o := &list[i]
			at := len(piece)
			piece = append(piece, o.raw()...)
			o.piece, o.at = &piece, at
		}
	case len(a.new) > 0:
		for i := range list {
			if o := &list[i]; o.piece == &a.new {
				*o = newObject(o.key, o.raw())
			}
		}
	}
	*a = arena{new: a.new[:0]}
}
