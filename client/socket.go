package client

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
)

// write sends a datagram.
func (c *Client) write(datagram []byte, addr netip.AddrPort) error {
	_, err := c.conn.WriteToUDPAddrPort(datagram, addr)
	if err == nil {
		return nil
	}
	// The error may be about earlier datagrams, to any address: each recent refusal is
	// reported by one error.
	go c.drainUnreachable()
	for range refusals {
		if _, err = c.conn.WriteToUDPAddrPort(datagram, addr); err == nil {
			return nil
		}
	}
	return err
}

// refusals is how many errors about earlier datagrams may prevent one from being sent.
const refusals = 8

// receive handles arriving datagrams until the socket is closed.
func (c *Client) receive() {
	codec := protocol.NewCodec(c.keys.ring)
	buffer := make([]byte, wire.MaxDatagramSize+1)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(buffer)
		switch {
		case err == nil:
			c.open(codec, buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		case errors.Is(err, net.ErrClosed):
			return
		default:
			c.drainUnreachable()
		}
	}
}

// open finds the question that a datagram belongs to. Anyone can send datagrams to the
// client: those from unknown addresses cost only an address check.
func (c *Client) open(codec *protocol.Codec, datagram []byte, from netip.AddrPort) {
	if !c.expects(from) {
		c.observe(Event{Kind: Stranger, Peer: from})
		return
	}
	reply, salt, err := codec.OpenReply(datagram)
	if err != nil {
		kind := Garbled
		if errors.Is(err, protocol.ErrHMAC) {
			kind = Forged
		}
		for _, k := range c.inProgress() {
			k.ignored(from, err)
		}
		c.observe(Event{Kind: kind, Peer: from, Err: err})
		return
	}
	c.mu.Lock()
	k := c.calls[salt]
	c.mu.Unlock()
	event := Event{Kind: Late, Peer: from}
	if k != nil {
		event.Kind, event.RoundTrip = k.receive(reply, from)
	} else {
		c.noteAlive(from)
	}
	c.observe(event)
}

// expects reports whether a datagram may come from an address: a peer has it, or was asked
// there.
func (c *Client) expects(from netip.AddrPort) bool {
	for _, p := range *c.peers.Load() {
		if addrs, _ := p.known(); slices.Contains(addrs, from) {
			return true
		}
	}
	return slices.ContainsFunc(c.inProgress(), func(k *call) bool { return k.asks(from) })
}

// noteAlive notes that a peer is alive, even if its reply was late: otherwise the client would
// never again wait for a peer that is farther away than the others.
func (c *Client) noteAlive(from netip.AddrPort) {
	for _, p := range *c.peers.Load() {
		if addrs, _ := p.known(); slices.Contains(addrs, from) {
			p.silent.Store(false)
		}
	}
}

// inProgress lists the questions in progress.
func (c *Client) inProgress() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := make([]*call, 0, len(c.calls))
	for _, k := range c.calls {
		calls = append(calls, k)
	}
	return calls
}

// drainUnreachable handles the network's reports about peers.
func (c *Client) drainUnreachable() {
	for addr, err := range unreachable(c.conn) {
		for _, k := range c.inProgress() {
			k.unreachable(addr, err)
		}
		c.observe(Event{Kind: Unreachable, Peer: addr, Err: err})
	}
}
