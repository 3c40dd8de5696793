package clientside

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// received is a datagram from the client under test.
type received struct {
	datagram []byte
	from     netip.AddrPort
	at       time.Time

	rsalt   string // the part that a reply needs
	salt    string
	trouble error // why these two are unknown
}

// read extracts from a datagram what a reply needs. It is lenient: the checks decide
// whether the request is right.
func read(datagram []byte, from netip.AddrPort) *received {
	r := &received{datagram: bytes.Clone(datagram), from: from, at: time.Now()}
	var outer struct{ Msg, Salt string }
	var inner struct{ Rsalt string }
	if err := json.Unmarshal(datagram[min(len(datagram), len(magic)):], &outer); err != nil {
		r.trouble = fmt.Errorf("envelope: %w", err)
	} else if err := json.Unmarshal([]byte(outer.Msg), &inner); err != nil {
		r.trouble = fmt.Errorf("msg: %w", err)
	}
	r.rsalt, r.salt = inner.Rsalt, outer.Salt
	return r
}

// arrival is a datagram that has reached a server.
type arrival struct {
	server int // index
	*received
}

// stage is all servers of one scenario. They have the same port on different addresses,
// because many clients use one port for all.
type stage struct {
	addresses []netip.AddrPort
	conns     []*net.UDPConn // nil for a server that does not listen
	others    map[string]*net.UDPConn
	arrivals  chan arrival
	struck    chan struct{} // closed when nobody reads arrivals any more
}

// errNoAddress means that this machine lacks an address that a scenario needs.
var errNoAddress = errors.New("this machine lacks an address")

// build opens the servers of a scenario.
func build(s *Scenario) (*stage, error) {
	const attempts = 50 // tries to find a port that is free on all addresses
	for attempt := 1; ; attempt++ {
		st := &stage{others: make(map[string]*net.UDPConn), arrivals: make(chan arrival), struck: make(chan struct{})}
		err := st.open(s)
		if err == nil {
			return st, nil
		}
		st.close()
		switch {
		case errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT):
			return nil, fmt.Errorf("%w: %w", errNoAddress, err)
		case attempt == attempts || !errors.Is(err, syscall.EADDRINUSE):
			return nil, err
		}
	}
}

// open opens the sockets of the stage, on a port that the system chooses.
func (st *stage) open(s *Scenario) error {
	address := netip.MustParseAddr("127.0.0.1")
	if s.IPv6 {
		address = netip.IPv6Loopback()
	}
	listen := func(address netip.Addr, port uint16) (*net.UDPConn, netip.AddrPort, error) {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, port)))
		if err != nil {
			return nil, netip.AddrPort{}, err
		}
		return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
	}
	// A separate socket finds the port, and sends the fences.
	fence, self, err := listen(address, 0)
	if err != nil {
		return err
	}
	st.others[otherPort] = fence
	port := uint16(0)
	for _, listens := range s.servers() {
		if !listens && port != 0 {
			st.addresses, st.conns = append(st.addresses, netip.AddrPortFrom(address, port)), append(st.conns, nil)
			address = address.Next()
			continue
		}
		conn, at, err := listen(address, port)
		if err != nil {
			return err
		}
		port, address = at.Port(), address.Next()
		st.addresses = append(st.addresses, at)
		if !listens {
			conn.Close()
			conn = nil
		}
		st.conns = append(st.conns, conn)
	}
	if !s.IPv6 {
		conn, _, err := listen(address, port)
		if err != nil {
			return err
		}
		st.others[otherAddress] = conn
	}
	for i, conn := range st.conns {
		if conn != nil {
			go st.serve(i, conn, self)
		}
	}
	return nil
}

// close closes the sockets of the stage.
func (st *stage) close() {
	close(st.struck)
	for _, conn := range st.conns {
		if conn != nil {
			conn.Close()
		}
	}
	for _, conn := range st.others {
		conn.Close()
	}
}

// serve passes on datagrams to a server until its socket is closed. A fence becomes a nil
// arrival: everything sent to the server before it has arrived too.
func (st *stage) serve(index int, conn *net.UDPConn, self netip.AddrPort) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		a := arrival{server: index}
		if from != self {
			a.received = read(buf[:n], from)
		}
		select {
		case st.arrivals <- a:
		case <-st.struck:
			return
		}
	}
}

// expected returns how many servers get a request from a client with this coverage: those
// that do not listen get none.
func (st *stage) expected(coverage int) int {
	listening := len(st.conns)
	for _, conn := range st.conns {
		if conn == nil {
			listening--
		}
	}
	return min(coverage, listening)
}

// fence sends a datagram to every server that listens, and returns their number.
func (st *stage) fence() (sent int, err error) {
	for i, conn := range st.conns {
		if conn == nil {
			continue
		}
		if _, err := st.others[otherPort].WriteToUDPAddrPort(nil, st.addresses[i]); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

// send sends the datagram of a step.
func (st *stage) send(step *Step, datagram []byte, to netip.AddrPort) error {
	conn := st.conns[step.Server]
	if step.Via != "" {
		conn = st.others[step.Via]
	}
	for range max(step.Times, 1) {
		if _, err := conn.WriteToUDPAddrPort(datagram, to); err != nil {
			return err
		}
	}
	return nil
}

// fillSalt returns the salt of a reply: by default the rsalt of the request.
func fillSalt(salt string, request, former *received) string {
	if salt == "" {
		return request.rsalt
	}
	marks := []string{"{timestamp}", request.salt, "{rsalt}", request.rsalt}
	if former != nil {
		marks = append(marks, "{former}", former.rsalt)
	}
	return strings.NewReplacer(marks...).Replace(salt)
}
