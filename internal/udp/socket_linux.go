package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// receiveBuffer is the receive buffer requested from the kernel for every socket, in
	// bytes. It holds a burst of about a thousand requests; with a larger one, overload
	// would only make every caller wait longer. The kernel silently grants at most
	// net.core.rmem_max.
	receiveBuffer = 512 << 10

	// sendPatience limits the wait for room in a full send buffer. Callers ask several
	// daemons and retry, so a worker that cannot send should give up and read on.
	sendPatience = 100 * time.Millisecond
)

// A Socket is one of the UDP sockets that share the daemon's address. One goroutine may
// read and write; any may close.
type Socket struct {
	conn net.PacketConn
	raw  syscall.RawConn

	stopped atomic.Bool

	// The callbacks for raw are created once and take their arguments from here: a closure
	// per call would be allocated every time.
	receive, send func(fd uintptr) (done bool)
	batch         *Batch
	errno         unix.Errno
	waiting       bool
}

// Listen binds n UDP sockets, at least one, to one address and port. The kernel distributes
// callers over them by source address and port. The zero address and :: mean every address
// of both families (only IPv4 for the zero address if the kernel has no IPv6); 0.0.0.0
// means every IPv4 address; an IPv4-mapped address means the IPv4 address. Port 0 means a
// free port, the same for all.
//
// The error wraps [unix.EADDRINUSE] if another process uses the port, and
// [unix.EADDRNOTAVAIL] if the host does not have the address.
func Listen(addr netip.AddrPort, n int) ([]*Socket, error) {
	ip := addr.Addr().Unmap()
	if ip.IsMulticast() {
		// Package net would bind the wildcard address instead.
		return nil, fmt.Errorf("listen udp %s: %w: a multicast address", addr, unix.EADDRNOTAVAIL)
	}
	network, address := "udp", fmt.Sprintf(":%d", addr.Port())
	if ip.IsValid() {
		address = netip.AddrPortFrom(ip, addr.Port()).String()
	}
	if ip.Is4() {
		network = "udp4"
	}
	wildcard := !ip.IsValid() || ip.IsUnspecified()

	var sockets []*Socket
	for range n {
		s, err := bind(network, address, wildcard, len(sockets) > 0)
		if err == nil {
			sockets = append(sockets, s)
			// The first socket is bound without SO_REUSEPORT, and gets it only now:
			// otherwise it would share the port with a daemon that is already running.
			if len(sockets) == 1 && n > 1 {
				address = s.conn.LocalAddr().String()
				err = setOptions(s.raw, option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
			}
		}
		if err != nil {
			for _, s := range sockets {
				s.Close()
			}
			return nil, err
		}
	}
	return sockets, nil
}

// bind makes one socket for Listen. The kernel tells a wildcard socket which of the host's
// addresses a datagram was sent to, so that the reply can be sent from it.
func bind(network, address string, wildcard, reuse bool) (*Socket, error) {
	config := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		options := []option{{unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer}}
		if reuse {
			options = append(options, option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
		}
		switch {
		case !wildcard:
		case network == "udp4":
			options = append(options, option{unix.IPPROTO_IP, unix.IP_PKTINFO, 1})
		default:
			// This covers IPv4 too: its addresses are IPv4-mapped.
			options = append(options, option{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1})
		}
		return setOptions(raw, options...)
	}}
	conn, err := config.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return newSocket(conn.(*net.UDPConn))
}

