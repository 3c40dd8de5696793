package server

import (
	"time"

	genwire "gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/wire"
)

// A dialect is how requests are decoded and answered.
type dialect interface {
	// respond decodes the request that codec has authenticated, and answers it.
	respond(codec *wire.Codec, now time.Time, s *answer.Scratch) (response, wire.Refusal)
	// TooLarge returns the reply that takes the place of one which does not fit.
	TooLarge() answer.Reply
}

// response is a reply with what its request said of itself.
type response struct {
	kind  genwire.RequestType
	rsalt string
	reply answer.Reply
}

// modern is the dialect of Ganeti 3.0.
type modern struct{ *answer.Book }

func (d modern) respond(codec *wire.Codec, _ time.Time, s *answer.Scratch) (response, wire.Refusal) {
	request, refusal := codec.Request()
	if refusal != wire.Accepted {
		return response{}, refusal
	}
	reply, ok := d.Answer(request, s)
	if !ok {
		return response{}, wire.RefusedRequest
	}
	return response{request.Type, request.Rsalt, reply}, wire.Accepted
}

// classic is the dialect of Ganeti 2.6.
type classic struct{ *answer.ClassicBook }

func (d classic) respond(codec *wire.Codec, now time.Time, s *answer.Scratch) (response, wire.Refusal) {
	request, refusal := codec.ClassicRequest(now)
	if refusal != wire.Accepted {
		return response{}, refusal
	}
	reply, ok := d.Answer(request, s)
	if !ok {
		return response{}, wire.RefusedRequest
	}
	return response{request.Type, request.Rsalt, reply}, wire.Accepted
}
