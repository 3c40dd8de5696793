package server

import (
	"net/netip"
	"sync/atomic"

	"gntconfd/internal/udp"
)

// callers are the addresses that a worker answered in one batch, noted on request. If
// nobody asks, a worker only checks a flag for each batch.
type callers struct {
	wanted atomic.Bool // the worker may write the rest; otherwise the reader may
	addrs  [udp.BatchSize]netip.Addr
	n      int
}

// note notes the callers that w has just answered, if requested.
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

// AppendCallers appends the addresses of callers answered since its last call: those of one
// batch per worker, none on the first call. Only one goroutine may call it at a time.
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
