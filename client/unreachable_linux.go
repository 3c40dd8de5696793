package client

import (
	"encoding/binary"
	"errors"
	"iter"
	"net"
	"net/netip"
	"syscall"
)

// reportUnreachable makes the kernel queue reports about undelivered datagrams (ip(7),
// IP_RECVERR); otherwise there would be none, because the socket is not connected.
func reportUnreachable(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var errs [2]error
	err = raw.Control(func(fd uintptr) {
		errs[0] = syscall.SetsockoptInt(int(fd), syscall.SOL_IP, syscall.IP_RECVERR, 1)
		errs[1] = syscall.SetsockoptInt(int(fd), syscall.SOL_IPV6, syscall.IPV6_RECVERR, 1)
	})
	if err == nil && errs[0] != nil && errs[1] != nil { // one of them fails if there is only one family
		err = errors.Join(errs[:]...)
	}
	return err
}

// unreachable returns the addresses that the network has reported since the last call.
func unreachable(conn *net.UDPConn) iter.Seq2[netip.AddrPort, error] {
	return func(yield func(netip.AddrPort, error) bool) {
		raw, err := conn.SyscallConn()
		if err != nil {
			return
		}
		var (
			control = make([]byte, 512)
			addr    netip.AddrPort
			reason  error
		)
		for {
			got := false
			if err := raw.Control(func(fd uintptr) { addr, reason, got = unreachableOne(int(fd), control) }); err != nil || !got {
				return
			}
			if reason != nil && !yield(addr, reason) {
				return
			}
		}
	}
}

// unreachableOne takes one message from the socket's error queue.
func unreachableOne(fd int, control []byte) (netip.AddrPort, error, bool) {
	_, n, _, from, err := syscall.Recvmsg(fd, nil, control, syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
	if err != nil {
		return netip.AddrPort{}, nil, false
	}
	var addr netip.AddrPort
	switch from := from.(type) {
	case *syscall.SockaddrInet4:
		addr = netip.AddrPortFrom(netip.AddrFrom4(from.Addr), uint16(from.Port))
	case *syscall.SockaddrInet6:
		addr = netip.AddrPortFrom(netip.AddrFrom16(from.Addr).Unmap(), uint16(from.Port))
	}
	messages, err := syscall.ParseSocketControlMessage(control[:n])
	if err != nil {
		return addr, nil, true
	}
	for _, m := range messages {
		v4 := m.Header.Level == syscall.SOL_IP && m.Header.Type == syscall.IP_RECVERR
		v6 := m.Header.Level == syscall.SOL_IPV6 && m.Header.Type == syscall.IPV6_RECVERR
		if (v4 || v6) && len(m.Data) >= 4 {
			// The error number comes first in struct sock_extended_err.
			return addr, syscall.Errno(binary.NativeEndian.Uint32(m.Data)), true
		}
	}
	return addr, nil, true
}
