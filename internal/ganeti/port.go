package ganeti

import (
	"net"

	"gntconfd/gen/wire"
)

// Port returns the UDP port that the services database has for the daemon, and
// Ganeti's own where it has none.
func Port() uint16 {
	port, err := net.LookupPort("udp", wire.ServiceName)
	if err != nil {
		return wire.DefaultPort
	}
	return uint16(port)
}
