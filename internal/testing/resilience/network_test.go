package resilience

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"gntconfd/internal/testing/lacking"

	"golang.org/x/sys/unix"
)

// A subnet is a network with room for the client and its candidates.
type subnet struct {
	bridge string
	prefix []netip.Prefix // one per address family
}

var (
	v4, v6       = netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")
	otherV4      = netip.MustParsePrefix("198.51.100.0/24")
	otherV6      = netip.MustParsePrefix("2001:db8:0:1::/64")
	ipv4Only     = subnet{"first", []netip.Prefix{v4}}
	ipv6Only     = subnet{"first", []netip.Prefix{v6}}
	dualStack    = subnet{"first", []netip.Prefix{v4, v6}}
	otherNetwork = subnet{"second", []netip.Prefix{otherV4, otherV6}}
)

// clientNumber is the number of the client's host; the candidates count from 1.
const clientNumber = 100

// addr returns the address of the host with the number in a network.
func addr(network netip.Prefix, number int) netip.Addr {
	bytes := network.Addr().AsSlice()
	bytes[len(bytes)-1] = byte(number)
	ip, _ := netip.AddrFromSlice(bytes)
	return ip
}

// assign returns the command of ip that gives a device the number's address in a network.
func assign(device string, network netip.Prefix, number int) string {
	line := fmt.Sprintf("address add %s/%d dev %s", addr(network, number), network.Bits(), device)
	if network.Addr().Is6() {
		line += " nodad" // usable at once
	}
	return line
}

// connect creates the subnets, with the client's host in each, until the end of the test.
func connect(t *testing.T, subnets ...subnet) {
	t.Helper()
	if noHosts != nil {
		lacking.Skip(t, "%v", noHosts)
	}
	commands := []string{"link set lo up"}
	for _, s := range subnets {
		commands = append(commands, "link add "+s.bridge+" type bridge mcast_snooping 0", "link set "+s.bridge+" up")
		for _, network := range s.prefix {
			commands = append(commands, assign(s.bridge, network, clientNumber))
		}
	}
	if err := runIP(commands); err != nil {
		lacking.Skip(t, "the kernel has no bridges: %v", err)
	}
	t.Cleanup(func() {
		for _, s := range subnets {
			ip(t, "link delete "+s.bridge)
		}
	})
}

// ip runs commands of ip(8) on the client's host, or on the host that the calling thread is
// in.
func ip(t *testing.T, commands ...string) {
	t.Helper()
	if err := runIP(commands); err != nil {
		t.Error(err)
	}
}

func runIP(commands []string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s\n%s", err, out, strings.Join(commands, "\n"))
	}
	return nil
}

// A host is a network namespace connected to the client's.
type host struct {
	number    int
	namespace *os.File
	cables    []string // the client's ends of its connections
}

// cables counts all connections so far. The kernel removes those of old hosts with a delay,
// and until then their names are taken.
var cables int

// newHost creates a host with a connection to each of the subnets, until the end of the
// test.
func newHost(t *testing.T, number int, subnets ...subnet) *host {
	t.Helper()
	h := &host{number: number, namespace: newNamespace(t)}
	t.Cleanup(func() { h.namespace.Close() })

	inside, outside := []string{"link set lo up"}, []string(nil)
	for i, s := range subnets {
		cables++
		device, cable := fmt.Sprintf("eth%d", i), fmt.Sprintf("cable%d", cables)
		h.cables = append(h.cables, cable)
		outside = append(outside,
			fmt.Sprintf("link add %s type veth peer name %s netns /proc/%d/fd/%d", cable, device, os.Getpid(), h.namespace.Fd()),
			fmt.Sprintf("link set %s master %s up", cable, s.bridge))
		inside = append(inside, "link set "+device+" up")
		for _, network := range s.prefix {
			inside = append(inside, assign(device, network, number))
		}
	}
	ip(t, outside...)
	h.ip(t, inside...)
	return h
}

// newNamespace returns a network namespace, which lives until its file is closed and the
// last process in it has exited.
func newNamespace(t *testing.T) (namespace *os.File) {
	t.Helper()
	elsewhere(t, func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() { namespace = ownNamespace(t) })
	return namespace
}

// ownNamespace returns the calling thread's namespace.
func ownNamespace(t *testing.T) *os.File {
	t.Helper()
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Error(err)
	}
	return namespace
}

// inside calls do on the host: sockets and processes that do creates stay there. do must
// not start goroutines for that.
func (h *host) inside(t *testing.T, do func()) {
	t.Helper()
	elsewhere(t, func() error { return unix.Setns(int(h.namespace.Fd()), unix.CLONE_NEWNET) }, do)
}

// elsewhere calls do after leave has moved the thread to another namespace, and moves it
// back. The thread must stay alive: the processes started from it would end with it.
func elsewhere(t *testing.T, leave func() error, do func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := ownNamespace(t)
	defer own.Close()
	if err := leave(); err != nil {
		t.Error(err)
		return
	}
	do()
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // other code on the thread would be on the wrong host
	}
}

// ip runs commands of ip(8) on the host.
func (h *host) ip(t *testing.T, commands ...string) {
	t.Helper()
	h.inside(t, func() { ip(t, commands...) })
}

// unplug disconnects the host from one of its subnets, counting from 0.
func (h *host) unplug(t *testing.T, subnet int) { ip(t, "link set "+h.cables[subnet]+" down") }

// isolate drops everything that the host sends to the client; it still receives.
func (h *host) isolate(t *testing.T, s subnet) {
	var commands []string
	for _, network := range s.prefix {
		commands = append(commands, fmt.Sprintf("route add blackhole %s", addr(network, clientNumber)))
	}
	h.ip(t, commands...)
}
