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

// newest is the serial number of the configuration that is in force.
const newest = 1000

// A condition is what a candidate is in: which configuration it has, and what is
// wrong with it.
type condition struct {
	name string
	// serial is that of the configuration, 0 for none.
	serial int
	// weather is that of the way to it, if it differs from that to the others.
	weather weather
	// before and after, unless nil, bring the condition about before and after
	// the daemon starts.
	before, after func(*testing.T, *candidate)
	// says is the serial number that the candidate's answer has, 0 if none comes
	// that the client may believe.
	says int
}

var good = condition{name: "good", serial: newest, says: newest}

// bad are the conditions of candidates of different ages. The ones with newer
// configurations than what is in force must not be heard.
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

// worse are further ones.
var worse = []condition{
	{name: "without daemon", serial: newest - 1, after: func(t *testing.T, c *candidate) { c.end(t, syscall.SIGTERM) }},
	{name: "hanging", serial: newest - 2, after: func(t *testing.T, c *candidate) { c.process.Process.Signal(syscall.SIGSTOP) }},
	{name: "demoted"}, // no master candidate any more, it has no configuration and says so
	{name: "fast clock", serial: newest + 1, before: func(t *testing.T, c *candidate) { c.Skew = 10 * time.Minute }},
	{name: "out of the client's reach", serial: newest + 2, after: func(t *testing.T, c *candidate) {
		ip(t, fmt.Sprintf("route add unreachable %s", addr(v4, c.number)))
		t.Cleanup(func() { ip(t, fmt.Sprintf("route delete unreachable %s", addr(v4, c.number))) })
	}},
	{name: "staler", serial: newest - 3, says: newest - 3},
	{name: "stalest", serial: newest - 900, says: newest - 900},
}

// populate makes a candidate in each of the conditions, with the numbers from first
// and the weather on the way to them, and returns them.
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

// addresses returns where the candidates are asked.
func addresses(candidates []*candidate) []netip.Addr {
	var all []netip.Addr
	for _, c := range candidates {
		all = append(all, addr(v4, c.number))
	}
	return all
}

// TestConditions makes sure that the conditions are what they are called.
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
			// To whom has the same key and time, all of them answer.
			want, got := fmt.Sprintf("%q", master(condition.serial)), ""
			// The one that is restarting may need several attempts.
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

// ask asks an address for the master's name, in a request that is signed with the key
// and of the time given, and returns the answer in JSON, or "" when none comes in time.
func ask(t *testing.T, ip netip.Addr, key []byte, now time.Time, wait time.Duration) string {
	codec := protocol.NewCodec(protocol.NewKeyring(key))
	request := wire.Request{Protocol: wire.ProtocolVersion, Type: wire.RequestClusterMaster, Rsalt: "rs"}
	datagram, err := codec.SealRequest(nil, &request, now)
	if err != nil {
		t.Error(err)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port)))
	if err != nil {
		return "" // out of reach
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
