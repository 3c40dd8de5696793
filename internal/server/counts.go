package server

import (
	"slices"
	"sync/atomic"
	"time"

	"gntconfd/gen/wire"
)

const (
	requestTypes = wire.RequestDataCollectors + 1
	statuses     = wire.StatusNotImplemented + 1
)

// Counts has the counters of a server so far.
type Counts struct {
	// IPv4 and IPv6 are the datagrams received, by address family. Their sum is that of
	// Dispositions, except while a datagram is being handled.
	IPv4, IPv6 uint64
	// Dispositions has the number of datagrams by outcome.
	Dispositions [dispositions]uint64
	// Queries has the number of replies by request type and status. Their sum is that of
	// the dispositions Answered, AnsweredError and WriteError.
	Queries [requestTypes][statuses]uint64
	// TooLarge is the number of replies, by request type, that did not fit into a datagram;
	// an error was sent instead.
	TooLarge [requestTypes]uint64
	// Durations has the time from reading a datagram to passing its reply to the kernel, in
	// nanoseconds; the bounds are DurationBounds. Replies to datagrams read in one batch
	// leave in one batch, and each counts with the time of the whole batch.
	Durations Histogram
	// Sizes has the sizes of reply datagrams in bytes; the bounds are SizeBounds.
	Sizes Histogram
	// Panics is the number of datagrams dropped because of a bug in the program.
	Panics uint64
	// Lost is the number of datagrams that the kernel dropped before they were read,
	// usually because a socket's buffer was full.
	Lost uint64
}

// Histogram counts values by size.
type Histogram struct {
	// Buckets has, for each bound, the number of values up to it and above the previous
	// bound; the last element counts values above all bounds.
	Buckets [buckets]uint64
	// Sum is the sum of all values.
	Sum uint64
}

// Count returns the number of values.
func (h *Histogram) Count() uint64 {
	var n uint64
	for _, bucket := range h.Buckets {
		n += bucket
	}
	return n
}

const (
	bounds  = 15
	buckets = bounds + 1
)

// DurationBounds are the bounds of Counts.Durations, in nanoseconds.
var DurationBounds = [bounds]uint64{
	5e3, 10e3, 25e3, 50e3, 100e3, 250e3, 500e3, 1e6, 2500e3, 5e6, 10e6, 25e6, 50e6, 100e6, 1e9,
}

// SizeBounds are the bounds of Counts.Sizes, in bytes; the last is the limit of a datagram.
var SizeBounds = [bounds]uint64{
	192, 256, 384, 512, 768, 1 << 10, 1536, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 24 << 10, 32 << 10, 48 << 10,
	wire.MaxDatagramSize,
}

// counters are the Counts of one worker, in memory that only this worker writes to.
type counters struct {
	ipv4, ipv6, panics atomic.Uint64
	dispositions       [dispositions]atomic.Uint64
	queries            [requestTypes][statuses]atomic.Uint64
	tooLarge           [requestTypes]atomic.Uint64
	durations, sizes   histogram
}

// replied counts a reply.
func (c *counters) replied(request wire.RequestType, status wire.Status, size int) {
	c.queries[request][status].Add(1)
	c.sizes.add(&SizeBounds, uint64(size), 1)
}

// took counts the duration of a number of replies.
func (c *counters) took(duration time.Duration, replies uint64) {
	c.durations.add(&DurationBounds, uint64(max(duration, 0)), replies)
}

func (c *counters) addTo(sum *Counts) {
	sum.IPv4 += c.ipv4.Load()
	sum.IPv6 += c.ipv6.Load()
	sum.Panics += c.panics.Load()
	for d := range c.dispositions {
		sum.Dispositions[d] += c.dispositions[d].Load()
	}
	for t := range c.queries {
		for s := range c.queries[t] {
			sum.Queries[t][s] += c.queries[t][s].Load()
		}
		sum.TooLarge[t] += c.tooLarge[t].Load()
	}
	c.durations.addTo(&sum.Durations)
	c.sizes.addTo(&sum.Sizes)
}

// histogram is a Histogram that is being updated. Readers take no lock, so they may see a
// value in one field and not yet in the other.
type histogram struct {
	buckets [buckets]atomic.Uint64
	sum     atomic.Uint64
}

// add adds a value n times.
func (h *histogram) add(bounds *[bounds]uint64, value, times uint64) {
	i, _ := slices.BinarySearch(bounds[:], value)
	h.buckets[i].Add(times)
	h.sum.Add(value * times)
}

func (h *histogram) addTo(sum *Histogram) {
	for i := range h.buckets {
		sum.Buckets[i] += h.buckets[i].Load()
	}
	sum.Sum += h.sum.Load()
}
