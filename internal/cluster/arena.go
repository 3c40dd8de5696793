package cluster

import "hash/maphash"

// An arena collects the texts of some objects that follow each other in a
// file, to have one piece of memory for all of them: less is lost at the ends of the
// pieces, and the garbage collector has less to look after, than with one for each. It
// begins and ends at keys that their hashes single out, so that a new object does not
// change the arenas after its own, and those in which nothing has changed can be taken
// over from the former snapshot.
//
// A few new texts have pieces of their own. As the old ones stay in the common piece, all
// texts get a new one when too much of it is waste.
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
	// One in so many bytes of an arena may be waste, and one in so many texts alone.
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

// differs reports whether the arena is not as it was in the former snapshot.
func (a *arena) differs() bool { return len(a.new) > 0 || a.wasteful() }

// finish ends an arena, which has the last objects of a list, and begins a new one. If it
// differs it gives texts other places.
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
