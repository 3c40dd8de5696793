package daemon

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Collector sets the pace of the garbage collector, of which a process has one: only a
// program that runs one daemon and nothing else should use it. The zero value is ready.
type Collector struct {
	held uint64 // how much memory the heap had when some was given back; 0 for never
}

// Relax lets the heap grow by 15 percent between collections, if it may not grow more
// anyway, until the function that it returns is called. It is for loading a configuration:
// that leaves more garbage in half a second than requests do in minutes. At the pace that
// Tighten sets for a large heap, it would be half as slow again for the collector's sake.
func (*Collector) Relax() (done func()) {
	const percent = 15
	before := debug.SetGCPercent(percent)
	debug.SetGCPercent(max(before, percent))
	return func() { debug.SetGCPercent(before) }
}

// Tighten gives memory back that is no longer needed and sets the pace by what is left,
// unless the heap has hardly grown: it takes a collection of the whole heap, which a change
// of one object in a large configuration is not worth.
//
// Nearly all that is left is the configuration, which lasts: to let the heap grow to twice
// its size between collections, as by default, would double the daemon's memory for
// nothing. Requests leave so little garbage that the heap is collected once a second under
// full load.
func (c *Collector) Tighten() {
	if heldMemory() < c.held+min(c.held/16, growth(c.held)/2) {
		return
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetGCPercent(pacePercent(m.HeapAlloc))
	c.held = heldMemory()
}

// heldMemory returns how many bytes of the heap are in memory, whether they are in use or
// not.
func heldMemory() uint64 {
	classes := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(classes)
	held := uint64(0)
	for _, class := range classes {
		held += class.Value.Uint64()
	}
	return held
}

// growth returns by how many bytes a heap of so many may grow until it is collected.
func growth(live uint64) uint64 { return 4<<20 + live/32 }

// pacePercent returns the same in percent, which is not more than by default.
func pacePercent(live uint64) int { return int(min(100, 100*growth(live)/max(live, 1))) }
