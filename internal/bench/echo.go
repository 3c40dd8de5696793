package bench

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"gntconfd/gen/wire"
	"gntconfd/internal/udp"
)

// Echo sends datagrams back until ctx ends, with as many sockets and the same batches as the
// daemon: it shows the limit of the machine. With a key it computes two HMACs for each
// datagram, as any daemon must: one to verify the request, one to sign the reply.
//
// After an order it sends longer replies, each a request with bytes behind it.
func Echo(ctx context.Context, addr netip.AddrPort, key []byte) error {
	sockets, err := udp.Listen(addr, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	var ordered atomic.Pointer[order]
	ordered.Store(new(order))
	for _, socket := range sockets {
		defer context.AfterFunc(ctx, func() { socket.Close() })()
		group.Go(func() error { return echo(socket, key, &ordered) })
	}
	return group.Wait()
}

// order tells an echo server how long replies are to be at least, and how many bytes of
// them a daemon would have signed: an envelope and what it escapes are not.
type order struct{ size, signed int }

const (
	orderFormat = "order %d %d"
	// longestOrder is shorter than any request.
	longestOrder = 32
)

// newOrder returns an order for replies as those in f are, on average.
func newOrder(f Figures) order {
	return order{
		size:   min(int(math.Round(f.ReplyBytes)), wire.MaxDatagramSize),
		signed: min(int(math.Round(f.SignedBytes)), wire.MaxDatagramSize),
	}
}

// order gives an echo server its order.
func (s *Server) order(ctx context.Context, o order) error {
	return s.awaitEcho(ctx, fmt.Appendf(nil, orderFormat, o.size, o.signed))
}

func echo(socket *udp.Socket, key []byte, ordered *atomic.Pointer[order]) error {
	batch, err := udp.NewBatch()
	if err != nil {
		return err
	}
	defer batch.Free()
	mac := hmac.New(sha1.New, key)
	var sum [sha1.Size]byte
	padding := make([]byte, wire.MaxDatagramSize)
	for {
		switch err := socket.Read(batch); {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		for i := range batch.Len() {
			request := batch.Datagram(i)
			if len(request) < longestOrder {
				var o order
				if _, err := fmt.Sscanf(string(request), orderFormat, &o.size, &o.signed); err == nil {
					ordered.Store(&o)
				}
				batch.Reply(i, append(batch.ReplyBuffer(), request...))
				continue
			}
			reply := append(batch.ReplyBuffer(), request...)
			signed := reply
			if o := ordered.Load(); o.size > len(reply) {
				reply = append(reply, padding[:o.size-len(reply)]...)
				signed = reply[:min(o.signed, o.size)]
			}
			if key != nil {
				for _, text := range [][]byte{request, signed} {
					mac.Reset()
					mac.Write(text)
					mac.Sum(sum[:0])
				}
			}
			batch.Reply(i, reply)
		}
		socket.Write(batch)
	}
}
