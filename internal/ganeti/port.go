package ganeti

import (
	"net"

	"gntconfd/gen/wire"
)

// Port returns the daemon's UDP port from the services database, or else Ganeti's default.
func Port() uint16 {
	port, err := net.LookupPort("udp", wire.ServiceName)
	if err != nil {
		return wire.DefaultPort
	}
	return uint16(port)
}
