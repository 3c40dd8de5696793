package udp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// The range of ports that FreePort returns. Linux assigns ports from 32768 on to sockets
// that ask for any port, so one of those could be taken before its program has bound it.
const (
	firstFreePort = 20000
	lastFreePort  = 32767
)

// handedOut are the ports that FreePort has returned: two Ganeti daemons that share a port
// do not notice.
var handedOut sync.Map

// FreePort returns an address of 127.0.0.1 with a port that is free now, for a program that
// is about to start. It never returns the same port twice in one process.
func FreePort() (netip.AddrPort, error) {
	for range 2 * (lastFreePort - firstFreePort) {
		port := uint16(firstFreePort + rand.IntN(lastFreePort-firstFreePort+1))
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		} else if err != nil {
			return netip.AddrPort{}, err
		}
		conn.Close()
		if _, taken := handedOut.LoadOrStore(port, true); !taken {
			return addr, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("no free port between %d and %d", firstFreePort, lastFreePort)
}
