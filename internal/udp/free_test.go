package udp

import (
	"net"
	"net/netip"
	"testing"
)

func TestFreePort(t *testing.T) {
	seen := make(map[netip.AddrPort]bool)
	for range 100 {
		addr, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] {
			t.Errorf("%v was returned twice", addr)
		}
		seen[addr] = true
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
}
