package bench

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"errors"
	"net"
	"net/netip"
	"runtime"

	"golang.org/x/sync/errgroup"

	"gntconfd/internal/udp"
)

// Echo sends datagrams back from as many sockets as the daemon has, which it reads
// and writes as the daemon does, until ctx ends: what the machine allows. With a
// key it computes two HMACs for each datagram, as any daemon must: one to verify
// the request, one to sign the reply.
func Echo(ctx context.Context, addr netip.AddrPort, key []byte) error {
	sockets, err := udp.Listen(addr, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, socket := range sockets {
		defer context.AfterFunc(ctx, func() { socket.Close() })()
		group.Go(func() error { return echo(socket, key) })
	}
	return group.Wait()
}

func echo(socket *udp.Socket, key []byte) error {
	batch, err := udp.NewBatch()
	if err != nil {
		return err
	}
	defer batch.Free()
	mac := hmac.New(sha1.New, key)
	var sum [sha1.Size]byte
	for {
		switch err := socket.Read(batch); {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		for i := range batch.Len() {
			reply := append(batch.ReplyBuffer(), batch.Datagram(i)...)
			if key != nil {
				for _, text := range [][]byte{batch.Datagram(i), reply} {
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
