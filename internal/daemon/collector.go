package daemon

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Collector adjusts the pace of the garbage collector, which is one per process: only a program
// that runs one daemon and nothing else should use it. The zero value is ready to use.
type Collector struct {
	held uint64 // memory of the heap when Tighten last returned some; 0 for never
}

// Relax lets the heap grow by 15 percent between collections, unless it may grow more anyway,
// until the returned function is called. It is for loading a configuration, which leaves more
// garbage in half a second than requests do in minutes. At the pace that Tighten sets for a
// large heap, collecting would make loading half as slow again.
func (*Collector) Relax() (done func()) {
	const percent = 15
	before := debug.SetGCPercent(percent)
	debug.SetGCPercent(max(before, percent))
	return func() { debug.SetGCPercent(before) }
}

// Tighten returns unused memory to the system and sets the pace for the remaining heap, unless
// the heap has hardly grown: it collects the whole heap, which is too expensive for a change of
// one object in a large configuration.
//
// Nearly all that remains is the configuration, which lasts. If the heap could grow to twice its
// size between collections, as by default, the daemon would use twice the memory for nothing.
// Requests leave so little garbage that a collection per second is enough under full load.
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

// heldMemory returns the number of bytes that the heap occupies, in use or not.
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

// growth returns by how many bytes a heap of this size may grow between collections.
func growth(live uint64) uint64 { return 4<<20 + live/32 }

// pacePercent returns growth in percent, at most the default.
func pacePercent(live uint64) int { return int(min(100, 100*growth(live)/max(live, 1))) }
