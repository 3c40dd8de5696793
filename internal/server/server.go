// Package server answers datagrams: it reads them from its sockets, opens them,
// has them answered, and seals and sends the replies. Every datagram ends in
// exactly one Disposition.
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

// Options say how a Server is set up.
type Options struct {
	// Addr is where it listens: the zero address stands for every address of
	// the host, port 0 for any free one.
	Addr netip.AddrPort
	// Socket is a bound UDP socket to serve on instead, which the server takes
	// over; nil for none. The workers share it.
	Socket *os.File
	// Workers is the number of sockets, each with a goroutine of its own; 0
	// stands for as many as there are processors.
	Workers int
	// Keys sign and verify.
	Keys *protocol.Keyring
	// Logger gets what became of each datagram at debug level and what an
	// operator must see above it. It never gets the contents of a datagram.
	Logger *slog.Logger
}

// Server answers datagrams. Its methods are safe for concurrent use.
type Server struct {
	options   Options
	workers   []*worker
	responder atomic.Pointer[Responder]
	now       func() time.Time
}

// Listen binds the sockets. Nothing is read from them before Serve. The error
// says which address could not be had, and why.
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

// A Responder answers requests. Its methods are called by all workers at once.
type Responder interface {
	// Respond decodes the request that codec has authenticated and answers it. The reply
	// is valid until the next use of s. The refusal is protocol.Accepted unless the request
	// is met with silence.
	Respond(codec *protocol.Codec, now time.Time, s *answer.Scratch) (answer.Response, protocol.Refusal)
	// TooLarge returns the reply that takes the place of one which does not fit into a
	// datagram.
	TooLarge() answer.Reply
}

// SetResponder makes r answer from now on. Without any, for nil, requests are met with
// silence.
func (s *Server) SetResponder(r Responder) {
	if r == nil {
		s.responder.Store(nil)
		return
	}
	s.responder.Store(&r)
}

// Counts returns what became of the datagrams so far.
func (s *Server) Counts() Counts {
	var sum Counts
	for _, w := range s.workers {
		w.counters.addTo(&sum)
		sum.Lost += uint64(w.socket.Lost())
	}
	return sum
}

// Busy returns for how long the worker that has not been waiting for datagrams
// for longest has not been, be it that it works or that it does not serve: 0 when
// all of them wait.
func (s *Server) Busy() time.Duration {
	var longest time.Duration
	for _, w := range s.workers {
		if since := w.busySince.Load(); since != 0 {
			longest = max(longest, s.now().Sub(time.Unix(0, since)))
		}
	}
	return longest
}

// Serve answers datagrams until ctx ends and closes the sockets then, after the
// datagrams that were read are answered. The error is nil when ctx ended, and
// otherwise what keeps a socket from being read.
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

// Close closes the sockets, which ends Serve without regard to what is being
// answered.
func (s *Server) Close() {
	for _, w := range s.workers {
		w.socket.Close()
	}
}
