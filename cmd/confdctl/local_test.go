package main

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"gntconfd/internal/udp"
)

// TestLocalDaemon: the daemon of this machine is where a socket is bound to its port.
func TestLocalDaemon(t *testing.T) {
	for _, test := range []struct {
		bound []string
		want  string // without the port; of an error, a part
	}{
		{nil, "127.0.0.1"},
		{[]string{"127.0.0.1"}, "127.0.0.1"},
		{[]string{"127.0.0.5"}, "127.0.0.5"},
		{[]string{"0.0.0.0"}, "127.0.0.1"},
		{[]string{"127.0.0.5", "127.0.0.6"}, "name one with --server: 127.0.0.5, 127.0.0.6"},
		{[]string{"127.0.0.5", "127.0.0.1"}, "127.0.0.1"},
		{[]string{"[::1]"}, "[::1]"},
		{[]string{"[::]"}, "[::1]"},
		{[]string{"[::]", "0.0.0.0"}, "127.0.0.1"},
	} {
		t.Run(strings.Join(test.bound, " "), func(t *testing.T) {
			free, err := udp.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			port := strings.TrimPrefix(free.String(), localhost)
			for _, host := range test.bound {
				network := "udp4"
				if strings.HasPrefix(host, "[") {
					network = "udp6"
				}
				conn, err := net.ListenPacket(network, host+port)
				if err != nil {
					t.Skip(err) // no IPv6 here
				}
				defer conn.Close()
			}
			// Who only asks is no daemon.
			asking, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 7)}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:9")))
			if err != nil {
				t.Fatal(err)
			}
			defer asking.Close()
			got, err := localDaemon(free.Port())
			switch {
			case err != nil && !strings.HasSuffix(err.Error(), test.want), err == nil && got != test.want+port:
				t.Errorf("got %s, %v, want %s", got, err, test.want)
			}
			if got, err := localDaemon(asking.LocalAddr().(*net.UDPAddr).AddrPort().Port()); err != nil || !strings.HasPrefix(got, localhost) {
				t.Errorf("got %s, %v of a socket that is connected", got, err)
			}
		})
	}
}
