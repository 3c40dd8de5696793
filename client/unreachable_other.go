//go:build !linux

package client

import (
	"iter"
	"net"
	"net/netip"
)

// Without an error queue, unreachable peers are just silent.

func reportUnreachable(*net.UDPConn) error { return nil }

func unreachable(*net.UDPConn) iter.Seq2[netip.AddrPort, error] {
	return func(func(netip.AddrPort, error) bool) {}
}