// Share makes n Sockets, at least one, from an existing bound UDP socket, and takes over
// file. They take turns reading: while one waits for datagrams, the others wait for it, so
// that each datagram wakes only one goroutine. Unread datagrams stay in the socket for
// others that share it, now or later.
func Share(file *os.File, n int) ([]*Socket, error) {
	conn, err := net.FilePacketConn(file)
	file.Close()
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", file.Name(), err)
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("socket %s is not a UDP socket", file.Name())
	}
	raw, err := udp.SyscallConn()
	if err == nil {
		err = prepareShared(raw, udp.LocalAddr().(*net.UDPAddr).AddrPort().Addr())
	}
	var sockets []*Socket
	for err == nil && len(sockets) < n {
		var s *Socket
		if s, err = newSocket(udp); err == nil {
			sockets = append(sockets, s)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return sockets, nil
}

// prepareShared sets the options that bind sets, on a socket bound to ip.
func prepareShared(raw syscall.RawConn, ip netip.Addr) error {
	var family int
	var err error
	if controlErr := raw.Control(func(fd uintptr) {
		family, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	}); controlErr != nil || err != nil {
		return errors.Join(controlErr, os.NewSyscallError("getsockopt", err))
	}
	switch {
	case !ip.IsUnspecified():
		return nil
	case family == unix.AF_INET:
		return setOptions(raw, option{unix.IPPROTO_IP, unix.IP_PKTINFO, 1})
	}
	return setOptions(raw, option{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1})
}

// newSocket takes over conn.
func newSocket(conn interface {
	net.PacketConn
	syscall.Conn
}) (*Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	s := &Socket{conn: conn, raw: raw}
	s.receive = func(fd uintptr) bool {
		s.errno = s.batch.receive(fd)
		return s.errno != unix.EAGAIN
	}
	s.send = func(fd uintptr) bool {
		if s.batch.send(fd) {
			return true
		}
		// Setting a deadline costs more than sending a datagram, so it is set only when
		// needed.
		if !s.waiting {
			s.waiting = true
			s.conn.SetWriteDeadline(time.Now().Add(sendPatience))
		}
		return false
	}
	return s, nil
}

// Read waits for at least one datagram and fills b with all that have arrived, up to its
// room. The previous content of b is lost. After Stop or Close the error is
// [net.ErrClosed]; any other error comes from the kernel and may be temporary (ENOMEM).
func (s *Socket) Read(b *Batch) error {
	b.clear()
	s.batch = b
	if err := s.raw.Read(s.receive); err != nil {
		if s.stopped.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			return net.ErrClosed
		}
		return err
	}
	if s.errno != 0 {
		return os.NewSyscallError("recvmmsg", s.errno)
	}
	return nil
}

// Write sends the replies in b and returns how many could not be sent; [Batch.SendError]
// says which and why. A failed reply does not stop the others. It waits at most
// sendPatience for room to send.
func (s *Socket) Write(b *Batch) (failed int) {
	if b.replies == 0 {
		return 0
	}
	s.batch = b
	err := s.raw.Write(s.send)
	if s.waiting {
		s.waiting = false
		s.conn.SetWriteDeadline(time.Time{})
	}
	for err != nil && b.sent < b.replies {
		b.fail(err)
	}
	return b.failed
}

// Lost returns how many datagrams the kernel dropped before they were read, usually because
// the buffer was full. The counter wraps around. It is 0 if the kernel does not report it
// (before Linux 4.12, and after Close).
func (s *Socket) Lost() uint32 {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	// On failure the zeros remain.
	_ = s.raw.Control(func(fd uintptr) {
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return info[unix.SK_MEMINFO_DROPS]
}

// Addr returns the bound address and port.
func (s *Socket) Addr() netip.AddrPort {
	return s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Stop ends reading: a Read in progress returns, unless it already has datagrams. These can
// still be answered, unlike after Close.
func (s *Socket) Stop() error {
	s.stopped.Store(true)
	return s.conn.SetReadDeadline(time.Unix(1, 0))
}

// Close makes reads and writes in progress return. For sockets made by Share the first
// Close closes all.
func (s *Socket) Close() error {
	return s.conn.Close()
}

type option struct{ level, name, value int }

func setOptions(raw syscall.RawConn, options ...option) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		for _, o := range options {
			if err = unix.SetsockoptInt(int(fd), o.level, o.name, o.value); err != nil {
				err = os.NewSyscallError("setsockopt", err)
				return
			}
		}
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}
