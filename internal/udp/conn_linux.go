package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// connBuffer is the receive buffer that a Conn requests from the kernel, in bytes: enough
// for a hundred of the largest datagrams.
const connBuffer = 8 << 20

// Conn is the client's end: a socket connected to one server. It waits with its own poll
// call instead of the runtime's poller, which rounds times up to milliseconds. It is not
// safe for concurrent use.
type Conn struct {
	fd int
}

// Dial makes a Conn to a server, which need not be running.
func Dial(server netip.AddrPort) (*Conn, error) {
	ip := server.Addr().Unmap()
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(server.Port()), Addr: ip.As16()})
	if ip.Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(server.Port()), Addr: ip.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Only privileged processes can exceed net.core.rmem_max.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, connBuffer); err != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, connBuffer)
	}
	if err := unix.Connect(fd, to); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("dial udp %s: %w", server, os.NewSyscallError("connect", err))
	}
	return &Conn{fd: fd}, nil
}

// Wait returns when a datagram has arrived or after patience, at once if patience is not
// positive. It may return early.
func (c *Conn) Wait(patience time.Duration) {
	c.poll(unix.POLLIN, patience)
}

func (c *Conn) poll(events int16, patience time.Duration) {
	timeout := unix.NsecToTimespec(int64(max(patience, 0)))
	// Its only errors, an interruption and lack of memory, are temporary.
	_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(c.fd), Events: events}}, &timeout, nil)
}

// Read fills b with the datagrams that have arrived, up to its room, without waiting. The
// previous content of b is lost. The error is the kernel's: [unix.ECONNREFUSED] if nobody
// listened to an earlier datagram.
func (c *Conn) Read(b *Batch) error {
	b.clear()
	switch errno := b.receive(uintptr(c.fd)); errno {
	case 0, unix.EAGAIN:
		return nil
	default:
		return os.NewSyscallError("recvmmsg", errno)
	}
}

// Write sends the datagrams that were added to b, which is then empty. The error joins the
// errors of datagrams that could not be sent; all others are sent.
func (c *Conn) Write(b *Batch) error {
	for !b.send(uintptr(c.fd)) {
		c.poll(unix.POLLOUT, sendPatience)
	}
	var err error
	if b.failed > 0 {
		err = errors.Join(b.errs[:]...)
	}
	clear(b.errs[:])
	b.replies, b.sent, b.failed = 0, 0, 0
	return err
}

// Close closes the socket.
func (c *Conn) Close() error {
	return os.NewSyscallError("close", unix.Close(c.fd))
}
