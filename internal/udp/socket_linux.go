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
	// receiveBuffer is asked of the kernel for every socket, in bytes. It
	// holds a burst of some thousand requests; a larger one would under
	// overload only make every caller wait longer for its reply. The
	// kernel silently grants no more than net.core.rmem_max.
	receiveBuffer = 512 << 10

	// sendPatience bounds the wait for room in a full send buffer. Callers
	// ask several daemons and ask again, so that a worker which cannot
	// send does better to give up and read on.
	sendPatience = 100 * time.Millisecond
)

// A Socket is one of the UDP sockets that share the daemon's address. One
// goroutine may read and write, any may close.
type Socket struct {
	conn net.PacketConn
	raw  syscall.RawConn

	stopped atomic.Bool

	// The callbacks of raw are made once, and get at their arguments
	// here: a closure made for every call would be allocated every time.
	receive, send func(fd uintptr) (done bool)
	batch         *Batch
	errno         unix.Errno
	waiting       bool
}

// Listen binds n UDP sockets, at least one, to one address and port. The
// kernel spreads the callers over them by source address and port. The zero
// address and :: are every address of both families (of IPv4 alone, for the
// zero address, where the kernel has no IPv6), 0.0.0.0 is every IPv4 address;
// an IPv4-mapped address is the IPv4 address itself. Port 0 is a free port,
// the same one for all.
//
// The error wraps [unix.EADDRINUSE] if any other process has the port, and
// [unix.EADDRNOTAVAIL] if the address is none of this host.
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
			// The first socket is bound without SO_REUSEPORT, which it
			// gets for the others only now: bound with it, it would share
			// the port with a daemon that is already running.
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

// bind makes one socket of Listen. A wildcard socket is told which of the
// host's addresses a datagram was sent to, so that the reply can leave from it.
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
			// Covers IPv4 too: its addresses come and go IPv4-mapped.
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

// Share makes n Sockets, at least one, of a bound UDP socket that came from
// elsewhere, and takes file over. They read in turns: while one waits for
// datagrams the others wait for it to have some, so that each datagram wakes one
// goroutine. What has arrived and was not read stays in the socket for those who
// also have it, or have it next.
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

// prepareShared gives a socket bound to ip the options that bind gives.
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
		// Setting a deadline costs more than sending a datagram, hence
		// not before it is needed.
		if !s.waiting {
			s.waiting = true
			s.conn.SetWriteDeadline(time.Now().Add(sendPatience))
		}
		return false
	}
	return s, nil
}

// Read waits for at least one datagram and fills b with all that have
// arrived, as far as b has room. Whatever b held before is lost. After Stop or
// Close the error is [net.ErrClosed]; any other comes from the kernel and may pass
// (ENOMEM).
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

// Write sends the replies set in b and returns how many of them could not be
// sent; which and why is told by [Batch.SendError]. One that fails does not
// stop the others. It waits no longer than sendPatience for room to send.
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

// Lost is how many datagrams the kernel has thrown away instead of keeping them
// for a Read, as a rule for want of room. It wraps around, and is 0 where the
// kernel does not tell (before Linux 4.12, and after Close).
func (s *Socket) Lost() uint32 {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	// A failure leaves the zeros.
	_ = s.raw.Control(func(fd uintptr) {
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return info[unix.SK_MEMINFO_DROPS]
}

// Addr is the bound address and port.
func (s *Socket) Addr() netip.AddrPort {
	return s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Stop ends reading: a Read that is going on returns, unless it already has
// datagrams. These can still be answered, unlike after Close.
func (s *Socket) Stop() error {
	s.stopped.Store(true)
	return s.conn.SetReadDeadline(time.Unix(1, 0))
}

// Close makes a read or write that is going on return. For sockets made by Share
// the first Close closes all.
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
