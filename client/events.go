package client

import (
	"fmt"
	"net/netip"
	"time"
)

// EventKind is what happened to a datagram.
type EventKind int

const (
	// Sent: a request was sent for the first time.
	Sent EventKind = iota
	// Resent: a request was sent again, because no reply came.
	Resent
	// Accepted: a peer's reply arrived.
	Accepted
	// Stale: a peer's reply arrived, with a lower serial number than another's.
	Stale
	// Late: a signed reply arrived for a question that had ended.
	Late
	// Duplicate: a peer replied again to the same question.
	Duplicate
	// Forged: a datagram arrived whose signature is not valid.
	Forged
	// Garbled: a datagram arrived that is not a reply.
	Garbled
	// Stranger: a datagram arrived from an address that was not asked. It was not
	// processed.
	Stranger
	// Unreachable: the network reported that nobody listens at the peer's address, or that
	// there is no route to it.
	Unreachable

	kinds = int(Unreachable) + 1
)

var kindNames = [kinds]string{"sent", "resent", "accepted", "stale", "late", "duplicate", "forged", "garbled", "stranger", "unreachable"}

// String returns the kind as one lower case word.
func (k EventKind) String() string {
	if k < 0 || int(k) >= kinds {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Event is a datagram that a Client has sent or received.
type Event struct {
	Kind EventKind
	Peer netip.AddrPort // the destination or the source
	// RoundTrip is the time from the first attempt to the reply, if Kind is Accepted or
	// Stale.
	RoundTrip time.Duration
	// Err is what was wrong if Kind is Forged, Garbled or Unreachable.
	Err error
}

// Stats counts events by kind since a Client was made.
type Stats [kinds]uint64

// Of returns the count of a kind.
func (s Stats) Of(kind EventKind) uint64 { return s[kind] }

// Ignored returns how many received datagrams were not a reply to a question in progress.
func (s Stats) Ignored() uint64 {
	return s[Late] + s[Duplicate] + s[Forged] + s[Garbled] + s[Stranger]
}

// Stats returns the counts of what the Client has sent and received.
func (c *Client) Stats() Stats {
	var stats Stats
	for kind := range stats {
		stats[kind] = c.stats[kind].Load()
	}
	return stats
}

// observe counts an event and passes it to Options.Observe.
func (c *Client) observe(e Event) {
	c.stats[e.Kind].Add(1)
	if e.Kind >= Late {
		c.options.Logger.Debug("ignored a datagram", "peer", e.Peer, "because", e.Kind.String(), "err", e.Err)
	}
	if c.options.Observe != nil {
		c.options.Observe(e)
	}
}
