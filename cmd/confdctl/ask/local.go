package ask

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// socketTables are the kernel's lists of UDP sockets on this machine.
var socketTables = []string{"/proc/net/udp", "/proc/net/udp6"}

// localDaemon returns the address of the daemon on this machine. That is the address to which a
// UDP socket with the port is bound, whatever --bind the daemon was given, or the loopback
// address if the socket is bound to all addresses or there is none. It returns an error if there
// are several sockets and none is bound to all addresses.
func localDaemon(port uint16) (string, error) {
	var bound []string
	for _, name := range socketTables {
		table, err := os.ReadFile(name)
		if err != nil {
			continue // the kernel lacks this family, or is not Linux
		}
		for _, addr := range boundTo(string(table), port) {
			switch {
			case addr == netip.IPv6Unspecified(): // perhaps only IPv6
				return at(netip.IPv6Loopback().String(), port), nil
			case addr.IsUnspecified(), addr.String() == localhost:
				return at(localhost, port), nil
			}
			bound = append(bound, addr.String())
		}
	}
	slices.Sort(bound)
	switch bound = slices.Compact(bound); len(bound) {
	case 0:
		return at(localhost, port), nil
	case 1:
		return at(bound[0], port), nil
	}
	return "", fmt.Errorf("port %d of several addresses of this machine is in use, name one with --server: %s", port, strings.Join(bound, ", "))
}

func at(host string, port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// boundTo returns the addresses in a table of sockets, see proc_net_udp(5), to which a socket
// with the port is bound.
func boundTo(table string, port uint16) []netip.Addr {
	const listening = "07" // that is, not connected
	var addrs []netip.Addr
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != listening {
			continue
		}
		host, number, _ := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseUint(number, 16, 16); err != nil || uint16(n) != port {
			continue
		}
		// The kernel writes the address as 4-byte numbers in its own byte order.
		text, err := hex.DecodeString(host)
		if err != nil || len(text)%4 != 0 {
			continue
		}
		for i := 0; i < len(text); i += 4 {
			binary.NativeEndian.PutUint32(text[i:], binary.BigEndian.Uint32(text[i:]))
		}
		if addr, ok := netip.AddrFromSlice(text); ok {
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs
}
