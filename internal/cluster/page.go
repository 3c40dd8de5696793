package cluster

import (
	"bytes"
	"hash/maphash"
)

// A page collects the texts of some objects that follow each other in a
// file, to have one piece of memory for all of them: less is lost at the ends of the
// pieces, and the garbage collector has less to look after, than with one for each. It
// begins and ends at keys that their hashes single out, so that a new object does not
// change the pages after its own, and those in which nothing has changed can be taken
// over from the former snapshot.
type page struct {
	objects int    // how many there are on it
	size    int    // of their texts, in bytes
	new     []byte // those texts that are not in the former snapshot
}

// pageMask is one less than the mean number of objects on a page.
const pageMask = 1<<4 - 1

// endsBefore reports whether the object with a key is on the next page.
func (p *page) endsBefore(key string) bool { return maphash.String(seed, key)&pageMask == 0 }

// add adds an object, which has its text in the former snapshot and gets that of now.
func (p *page) add(o *object, text []byte) {
	if !bytes.Equal(o.raw, text) {
		p.new = append(p.new, text...)
		o.raw = p.new[len(p.new)-len(text):]
	}
	p.objects++
	p.size += len(text)
}

// differs reports whether the last objects of a list, which were added, are not on a page
// of their own as they stand.
func (p *page) differs(list []object) bool {
	// The first text of a page has all of it for capacity. If that is more than there is
	// now, others were on it that are gone.
	return len(p.new) > 0 || p.objects > 0 && cap(list[len(list)-p.objects].raw) != p.size
}

// finish puts the last objects of a list, which were added, on a page of their own and
// begins a new one.
func (p *page) finish(list []object) {
	if p.differs(list) {
		list = list[len(list)-p.objects:]
		text := make([]byte, 0, p.size)
		for i := range list {
			text = append(text, list[i].raw...)
			list[i].raw = text[len(text)-len(list[i].raw):]
		}
	}
	p.objects, p.size, p.new = 0, 0, p.new[:0]
}
