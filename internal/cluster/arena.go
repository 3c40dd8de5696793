package cluster

import (
	"bytes"
	"hash/maphash"
)

// An arena collects the texts of some objects that follow each other in a
// file, to have one piece of memory for all of them: less is lost at the ends of the
// pieces, and the garbage collector has less to look after, than with one for each. It
// begins and ends at keys that their hashes single out, so that a new object does not
// change the arenas after its own, and those in which nothing has changed can be taken
// over from the former snapshot.
type arena struct {
	objects int    // how many there are in it
	size    int    // of their texts, in bytes
	new     []byte // those texts that are not in the former snapshot
}

// arenaMask is one less than the mean number of objects in an arena.
const arenaMask = 1<<5 - 1

// endsBefore reports whether the object with a key is in the next arena.
func (a *arena) endsBefore(key string) bool { return maphash.String(seed, key)&arenaMask == 0 }

// add adds an object, which has its text in the former snapshot and gets that of now.
func (a *arena) add(o *object, text []byte) {
	if !bytes.Equal(o.raw, text) {
		a.new = append(a.new, text...)
		o.raw = a.new[len(a.new)-len(text):]
	}
	a.objects++
	a.size += len(text)
}

// differs reports whether the last objects of a list, which were added, are not in an arena
// of their own as they stand.
func (a *arena) differs(list []object) bool {
	// The first text of an arena has all of it for capacity. If that is more than there is
	// now, others were in it that are gone.
	return len(a.new) > 0 || a.objects > 0 && cap(list[len(list)-a.objects].raw) != a.size
}

// finish puts the last objects of a list, which were added, in an arena of their own and
// begins a new one.
func (a *arena) finish(list []object) {
	if a.differs(list) {
		list = list[len(list)-a.objects:]
		text := make([]byte, 0, a.size)
		for i := range list {
			text = append(text, list[i].raw...)
			list[i].raw = text[len(text)-len(list[i].raw):]
		}
	}
	a.objects, a.size, a.new = 0, 0, a.new[:0]
}
