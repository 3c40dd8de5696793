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

// The ports that FreePort returns. Linux hands out those from 32768 on to sockets
// that ask for any, so that one of them may be gone before its program has bound it.
const (
	firstFreePort = 20000
	lastFreePort  = 32767
)

// handedOut are the ports that FreePort has returned: two daemons of Ganeti that
// share one do not notice.
var handedOut sync.Map

// FreePort returns an address of 127.0.0.1 with a port that nobody uses now, for a
// program that is about to start, and the same to nobody else in this process.
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
