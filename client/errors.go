package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
)

// What questions fail with, beside the errors of New and those of a context.
var (
	// ErrNoReply: no peer has replied in time. They never say why: a daemon may not
	// run, packets may be lost, or it refuses the request because the key is
	// another or the clocks differ by more than 300 seconds. The error is a
	// *NoReplyError.
	ErrNoReply = errors.New("no reply")
	// ErrInconsistent: peers give different answers with the same serial number,
	// and too few agree with the best of them.
	ErrInconsistent = errors.New("inconsistent answers")
	// ErrAnswer: an answer is not what its request type promises.
	ErrAnswer = errors.New("unexpected answer")
	// ErrTooLarge: the request does not fit into a datagram of 61440 bytes.
	ErrTooLarge = protocol.ErrTooLarge
	// ErrQuery: a query is none that the protocol has.
	ErrQuery = errors.New("no query")

	errNoQuestion = fmt.Errorf("%w: the zero Question asks nothing; functions such as Master make questions", ErrQuery)
)

// What a StatusError may be, for errors.Is.
var (
	// ErrUnknownEntry: no instance has the address asked for; of a daemon of Ganeti
	// 2.6, also that no node has the name.
	ErrUnknownEntry = errors.New("unknown entry")
	// ErrInternal: the daemon could not make an answer. Only one of Ganeti 2.6 says so.
	ErrInternal = errors.New("internal error")
	// ErrArgument: the query has the wrong form, or its pointer leads nowhere.
	ErrArgument = errors.New("argument error")
	// ErrNotImplemented: the daemon does not know the type of the request.
	ErrNotImplemented = errors.New("not implemented")
)

// StatusError is a reply that says why there is no answer.
type StatusError struct {
	Peer   string          // who says so, as host:port; empty for one address of LocateAll
	Status int             // of the reply: 1, or 2 for ErrNotImplemented
	Code   error           // ErrUnknownEntry, ErrInternal, ErrArgument, ErrNotImplemented, or nil when there is Text
	Text   string          // the peer's words; empty when there is a Code
	Serial int64           // as Reply.Serial; 0 of a daemon that is not of Ganeti 2.6
	JSON   json.RawMessage // the answer as it came
}

// Error returns the peer and what it says.
func (e *StatusError) Error() string {
	text := e.Text
	if e.Code != nil {
		text = e.Code.Error()
	}
	if e.Peer == "" {
		return text
	}
	return e.Peer + ": " + text
}

// Unwrap returns the Code.
func (e *StatusError) Unwrap() error { return e.Code }

// Codes of errors by the generation of the daemon.
var (
	modernCodes = map[int64]error{
		wire.ErrorUnknownEntry: ErrUnknownEntry,
		wire.ErrorInternal:     ErrInternal,
		wire.ErrorArgument:     ErrArgument,
	}
	classicCodes = map[int64]error{
		wire.ClassicErrorUnknownEntry: ErrUnknownEntry,
		wire.ClassicErrorInternal:     ErrInternal,
		wire.ClassicErrorArgument:     ErrArgument,
	}
)

// statusError returns what a reply with a status other than 0 says.
func statusError(o *opinion) *StatusError {
	e := &StatusError{Peer: o.peer.name, Status: int(o.status), Serial: o.serial, JSON: o.json}
	var code int64
	switch {
	case o.status == wire.StatusNotImplemented:
		e.Code = ErrNotImplemented
	case json.Unmarshal(o.json, &e.Text) == nil && string(o.json) != "null":
	case json.Unmarshal(o.json, &code) == nil && codeError(code, o.classic) != nil:
		e.Code = codeError(code, o.classic)
	default:
		e.Text = string(o.json)
	}
	return e
}

// codeError returns what an error code means, or nil.
func codeError(code int64, classic bool) error {
	if classic {
		return classicCodes[code]
	}
	return modernCodes[code]
}

// Silence is a peer that has not replied.
type Silence struct {
	Peer string // host:port
	Err  error  // why, as far as the network or what was received instead tells; often nil
}

// NoReplyError tells who was asked in vain. It is ErrNoReply.
type NoReplyError struct {
	Asked  []Silence
	Waited time.Duration
	cause  error // the end of the context, if that came first
}

// Error tells who was asked, and what is known of each.
func (e *NoReplyError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "no reply within %v", e.Waited.Round(time.Millisecond))
	for i, s := range e.Asked {
		text.WriteString([]string{" from ", ", "}[min(i, 1)] + s.Peer)
		if s.Err != nil {
			fmt.Fprintf(&text, " (%v)", s.Err)
		}
	}
	return text.String()
}

// Unwrap returns ErrNoReply, the end of the context, and what is known of the peers.
func (e *NoReplyError) Unwrap() []error {
	errs := []error{ErrNoReply}
	if e.cause != nil {
		errs = append(errs, e.cause)
	}
	for _, s := range e.Asked {
		if s.Err != nil {
			errs = append(errs, s.Err)
		}
	}
	return errs
}
