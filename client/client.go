// Package client asks a cluster's ganeti-confd questions about the cluster's
// configuration. It works with this project's daemon and with Ganeti's own.
//
// A Client needs the address of a daemon, which runs on every master candidate,
// and the cluster's key, the contents of hmac.key:
//
//	key, err := os.ReadFile("/var/lib/ganeti/hmac.key")
//	...
//	c := client.Client{Server: "node1.example.org", Key: key}
//	reply, err := c.Ask(ctx, wire.RequestClusterMaster, wire.Query{})
//
// What can be asked, and the JSON that comes back, is described in spec/README.md.
package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	genwire "gntconfd/gen/wire"
	"gntconfd/internal/wire"
)

// Errors that Ask returns, wrapped with the daemon's address.
var (
	// ErrNoReply: the daemon did not answer in time. It never says why: it may
	// not run, a packet may be lost, or it refused the request because the key
	// is another or the clocks differ by more than 300 seconds.
	ErrNoReply = errors.New("no reply")
	// ErrNoKey: the Client has no key to sign with.
	ErrNoKey = errors.New("no key")
)

// sendings is how often a request is sent when no reply comes, as UDP loses
// packets. Each pause is twice as long as the one before, and together they fill
// the time there is.
const sendings = 3

// Client asks one daemon. It may be used by several goroutines at once, as long
// as its fields are not changed.
type Client struct {
	// Server is the daemon's address: host or host:port, where host is a name
	// or an address; an IPv6 address goes into brackets when a port follows. The
	// port is by default that of ganeti-confd (UDP) in the services database, or
	// 1814. Empty means this machine, 127.0.0.1.
	Server string

	// Key signs requests and verifies replies: all bytes of the cluster's
	// hmac.key, its trailing newline included.
	Key []byte
}

// Reply is a daemon's answer to one request.
type Reply struct {
	// Status tells whether Answer is what was asked for (wire.StatusOK) or an
	// error (wire.StatusError).
	Status genwire.Status
	// Answer is JSON. With StatusOK its shape depends on the request type; with
	// StatusError it is a text or one of the error codes.
	Answer json.RawMessage
	// Serial is the serial number of the object asked about. Of two answers to
	// one question the one with the higher serial is the newer.
	Serial int64
	// RoundTrip is the time from the first sending of the request to the reply.
	RoundTrip time.Duration
}

// Ask sends a request and waits for its reply until ctx ends, but not longer than
// 10 seconds if ctx has no deadline. The zero Query asks without one. Datagrams
// that are not the reply to this very request, or not signed with the key, are
// ignored.
//
// A reply whose status is an error is a reply: err is nil then. The errors are
// ErrNoReply, ErrNoKey, that of a cancelled ctx, and those of the network.
func (c *Client) Ask(ctx context.Context, typ genwire.RequestType, query genwire.Query) (*Reply, error) {
	address := c.address()
	if len(c.Key) == 0 {
		return nil, fmt.Errorf("ask %s: %w", address, ErrNoKey)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, genwire.ExpireTimeout*time.Second)
		defer cancel()
	}
	codec := wire.NewCodec(wire.NewKeyring(c.Key))
	request := genwire.Request{
		Protocol: genwire.ProtocolVersion,
		Type:     typ,
		Rsalt:    rand.Text(),
		Query:    genwire.OptQuery{Value: query, Set: query.Type != ""},
	}
	datagram, err := codec.SealRequest(nil, &request, time.Now())
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	// The socket is connected, so that datagrams from elsewhere do not reach it.
	conn, err := new(net.Dialer).DialContext(ctx, "udp", address)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()

	e := exchange{conn: conn, codec: codec, rsalt: request.Rsalt}
	reply, err := e.run(ctx, datagram)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	return reply, nil
}

// address returns host and port of the daemon.
func (c *Client) address() string {
	host, port, err := net.SplitHostPort(c.Server)
	if err != nil { // no port, which a plain IPv6 address seems to have
		host, port = c.Server, ""
		if bare, ok := strings.CutPrefix(host, "["); ok {
			bare, ok = strings.CutSuffix(bare, "]")
			if _, err := netip.ParseAddr(bare); ok && err == nil {
				host = bare
			}
		}
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		number, err := net.LookupPort("udp", genwire.ServiceName)
		if err != nil {
			number = genwire.DefaultPort
		}
		port = strconv.Itoa(number)
	}
	return net.JoinHostPort(host, port)
}

// exchange is one request on its way.
type exchange struct {
	conn    net.Conn
	codec   *wire.Codec
	rsalt   string
	trouble error // the last thing that went wrong while waiting
}

// run sends the datagram, as often as it takes, and returns the first reply that
// belongs to it.
func (e *exchange) run(ctx context.Context, datagram []byte) (*Reply, error) {
	start := time.Now()
	deadline, _ := ctx.Deadline()
	for sent := 1; ; sent++ {
		if _, err := e.conn.Write(datagram); err != nil {
			e.trouble = err
		}
		until := start.Add(deadline.Sub(start) * (1<<sent - 1) / (1<<sendings - 1))
		if reply := e.receive(ctx, until); reply != nil {
			return &Reply{
				Status:    reply.Status,
				Answer:    json.RawMessage(reply.Answer),
				Serial:    reply.Serial,
				RoundTrip: time.Since(start),
			}, nil
		}
		if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		if sent == sendings || ctx.Err() != nil {
			err := fmt.Errorf("%w within %v", ErrNoReply, time.Since(start).Round(10*time.Millisecond))
			if e.trouble != nil {
				err = fmt.Errorf("%w (%w)", err, e.trouble)
			}
			return nil, err
		}
	}
}

// receive waits for the reply until the given time or the end of ctx, and returns
// nil when it did not come.
func (e *exchange) receive(ctx context.Context, until time.Time) *genwire.Reply {
	e.conn.SetReadDeadline(until)
	if ctx.Err() != nil { // its AfterFunc may have come before the line above
		return nil
	}
	buffer := make([]byte, genwire.MaxDatagramSize+1)
	for {
		n, err := e.conn.Read(buffer)
		switch {
		case err == nil:
			reply, salt, err := e.codec.OpenReply(buffer[:n])
			if err == nil && salt == e.rsalt {
				return reply
			}
			if err != nil {
				e.trouble = fmt.Errorf("ignored a datagram: %w", err)
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, syscall.ECONNREFUSED):
			// Nobody listens, which may change before the time is over.
			e.trouble = syscall.ECONNREFUSED
		default:
			e.trouble = err
			return nil
		}
	}
}
