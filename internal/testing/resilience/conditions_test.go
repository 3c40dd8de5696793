package resilience

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
)

// newest is the serial number of the current configuration.
const newest = 1000

// A condition is the state of a candidate: which configuration it has, and what is wrong
// with it.
type condition struct {
	name string
	// serial is the configuration's serial number, 0 for none.
	serial int
	// weather is the state of the network to it, if it differs from that to the others.
	weather weather
	// before and after, unless nil, create the condition before and after the daemon
	// starts.
	before, after func(*testing.T, *candidate)
	// says is the serial number in the candidate's answer, 0 if there is no answer that the
	// client may accept.
	says int
}

var good = condition{name: "good", serial: newest, says: newest}

// bad are the conditions of candidates with configurations of different ages. The answers
// of those with newer configurations than the current one must not be accepted.
var bad = []condition{
	{name: "dead", serial: newest - 1, after: func(t *testing.T, c *candidate) { c.unplug(t, 0) }},
	{name: "slow", serial: newest - 2, says: newest - 2, weather: weather{delay: 400 * time.Millisecond}},
	{name: "stale", serial: newest - 3, says: newest - 3},
	{name: "wrong key", serial: newest + 1, before: func(t *testing.T, c *candidate) {
		c.key = []byte("another key\n")
		c.write(t, "hmac.key", c.key)
	}},
	{name: "wrong clock", serial: newest + 2, before: func(t *testing.T, c *candidate) { c.Skew = -10 * time.Minute }},
	{name: "partitioned", serial: newest + 3, after: func(t *testing.T, c *candidate) { c.isolate(t, ipv4Only) }},
	{name: "restarting", serial: newest - 4, says: newest - 4, after: func(t *testing.T, c *candidate) { c.restart(t) }},
}

// worse are further bad conditions.
var worse = []condition{
	{name: "without daemon", serial: newest - 1, after: func(t *testing.T, c *candidate) { c.end(t, syscall.SIGTERM) }},
	{name: "hanging", serial: newest - 2, after: func(t *testing.T, c *candidate) { c.process.Process.Signal(syscall.SIGSTOP) }},
	{name: "demoted"}, // not a master candidate any more: it has no configuration and says so
	{name: "fast clock", serial: newest + 1, before: func(t *testing.T, c *candidate) { c.Skew = 10 * time.Minute }},
	{name: "out of the client's reach", serial: newest + 2, after: func(t *testing.T, c *candidate) {
		ip(t, fmt.Sprintf("route add unreachable %s", addr(v4, c.number)))
		t.Cleanup(func() { ip(t, fmt.Sprintf("route delete unreachable %s", addr(v4, c.number))) })
	}},
	{name: "staler", serial: newest - 3, says: newest - 3},
	{name: "stalest", serial: newest - 900, says: newest - 900},
}

// populate makes a candidate in each of the conditions, with numbers from first and the
// given weather, and returns them.
func populate(t *testing.T, first int, conditions []condition, w weather) []*candidate {
	t.Helper()
	var candidates []*candidate
	for i, condition := range conditions {
		var config []byte
		if condition.serial != 0 {
			config = configuration(t, condition.serial, v4, 1, 2, 3, 4, 5, 6, 7)
		}
		c := newCandidate(t, newHost(t, first+i, ipv4Only), config)
		if way := cmp.Or(condition.weather, w); way != (weather{}) {
			c.behind(t, addr(v4, c.number), way)
		}
		if condition.before != nil {
			condition.before(t, c)
		}
		c.start(t)
		if condition.after != nil {
			condition.after(t, c)
		}
		candidates = append(candidates, c)
	}
	return candidates
}

// addresses returns the candidates' addresses.
func addresses(candidates []*candidate) []netip.Addr {
	var all []netip.Addr
	for _, c := range candidates {
		all = append(all, addr(v4, c.number))
	}
	return all
}

// TestConditions checks that the conditions are as described.
func TestConditions(t *testing.T) {
	connect(t, ipv4Only)
	conditions := slices.Concat([]condition{good}, bad, worse)
	var all sync.WaitGroup
	for i, c := range populate(t, 1, conditions, weather{}) {
		all.Go(func() {
			condition := conditions[i]
			ip := addr(v4, c.number)
			if condition.says == 0 {
				if got := ask(t, ip, sample.Key, time.Now(), 300*time.Millisecond); strings.Contains(got, "master-of") {
					t.Errorf("%s: the answer is %s", condition.name, got)
				}
			}
			own := !bytes.Equal(c.key, sample.Key) || c.Skew != 0
			if condition.says == 0 && !own {
				return
			}
			// All of them answer a client with the same key and clock.
			want, got := fmt.Sprintf("%q", master(condition.serial)), ""
			// The one that restarts may need several attempts.
			for start := time.Now(); got != want && time.Since(start) < patience; {
				got = ask(t, ip, c.key, time.Now().Add(c.Skew), 2*condition.weather.delay+100*time.Millisecond)
			}
			if got != want {
				t.Errorf("%s: the answer is %q instead of %s", condition.name, got, want)
			}
		})
	}
	all.Wait()
}

// ask asks an address for the master's name, in a request signed with the given key and
// time, and returns the answer as JSON, or "" if none comes in time.
func ask(t *testing.T, ip netip.Addr, key []byte, now time.Time, wait time.Duration) string {
	codec := protocol.NewCodec(protocol.NewKeyring(key))
	request := wire.Request{Protocol: wire.ProtocolVersion, Type: wire.RequestClusterMaster, Rsalt: "rs"}
	datagram, err := codec.SealRequest(nil, &request, now)
	if err != nil {
		t.Error(err)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port)))
	if err != nil {
		return "" // unreachable
	}
	defer conn.Close()
	conn.Write(datagram)
	conn.SetReadDeadline(time.Now().Add(wait))
	buffer := make([]byte, wire.MaxDatagramSize)
	n, err := conn.Read(buffer)
	if err != nil {
		return ""
	}
	reply, _, err := codec.OpenReply(buffer[:n])
	if err != nil {
		t.Error(err)
		return ""
	}
	return string(reply.Answer)
}
