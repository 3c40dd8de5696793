package server

import "sync/atomic"

// Disposition is how a datagram ended.
type Disposition uint8

const (
	// Answered: a reply with status ok was sent.
	Answered Disposition = iota
	// AnsweredError: a reply with another status was sent.
	AnsweredError
	// DroppedSize: the datagram is too short or too long, or no reply to its
	// salt fits into one.
	DroppedSize
	// DroppedMagic: the datagram does not start with the magic.
	DroppedMagic
	// DroppedJSON: there is no well-formed envelope in the datagram.
	DroppedJSON
	// DroppedHMAC: the signature is not that of the cluster's key.
	DroppedHMAC
	// DroppedClock: the timestamp is malformed or too far from the clock.
	DroppedClock
	// DroppedRequest: the signed text is no well-formed request, or one that is
	// met with silence.
	DroppedRequest
	// DroppedDisabled: there is nothing to answer from, so that nobody looked at
	// the datagram.
	DroppedDisabled
	// WriteError: the reply could not be sent.
	WriteError

	dispositions // their number
)

var dispositionNames = [dispositions]string{
	Answered:        "answered",
	AnsweredError:   "answered_error",
	DroppedSize:     "dropped_size",
	DroppedMagic:    "dropped_magic",
	DroppedJSON:     "dropped_json",
	DroppedHMAC:     "dropped_hmac",
	DroppedClock:    "dropped_clock",
	DroppedRequest:  "dropped_request",
	DroppedDisabled: "dropped_disabled",
	WriteError:      "write_error",
}

// String returns the disposition's name in metrics and logs.
func (d Disposition) String() string { return dispositionNames[d] }

// Counts tells what became of the datagrams so far.
type Counts struct {
	// IPv4 and IPv6 are the datagrams received by address family. Their sum is
	// that of Dispositions, except for the moment in which a datagram is dealt
	// with.
	IPv4, IPv6 uint64
	// Dispositions has the number of datagrams by how they ended.
	Dispositions [dispositions]uint64
	// TooLarge is the number of replies that did not fit into a datagram, so that
	// an error was sent in their place.
	TooLarge uint64
	// Panics is the number of datagrams whose handling was broken off by a fault
	// in the program.
	Panics uint64
}

// counters are the Counts of one worker, in memory that no other writes to.
type counters struct {
	ipv4, ipv6, tooLarge, panics atomic.Uint64
	dispositions                 [dispositions]atomic.Uint64
}

func (c *counters) addTo(sum *Counts) {
	sum.IPv4 += c.ipv4.Load()
	sum.IPv6 += c.ipv6.Load()
	sum.TooLarge += c.tooLarge.Load()
	sum.Panics += c.panics.Load()
	for d := range c.dispositions {
		sum.Dispositions[d] += c.dispositions[d].Load()
	}
}
