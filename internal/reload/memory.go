package reload

import (
	"runtime"
	"runtime/debug"
)

// settle gives the memory back that a load took and no longer needs, and sets
// the pace of the garbage collector by what is left. Nearly all of that is the
// file, which lasts: to let the heap grow to twice its size between collections,
// as by default, would double the daemon's memory for nothing. Requests leave so
// little garbage that the heap is collected once a second under full load.
func settle() {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetGCPercent(pacePercent(m.HeapAlloc))
}

// pacePercent returns by how many percent a heap of live bytes may grow until it
// is collected: by 4 MB and a thirty-second, and not more than by default.
func pacePercent(live uint64) int {
	growth := 4<<20 + live/32
	return int(min(100, 100*growth/max(live, 1)))
}

// loadPercent is by how many percent the heap may grow while a configuration is
// loaded, if it may not grow more anyway. Loading leaves more garbage in half a second
// than requests do in minutes: at the pace that settle sets for a large heap, it would
// be half as slow again for the collector's sake.
const loadPercent = 15

// hurry sets the collector's pace for a load. The function that it returns sets it to
// what it was.
func hurry() (done func()) {
	before := debug.SetGCPercent(loadPercent)
	debug.SetGCPercent(max(before, loadPercent))
	return func() { debug.SetGCPercent(before) }
}
