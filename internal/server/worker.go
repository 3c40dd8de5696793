package server

import (
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/protocol"
	"gntconfd/internal/udp"
)

// A worker handles all datagrams of one socket.
type worker struct {
	server   *Server
	socket   *udp.Socket
	batch    *udp.Batch
	codec    *protocol.Codec
	scratch  answer.Scratch
	counters counters

	debug         debugLog
	ended         [udp.BatchSize]Disposition
	notedTooLarge *Responder // the last one with a reply that was too large

	// busySince is when the worker stopped waiting for datagrams, in Unix nanoseconds; 0
	// while it waits.
	busySince atomic.Int64
	callers   callers
}

func newWorker(s *Server, socket *udp.Socket) *worker {
	w := &worker{server: s, socket: socket, codec: protocol.NewCodec(s.options.Keys)}
	w.busySince.Store(s.now().UnixNano())
	return w
}

// readPause is how long a worker waits after a failed read: the kernel is short of memory,
// and trying again at once would not help.
const readPause = 100 * time.Millisecond

// serve answers datagrams until the socket is closed.
func (w *worker) serve() error {
	var err error
	if w.batch, err = udp.NewBatch(); err != nil {
		return fmt.Errorf("memory for datagrams: %w", err)
	}
	defer w.batch.Free()
	defer func() { w.busySince.Store(w.server.now().UnixNano()) }()
	for {
		w.busySince.Store(0)
		err := w.socket.Read(w.batch)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			w.server.options.Logger.Warn("cannot read from the network", "error", err)
			time.Sleep(readPause)
			continue
		}
		now := w.server.now()
		w.busySince.Store(now.UnixNano())
		w.work(now)
	}
}

// work handles the datagrams of one batch that was read at now.
func (w *worker) work(now time.Time) {
	w.debug.begin(w.server.options.Logger, now)
	for i := range w.batch.Len() {
		if w.batch.IPv4(i) {
			w.counters.ipv4.Add(1)
		} else {
			w.counters.ipv6.Add(1)
		}
		w.ended[i] = w.guardedAnswer(i, now)
	}
	w.socket.Write(w.batch)
	replies := uint64(0)
	for i := range w.batch.Len() {
		if w.replied(i) {
			replies++
		}
		if err := w.batch.SendError(i); err != nil {
			w.ended[i] = WriteError
			w.debug.line("reply not sent", "to", w.batch.From(i), "error", err)
		}
		w.counters.dispositions[w.ended[i]].Add(1)
		if w.debug.enabled {
			w.debug.line("datagram", "from", w.batch.From(i),
				"size", len(w.batch.Datagram(i)), "disposition", w.ended[i])
		}
	}
	w.counters.took(w.server.now().Sub(now), replies)
	w.callers.note(w)
}

// replied reports whether there is a reply to datagram i.
func (w *worker) replied(i int) bool { return w.ended[i] == Answered || w.ended[i] == AnsweredError }

// guardedAnswer is answer, but a panic costs only this one datagram.
func (w *worker) guardedAnswer(i int, now time.Time) (d Disposition) {
	defer func() {
		if fault := recover(); fault != nil {
			w.counters.panics.Add(1)
			w.server.options.Logger.Error("panic while answering", "fault", fault, "stack", string(debug.Stack()))
			d = DroppedRequest
		}
	}()
	return w.answer(i, now)
}

// answer opens datagram i and puts the reply into the batch.
func (w *worker) answer(i int, now time.Time) Disposition {
	responder := w.server.responder.Load()
	if responder == nil {
		return DroppedDisabled
	}
	if refusal := w.codec.Authenticate(w.batch.Datagram(i), now); refusal != protocol.Accepted {
		return w.refused(i, refusal)
	}
	response, refusal := (*responder).Respond(w.codec, now, &w.scratch)
	if refusal != protocol.Accepted {
		return w.refused(i, refusal)
	}
	reply := response.Reply
	datagram, err := w.codec.Seal(w.batch.ReplyBuffer(), response.Rsalt, reply.Text, reply.Escaped)
	if err != nil {
		reply = (*responder).TooLarge()
		datagram, err = w.codec.Seal(w.batch.ReplyBuffer(), response.Rsalt, reply.Text, reply.Escaped)
		if err != nil {
			return DroppedSize
		}
	}
	if reply.TooLarge {
		w.noteTooLarge(responder, response.Type)
	}
	w.batch.Reply(i, datagram)
	w.counters.replied(response.Type, reply.Status, len(datagram))
	if reply.Status != wire.StatusOK {
		return AnsweredError
	}
	return Answered
}

// refused returns the disposition of datagram i.
func (w *worker) refused(i int, refusal protocol.Refusal) Disposition {
	if cause := w.codec.Cause(); cause != nil && w.debug.enabled {
		w.debug.line("datagram dropped", "from", w.batch.From(i), "cause", printable(cause.Error()))
	}
	return refusals[refusal]
}

// refusals has the disposition of each refusal.
var refusals = [...]Disposition{
	protocol.RefusedSize:    DroppedSize,
	protocol.RefusedMagic:   DroppedMagic,
	protocol.RefusedJSON:    DroppedJSON,
	protocol.RefusedHMAC:    DroppedHMAC,
	protocol.RefusedClock:   DroppedClock,
	protocol.RefusedRequest: DroppedRequest,
}

// noteTooLarge counts a reply that is too large, and logs the first one per configuration.
func (w *worker) noteTooLarge(responder *Responder, request wire.RequestType) {
	w.counters.tooLarge[request].Add(1)
	if w.notedTooLarge != responder {
		w.notedTooLarge = responder
		w.server.options.Logger.Warn("reply too large for a datagram, sent an error instead",
			"type", request, "limit", wire.MaxDatagramSize)
	}
}
