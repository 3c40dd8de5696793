package web

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gntconfd/internal/server"
)

const (
	sampleInterval = time.Second
	remembered     = 180 // intervals between samples, as many as the charts show
	maxCallers     = 16  // how many callers are remembered
)

// moment has the counts at one time.
type moment struct {
	at     time.Time
	counts server.Counts
}

// history has the last samples, and when callers last got a reply. Its memory is bounded.
// It is safe for concurrent use.
type history struct {
	mutex   sync.Mutex
	samples [remembered + 1]moment // a ring buffer
	taken   int                    // number of samples so far
	callers map[netip.Addr]time.Time
}

// add adds the counts at a time, and the callers answered since the last time.
func (h *history) add(at time.Time, counts server.Counts, callers []netip.Addr) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.samples[h.taken%len(h.samples)] = moment{at, counts}
	h.taken++
	if h.callers == nil {
		h.callers = make(map[netip.Addr]time.Time)
	}
	for _, addr := range callers {
		h.callers[addr] = at
	}
	for addr := range h.callers {
		if len(h.callers) <= maxCallers {
			break
		}
		for other, last := range h.callers {
			if last.Before(h.callers[addr]) {
				addr = other
			}
		}
		delete(h.callers, addr)
	}
}

// window returns the samples, oldest first.
func (h *history) window() []moment {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.taken <= len(h.samples) {
		return slices.Clone(h.samples[:h.taken])
	}
	next := h.taken % len(h.samples)
	return slices.Concat(h.samples[next:], h.samples[:next])
}

// caller is a host that got a reply.
type caller struct {
	Addr netip.Addr
	Last time.Time
}

// recent returns the callers, latest first.
func (h *history) recent() []caller {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	var list []caller
	for _, addr := range slices.SortedFunc(maps.Keys(h.callers), netip.Addr.Compare) {
		list = append(list, caller{addr, h.callers[addr]})
	}
	slices.SortStableFunc(list, func(a, b caller) int { return cmp.Compare(b.Last.UnixNano(), a.Last.UnixNano()) })
	return list
}

// rates returns the increase of a counter from sample to sample, per second.
func rates(samples []moment, counter func(*server.Counts) uint64) []float64 {
	var list []float64
	for i := 1; i < len(samples); i++ {
		grown := counter(&samples[i].counts) - counter(&samples[i-1].counts)
		list = append(list, float64(grown)/samples[i].at.Sub(samples[i-1].at).Seconds())
	}
	return list
}

// since returns the difference of h and before.
func since(h, before server.Histogram) server.Histogram {
	for i := range h.Buckets {
		h.Buckets[i] -= before.Buckets[i]
	}
	h.Sum -= before.Sum
	return h
}

// quantile returns the value that a share q of the values in h do not exceed, assuming that
// values are evenly distributed within a bucket. Values above all bounds count as the last
// bound.
func quantile(h *server.Histogram, bounds []uint64, q float64) float64 {
	rank := q * float64(h.Count())
	var below, lower float64
	for i, bound := range bounds {
		n := float64(h.Buckets[i])
		if n > 0 && below+n >= rank {
			return lower + (float64(bound)-lower)*(rank-below)/n
		}
		below += n
		lower = float64(bound)
	}
	return lower
}
