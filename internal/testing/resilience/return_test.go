package resilience

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"gntconfd/client"
)

// TestReturn: the only good candidate goes away and comes back. The client waits for it
// again, although it is farther away than the stale ones by more than silent peers are
// given.
func TestReturn(t *testing.T) {
	connect(t, ipv4Only)
	far := condition{serial: newest, weather: weather{delay: 200 * time.Millisecond}}
	candidates := populate(t, 1, []condition{far, {serial: newest - 1}, {serial: newest - 2}}, weather{})
	only := candidates[0]
	c := newClient(t, client.Options{}, addresses(candidates)...)
	expectMaster(t, c, newest)
	only.process.Process.Signal(syscall.SIGSTOP)
	expectMaster(t, c, newest-1)
	only.process.Process.Signal(syscall.SIGCONT)
	expectMaster(t, c, newest)
}

// TestReturnToFollowers: the only good candidate is away while a client follows the
// candidates. The outdated list that the client gets meanwhile does not contain that
// candidate, but the client does not forget it.
func TestReturnToFollowers(t *testing.T) {
	connect(t, ipv4Only)
	newCandidate(t, newHost(t, 1, ipv4Only), configuration(t, newest-1, v4, 1)).start(t)
	only := newCandidate(t, newHost(t, 2, ipv4Only), configuration(t, newest, v4, 2))
	c := newClient(t, client.Options{Follow: 20 * time.Millisecond}, addr(v4, 1), addr(v4, 2))
	expectMaster(t, c, newest-1)
	time.Sleep(time.Second) // several times as long as following takes
	only.start(t)
	expectMaster(t, c, newest)
	for start := time.Now(); !slices.Equal(c.Peers(), []string{"192.0.2.2:1814"}); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("the peers are still %v", c.Peers())
		}
	}
}

// TestReturnOfNetwork: the client loses its network and comes back with another address.
// Questions asked in between fail in time, and it continues as before.
func TestReturnOfNetwork(t *testing.T) {
	connect(t, ipv4Only)
	candidates := populate(t, 1, []condition{good, good, good}, weather{})
	c := newClient(t, client.Options{}, addresses(candidates)...)
	expectMaster(t, c, newest)
	ip(t, "link set first down", "address flush dev first")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var none *client.NoReplyError
	if r, err := client.Query(ctx, c, client.Master()); !errors.As(err, &none) || len(none.Asked) != 3 || none.Asked[0].Err == nil {
		t.Errorf("without a network: %v\n%s", err, tell(r))
	}
	ip(t, "link set first up", assign("first", v4, clientNumber+1))
	if r, err := query(t.Context(), c); err != nil || !r.Agreed {
		t.Errorf("with a network again: %v\n%s", err, tell(r))
	}
}

// expectMaster asks until the answer is that of the configuration with the serial number.
func expectMaster(t *testing.T, c *client.Client, serial int) {
	t.Helper()
	var r client.Result[string]
	for start := time.Now(); time.Since(start) < patience; {
		var err error
		if r, err = client.Query(t.Context(), c, client.Master()); err != nil {
			t.Fatal(err)
		}
		if r.Answer == master(serial) {
			return
		}
	}
	t.Fatalf("the master is not that of serial number %d: %s", serial, tell(r))
}
