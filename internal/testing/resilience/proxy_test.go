package resilience

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// weather is what happens to datagrams between the client and a candidate, in both
// directions. The shares are fractions of 1.
type weather struct {
	delay       time.Duration
	loss        float64 // the share that is lost
	duplication float64 // the share that arrives twice
	reordering  float64 // the share that is delayed by up to straggling more
}

// straggling is long enough for a datagram to be overtaken by its next retries.
const straggling = 300 * time.Millisecond

// A proxy stands before a candidate's daemon: it has the protocol's port of one of the
// candidate's addresses, and forwards datagrams as the weather allows.
type proxy struct {
	t       *testing.T
	host    *host
	weather weather
	daemon  *net.UDPAddr
	front   *net.UDPConn

	mu      sync.Mutex
	random  *rand.Rand
	clients map[netip.AddrPort]*net.UDPConn // the socket towards the daemon, by the client's address
	closed  bool
	readers sync.WaitGroup
}

// behind puts the candidate's daemon, which must not have started yet, behind a proxy on
// one of the candidate's addresses.
func (c *candidate) behind(t *testing.T, ip netip.Addr, w weather) *proxy {
	t.Helper()
	c.Addr = netip.MustParseAddrPort("127.0.0.1:1815")
	p := &proxy{
		t: t, host: c.host, weather: w,
		daemon:  net.UDPAddrFromAddrPort(c.Addr),
		random:  rand.New(rand.NewPCG(uint64(c.number), 1)),
		clients: map[netip.AddrPort]*net.UDPConn{},
	}
	var err error
	c.inside(t, func() { p.front, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port))) })
	if err != nil {
		t.Fatal(err)
	}
	p.readers.Go(p.requests)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) close() {
	p.front.Close()
	p.mu.Lock()
	p.closed = true
	for _, back := range p.clients {
		back.Close()
	}
	p.mu.Unlock()
	p.readers.Wait()
}

// requests forwards requests from clients.
func (p *proxy) requests() {
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := p.front.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if back := p.back(from); back != nil {
			p.pass(buffer[:n], func(datagram []byte) { back.Write(datagram) })
		}
	}
}

// back returns the socket for a client's requests to the daemon.
func (p *proxy) back(client netip.AddrPort) *net.UDPConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	back := p.clients[client]
	if back != nil || p.closed {
		return back
	}
	var err error
	p.host.inside(p.t, func() { back, err = net.DialUDP("udp", nil, p.daemon) })
	if err != nil {
		p.t.Error(err)
		return nil
	}
	p.clients[client] = back
	p.readers.Go(func() { p.replies(back, client) })
	return back
}

// replies forwards the daemon's replies to a client.
func (p *proxy) replies(back *net.UDPConn, client netip.AddrPort) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := back.Read(buffer)
		if err == nil {
			p.pass(buffer[:n], func(datagram []byte) { p.front.WriteToUDPAddrPort(datagram, client) })
			continue
		}
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if closed { // otherwise the daemon is not running now
			return
		}
	}
}

// pass sends a datagram, later, twice or not at all.
func (p *proxy) pass(datagram []byte, send func([]byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	times := 1
	if p.random.Float64() < p.weather.loss {
		times = 0
	} else if p.random.Float64() < p.weather.duplication {
		times = 2
	}
	datagram = append([]byte(nil), datagram...)
	for range times {
		delay := p.weather.delay
		if p.random.Float64() < p.weather.reordering {
			delay += time.Duration(p.random.Int64N(int64(straggling)))
		}
		time.AfterFunc(delay, func() { send(datagram) })
	}
}
