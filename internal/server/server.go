// Package server answers datagrams: it reads them from its sockets, opens them, gets the
// answers, and seals and sends the replies. Every datagram ends in exactly one Disposition.
package server

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gntconfd/internal/answer"
	"gntconfd/internal/protocol"
	"gntconfd/internal/udp"
)

// Options configure a Server.
type Options struct {
	// Addr is the address to listen on: the zero address means every address of the host,
	// port 0 any free port.
	Addr netip.AddrPort
	// Socket is a bound UDP socket to use instead, which the server takes over and all
	// workers share; nil for none.
	Socket *os.File
	// Workers is the number of sockets, each with its own goroutine; 0 means one per
	// processor.
	Workers int
	// Keys are used to sign and verify.
	Keys *protocol.Keyring
	// Logger gets the outcome of each datagram at debug level, and what an operator must
	// see at higher levels. It never gets the contents of a datagram.
	Logger *slog.Logger
}

// Server answers datagrams. Its methods are safe for concurrent use.
type Server struct {
	options   Options
	workers   []*worker
	responder atomic.Pointer[Responder]
	now       func() time.Time
}

// Listen binds the sockets. Serve then reads them. The error says which address cannot be
// bound, and why.
func Listen(options Options) (*Server, error) {
	if options.Workers == 0 {
		options.Workers = runtime.GOMAXPROCS(0)
	}
	var sockets []*udp.Socket
	var err error
	if options.Socket != nil {
		sockets, err = udp.Share(options.Socket, options.Workers)
	} else {
		sockets, err = udp.Listen(options.Addr, options.Workers)
	}
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, now: time.Now}
	for _, socket := range sockets {
		s.workers = append(s.workers, newWorker(s, socket))
	}
	return s, nil
}

// Addr returns the address that the sockets are bound to.
func (s *Server) Addr() netip.AddrPort { return s.workers[0].socket.Addr() }

// A Responder answers requests. All workers call its methods concurrently.
type Responder interface {
	// Respond decodes the request that codec has authenticated and answers it. The reply is
	// valid until the next use of s. The refusal is protocol.Accepted unless the request
	// gets no reply.
	Respond(codec *protocol.Codec, now time.Time, s *answer.Scratch) (answer.Response, protocol.Refusal)
	// TooLarge returns the error sent instead of a reply that does not fit into a datagram.
	TooLarge() answer.Reply
}

// SetResponder makes r answer from now on. With nil, requests get no reply.
func (s *Server) SetResponder(r Responder) {
	if r == nil {
		s.responder.Store(nil)
		return
	}
	s.responder.Store(&r)
}

// Counts returns the counters so far.
func (s *Server) Counts() Counts {
	var sum Counts
	for _, w := range s.workers {
		w.counters.addTo(&sum)
		sum.Lost += uint64(w.socket.Lost())
	}
	return sum
}

// Busy returns how long the worker that has been busy for longest has been so, handling
// datagrams or not serving yet or any more: 0 if all workers wait for datagrams.
func (s *Server) Busy() time.Duration {
	var longest time.Duration
	for _, w := range s.workers {
		if since := w.busySince.Load(); since != 0 {
			longest = max(longest, s.now().Sub(time.Unix(0, since)))
		}
	}
	return longest
}

// Serve answers datagrams until ctx ends. Then it answers the datagrams already read and
// closes the sockets. The error is nil if ctx ended, and otherwise why a socket cannot be
// read.
func (s *Server) Serve(ctx context.Context) error {
	defer s.Close()
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	for _, w := range s.workers {
		group.Go(w.serve)
	}
	return group.Wait()
}

func (s *Server) stop() {
	for _, w := range s.workers {
		w.socket.Stop()
	}
}

// Close closes the sockets, which ends Serve without waiting for answers in progress.
func (s *Server) Close() {
	for _, w := range s.workers {
		w.socket.Close()
	}
}
