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

// Errors of questions, in addition to those of New and of a context.
var (
	// ErrNoReply: no peer has replied in time. Peers never say why: a daemon may not be
	// running, packets may be lost, or it may drop the request because the keys or the
	// clocks differ, clocks by more than 300 seconds. The error is a *NoReplyError.
	ErrNoReply = errors.New("no reply")
	// ErrInconsistent: peers give different answers with the same serial number, and no
	// majority agrees with the best one.
	ErrInconsistent = errors.New("inconsistent answers")
	// ErrAnswer: the answer does not have the form that its request type promises.
	ErrAnswer = errors.New("unexpected answer")
	// ErrTooLarge: the request does not fit into a datagram of 61440 bytes.
	ErrTooLarge = protocol.ErrTooLarge
	// ErrQuery: the protocol does not allow this query.
	ErrQuery = errors.New("invalid query")

	errNoQuestion = fmt.Errorf("%w: the zero Question cannot be sent; functions such as Master return questions", ErrQuery)
)

// What a StatusError wraps, for errors.Is.
var (
	// ErrUnknownEntry: no instance has the requested address. A daemon of Ganeti 2.6 also
	// sends it if no node has the requested name.
	ErrUnknownEntry = errors.New("unknown entry")
	// ErrInternal: the daemon could not build an answer. Only Ganeti 2.6 sends it.
	ErrInternal = errors.New("internal error")
	// ErrArgument: the query has the wrong form, or its pointer leads nowhere.
	ErrArgument = errors.New("argument error")
	// ErrNotImplemented: the daemon does not know the request type.
	ErrNotImplemented = errors.New("not implemented")
)

// StatusError is a reply with an error instead of an answer.
type StatusError struct {
	Peer   string          // the peer, as host:port; empty for one address of LocateAll
	Status int             // of the reply: 1, or 2 for ErrNotImplemented
	Code   error           // ErrUnknownEntry, ErrInternal, ErrArgument, ErrNotImplemented, or nil if there is a Text
	Text   string          // the peer's error text; empty if there is a Code
	Serial int64           // like Reply.Serial; 0 unless from a daemon of Ganeti 2.6
	JSON   json.RawMessage // the answer as received
}

// Error returns the peer and its error.
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

// Unwrap returns Code.
func (e *StatusError) Unwrap() error { return e.Code }

// Error codes, by the generation of the daemon.
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

// statusError returns the error of a reply with a status other than 0.
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

// codeError returns the error for an error code, or nil.
func codeError(code int64, classic bool) error {
	if classic {
		return classicCodes[code]
	}
	return modernCodes[code]
}

// Silence is a peer that has not replied.
type Silence struct {
	Peer string // host:port
	Err  error  // why, as far as the network or other datagrams from it tell; often nil
}

// NoReplyError says which peers did not reply. It is ErrNoReply.
type NoReplyError struct {
	Asked  []Silence
	Waited time.Duration
	cause  error // how the context ended, if that came first
}

// Error says which peers were asked, and what is known about each.
func (e *NoReplyError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "no reply within %v", rounded(e.Waited))
	for i, s := range e.Asked {
		text.WriteString([]string{" from ", ", "}[min(i, 1)] + s.Peer)
		if s.Err != nil {
			fmt.Fprintf(&text, " (%v)", s.Err)
		}
	}
	return text.String()
}

// rounded returns a time with its first two digits: a wait ends a little after its timeout.
func rounded(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 100 {
		unit *= 10
	}
	return d.Round(unit)
}

// Unwrap returns ErrNoReply, how the context ended, and what is known about the peers.
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
