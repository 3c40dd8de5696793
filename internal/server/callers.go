package server

import (
	"net/netip"
	"sync/atomic"

	"gntconfd/internal/udp"
)

// callers are who a worker answered in one batch, noted when somebody wants to
// know. A worker that nobody asks spends one look at a flag on each batch.
type callers struct {
	wanted atomic.Bool // the worker may write the rest, and else the reader
	addrs  [udp.BatchSize]netip.Addr
	n      int
}

// note notes whom w has just answered, if that is wanted.
func (c *callers) note(w *worker) {
	if !c.wanted.Load() {
		return
	}
	for i := range w.batch.Len() {
		if w.replied(i) {
			c.addrs[c.n] = w.batch.From(i).Addr()
			c.n++
		}
	}
	if c.n > 0 {
		c.wanted.Store(false)
	}
}

// AppendCallers appends the addresses of callers who have been answered since
// the last call of it: of each worker those of one batch, and none at first. It
// may not be called by several goroutines at once.
func (s *Server) AppendCallers(addrs []netip.Addr) []netip.Addr {
	for _, w := range s.workers {
		if c := &w.callers; !c.wanted.Load() {
			addrs = append(addrs, c.addrs[:c.n]...)
			c.n = 0
			c.wanted.Store(true)
		}
	}
	return addrs
}
