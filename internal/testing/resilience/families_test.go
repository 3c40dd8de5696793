package resilience

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"gntconfd/client"
)

// TestFamilies: all candidates answer on networks with one address family or both, where
// one or the other may not work, and answer clients that use either or both.
func TestFamilies(t *testing.T) {
	for name, test := range map[string]struct {
		subnet  subnet
		peers   []netip.Prefix // the networks of the addresses of hosts 1, 2 and so on
		replies int
		arrange func(*testing.T, []*candidate)
	}{
		"IPv4 only":  {subnet: ipv4Only, peers: []netip.Prefix{v4, v4, v4}, replies: 3},
		"IPv6 only":  {subnet: ipv6Only, peers: []netip.Prefix{v6, v6, v6}, replies: 3},
		"dual stack": {subnet: dualStack, peers: []netip.Prefix{v4, v6, v4, v6}, replies: 4},
		"IPv4 is out of order": {
			subnet: dualStack, peers: []netip.Prefix{v4, v6, v4, v6, v6}, replies: 3,
			arrange: func(t *testing.T, _ []*candidate) { ip(t, fmt.Sprintf("address flush to %s", v4)) },
		},
		"the client has no IPv6": {
			subnet: dualStack, peers: []netip.Prefix{v6, v4, v6, v4, v4}, replies: 3,
			arrange: func(t *testing.T, _ []*candidate) {
				disableIPv6(t, "1")
				t.Cleanup(func() { disableIPv6(t, "0") })
			},
		},
		"IPv6 is out of order": {
			subnet: dualStack, peers: []netip.Prefix{v6, v4, v6, v4, v4}, replies: 3,
			arrange: func(t *testing.T, all []*candidate) {
				for _, c := range all {
					c.ip(t, fmt.Sprintf("route add blackhole %s", addr(v6, clientNumber)))
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			connect(t, test.subnet)
			var peers []netip.Addr
			var candidates []*candidate
			for i, network := range test.peers {
				c := newCandidate(t, newHost(t, 1+i, test.subnet), configuration(t, newest, network, 1, 2, 3))
				c.start(t)
				candidates = append(candidates, c)
				peers = append(peers, addr(network, c.number))
			}
			if test.arrange != nil {
				test.arrange(t, candidates)
			}
			c := newClient(t, client.Options{}, peers...)
			if r, err := query(t.Context(), c); err != nil || !r.Agreed {
				t.Errorf("%v\n%s", err, tell(r))
			}
			expectReplies(t, c, test.replies)
			// Such an answer is sent in several fragments.
			if r, err := client.Query(t.Context(), c, client.Config("/cluster")); err != nil || len(r.JSON) < 5000 {
				t.Errorf("a large answer: %d bytes, %v", len(r.JSON), err)
			}
		})
	}
}

// disableIPv6 sets the switch of that name on the client's host.
func disableIPv6(t *testing.T, value string) {
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte(value), 0); err != nil {
		t.Error(err)
	}
}

// expectReplies expects as many right replies from as many peers, each from the address
// that was asked.
func expectReplies(t *testing.T, c *client.Client, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := 0
	for reply, err := range client.Replies(ctx, c, client.Master()) {
		if err != nil || reply.Err != nil || reply.Answer != master(newest) || reply.Addr.String() != reply.Peer {
			t.Errorf("%+v, %v", reply, err)
			break
		}
		if got++; got == want {
			return
		}
	}
	t.Errorf("%d replies instead of %d", got, want)
}

// TestMultiHomed asks candidates at each of their addresses: on the network shared with the
// client, on another shared network, and at a service address outside all networks that
// other hosts only have a route to. Replies from another address than the one asked would
// not count.
func TestMultiHomed(t *testing.T) {
	connect(t, dualStack, otherNetwork)
	var hosts []*host
	var peers []netip.Addr
	for number := 1; number <= 3; number++ {
		h := newHost(t, number, dualStack, otherNetwork)
		hosts = append(hosts, h)
		for _, service := range []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:0:2::/64")} {
			way := v4
			if service.Addr().Is6() {
				way = v6
			}
			at := addr(service, number)
			h.ip(t, fmt.Sprintf("address add %s dev lo", at))
			ip(t, fmt.Sprintf("route add %s via %s", at, addr(way, number)))
			peers = append(peers, at)
		}
		for _, network := range append(dualStack.prefix, otherNetwork.prefix...) {
			peers = append(peers, addr(network, number))
		}
		newCandidate(t, h, configuration(t, newest, v4, 1, 2, 3)).start(t)
	}
	c := newClient(t, client.Options{Coverage: client.All}, peers...)
	expectReplies(t, c, len(peers))

	// Each of them loses one of its networks.
	for i, h := range hosts {
		h.unplug(t, i%2)
	}
	if r, err := queryWithin(t, c, 3*time.Second); err != nil {
		t.Errorf("%v\n%s", err, tell(r))
	}
}
