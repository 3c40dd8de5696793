package client

import (
	"fmt"
	"net/netip"
	"time"
)

// EventKind is what became of a datagram.
type EventKind int

const (
	// Sent: a request left, for the first time.
	Sent EventKind = iota
	// Resent: a request left again, as no reply came.
	Resent
	// Accepted: the reply of a peer came.
	Accepted
	// Stale: the reply of a peer came, with a lower serial number than another's.
	Stale
	// Late: a signed reply came to a question that has ended.
	Late
	// Duplicate: a peer replied once more to the same question.
	Duplicate
	// Forged: the signature of what came does not verify with the key.
	Forged
	// Garbled: what came is no reply.
	Garbled
	// Stranger: something came from an address that was not asked. Nobody looked at it.
	Stranger
	// Unreachable: the network says that nobody is at the peer's address, or that
	// there is no way to it.
	Unreachable

	kinds = int(Unreachable) + 1
)

var kindNames = [kinds]string{"sent", "resent", "accepted", "stale", "late", "duplicate", "forged", "garbled", "stranger", "unreachable"}

// String returns the kind in one word of lower case.
func (k EventKind) String() string {
	if k < 0 || int(k) >= kinds {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Event is a datagram that a Client has sent or received.
type Event struct {
	Kind EventKind
	Peer netip.AddrPort // where it went to, or came from
	// RoundTrip is the time from the first sending of the request to the reply,
	// when the Kind is Accepted or Stale.
	RoundTrip time.Duration
	// Err is what was wrong when the Kind is Forged, Garbled or Unreachable.
	Err error
}

// Stats are how many datagrams have become what since a Client was made.
type Stats [kinds]uint64

// Of returns how many there are of a kind.
func (s Stats) Of(kind EventKind) uint64 { return s[kind] }

// Ignored returns how many datagrams came that were no reply to a question under way.
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

// observe counts an event, and tells who wants to know.
func (c *Client) observe(e Event) {
	c.stats[e.Kind].Add(1)
	if e.Kind >= Late {
		c.options.Logger.Debug("ignored a datagram", "peer", e.Peer, "because", e.Kind.String(), "err", e.Err)
	}
	if c.options.Observe != nil {
		c.options.Observe(e)
	}
}
