package daemon

import (
	"runtime"
	"runtime/debug"
)

// Collector sets the pace of the garbage collector, of which a process has one: only a
// program that runs one daemon and nothing else should use it. The zero value is ready.
type Collector struct{}

// Relax lets the heap grow by 15 percent between collections, if it may not grow more
// anyway, until the function that it returns is called. It is for loading a configuration:
// that leaves more garbage in half a second than requests do in minutes. At the pace that
// Tighten sets for a large heap, it would be half as slow again for the collector's sake.
func (Collector) Relax() (done func()) {
	const percent = 15
	before := debug.SetGCPercent(percent)
	debug.SetGCPercent(max(before, percent))
	return func() { debug.SetGCPercent(before) }
}

// Tighten gives memory back that is no longer needed and sets the pace by what is left.
// Nearly all of that is the configuration, which lasts: to let the heap grow to twice its
// size between collections, as by default, would double the daemon's memory for nothing.
// Requests leave so little garbage that the heap is collected once a second under full
// load. It takes a collection of the whole heap.
func (Collector) Tighten() {
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
