package server

import "gntconfd/gen/rules"

// Disposition is the outcome of a datagram.
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
	// DroppedHMAC: the datagram was not signed with the cluster's key.
	DroppedHMAC
	// DroppedClock: the timestamp is malformed or too far from the daemon's clock.
	DroppedClock
	// DroppedRequest: the signed text is not a well-formed request, or is one that gets no
	// reply.
	DroppedRequest
	// DroppedDisabled: there is no configuration, so the datagram was not checked.
	DroppedDisabled
	// WriteError: the reply could not be sent.
	WriteError

	dispositions // the number of dispositions
)

// dropped begins the names of what failed a check.
const dropped = "dropped_"

var dispositionNames = [dispositions]string{
	Answered:        "answered",
	AnsweredError:   "answered_error",
	DroppedSize:     dropped + rules.CheckSize,
	DroppedMagic:    dropped + rules.CheckMagic,
	DroppedJSON:     dropped + rules.CheckJSON,
	DroppedHMAC:     dropped + rules.CheckHMAC,
	DroppedClock:    dropped + rules.CheckClock,
	DroppedRequest:  dropped + rules.CheckRequest,
	DroppedDisabled: dropped + rules.CheckDisabled,
	WriteError:      "write_error",
}

// String returns the disposition's name in metrics and logs.
func (d Disposition) String() string { return dispositionNames[d] }
