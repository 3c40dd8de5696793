package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gntconfd/internal/daemon"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/written"
	"gntconfd/internal/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that should happen soon.
const patience = 30 * time.Second

// candidates are the addresses of the master candidates of the tests' cluster.
var candidates = []string{"127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14", "127.0.0.17"}

// cluster returns the sample cluster's configuration with node addresses of this machine
// and node4 as another master candidate, after applying changes.
func cluster(t *testing.T, changes ...func(config map[string]any)) []byte {
	t.Helper()
	var config map[string]any
	text := strings.ReplaceAll(string(sample.Config), "192.0.2.", "127.0.0.")
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	named(config, "nodes", "node4.example.org")["master_candidate"] = true
	for _, change := range changes {
		change(config)
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// named returns an object of the configuration by its name.
func named(config map[string]any, kind, name string) map[string]any {
	for _, object := range config[kind].(map[string]any) {
		if object := object.(map[string]any); object["name"] == name {
			return object
		}
	}
	panic(fmt.Sprintf("the configuration has no %s among its %s", name, kind))
}

// migrate returns a change that moves an instance to another node. As in a real cluster,
// the serial numbers of the instance and of the file go up, the cluster's does not.
func migrate(instance, node string) func(map[string]any) {
	return func(config map[string]any) {
		moved := named(config, "instances", instance)
		moved["primary_node"] = named(config, "nodes", node)["uuid"]
		moved["serial_no"] = moved["serial_no"].(float64) + 1
		config["serial_no"] = config["serial_no"].(float64) + 1
	}
}

// remove returns a change that removes an instance; the cluster's serial number goes up
// too.
func remove(instance string) func(map[string]any) {
	return func(config map[string]any) {
		delete(config["instances"].(map[string]any), named(config, "instances", instance)["uuid"].(string))
		cluster := config["cluster"].(map[string]any)
		cluster["serial_no"] = cluster["serial_no"].(float64) + 1
		config["serial_no"] = config["serial_no"].(float64) + 1
	}
}

// candidate is a daemon on a master candidate.
type candidate struct {
	*daemon.Daemon
	config string
	stop   func()
}

// start runs a daemon that serves a configuration.
func start(t *testing.T, addr netip.AddrPort, config []byte) *candidate {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "hmac.key")
	if err := os.WriteFile(key, sample.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &candidate{config: filepath.Join(dir, "config.data")}
	if err := os.WriteFile(c.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	c.Daemon, err = daemon.Start(ctx, daemon.Options{Config: c.config, Key: key, Addr: addr, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c.stop = func() {
		cancel()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(c.stop)
	return c
}

// serve makes a daemon serve another configuration.
func (c *candidate) serve(t *testing.T, config []byte) {
	t.Helper()
	if err := os.WriteFile(c.config+".new", config, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(c.config+".new", c.config); err != nil {
		t.Fatal(err)
	}
	c.Reload()
}

// output collects what the program writes.
type output struct{ written.Buffer }

// await waits until the written lines are those of want, in any order.
func (o *output) await(t *testing.T, want string) {
	t.Helper()
	o.until(t, want, func(got string) bool { return lines(got) == lines(want) })
}

// awaitPart waits until the output contains part.
func (o *output) awaitPart(t *testing.T, part string) {
	t.Helper()
	o.until(t, part, func(got string) bool { return strings.Contains(got, part) })
}

func (o *output) until(t *testing.T, want string, enough func(string) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !enough(o.String()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(cmp.Diff(want, o.String()))
		}
	}
}

// lines returns the sorted lines of a text.
func lines(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

// begin runs the program for a link until the end of the test, where it must exit with
// success. It only knows one of the candidates.
func begin(t *testing.T, link string, told *candidate) (stdout, stderr *output) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "hmac.key")
	if err := os.WriteFile(key, sample.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stdout, stderr = new(output), new(output)
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{
			"-link", link, "-every", "20ms", "-key", key, "-port", strconv.Itoa(int(told.Addr().Port())), told.Addr().String(),
		}, stdout, stderr)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d, %s", code, stderr)
		}
	})
	return stdout, stderr
}

// nodes returns the addresses of the candidates, all on the same port.
func nodes(t *testing.T) []netip.AddrPort {
	t.Helper()
	free, err := udp.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	var nodes []netip.AddrPort
	for _, ip := range candidates {
		nodes = append(nodes, netip.AddrPortFrom(netip.MustParseAddr(ip), free.Port()))
	}
	return nodes
}

// The addresses on br1; one instance moves to node4 and is then removed.
const (
	placed = `+ 198.51.100.5 via 127.0.0.11
+ 198.51.100.20 via 127.0.0.12
+ 198.51.100.21 via 127.0.0.17
+ 198.51.100.30 via 127.0.0.18
+ 2001:db8:2::40 via 127.0.0.16
`
	moved   = "~ 198.51.100.20 via 127.0.0.14\n"
	removed = "- 198.51.100.20\n"
)

var (
	migration = migrate("db1.example.org", "node4.example.org")
	removal   = remove("db1.example.org")
)

// Of the five candidates one is silent and another behind. The program only knows a third
// one, which goes away later.
func TestChanges(t *testing.T) {
	nodes := nodes(t)
	silent, err := net.ListenPacket("udp", nodes[4].String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	before, after := cluster(t), cluster(t, migration)
	told, behind := start(t, nodes[0], before), start(t, nodes[1], before)
	others := []*candidate{start(t, nodes[2], before), start(t, nodes[3], before)}
	stdout, stderr := begin(t, "br1", told)
	stdout.await(t, placed)

	told.serve(t, after)
	for _, c := range others {
		c.serve(t, after)
	}
	stdout.await(t, placed+moved)
	stderr.awaitPart(t, "inconsistent answers")

	told.stop()
	for _, c := range append(others, behind) {
		c.serve(t, cluster(t, removal))
	}
	stdout.await(t, placed+moved+removed)
}

// The last output stands while candidates disagree and while they have no answer, and the
// program warns once.
func TestTrouble(t *testing.T) {
	var three []*candidate
	for _, addr := range nodes(t)[:3] {
		three = append(three, start(t, addr, cluster(t)))
	}
	stdout, stderr := begin(t, "br1", three[0])
	stdout.await(t, placed)

	three[0].serve(t, cluster(t, migration))
	stderr.awaitPart(t, `what was told last stands" err="request type 2: inconsistent answers`)
	three[1].serve(t, cluster(t, migration))
	three[2].serve(t, cluster(t, migration))
	stdout.await(t, placed+moved)

	for _, c := range three {
		if err := os.Remove(c.config); err != nil {
			t.Fatal(err)
		}
		c.Reload()
	}
	stderr.awaitPart(t, "config.data")
	for _, c := range three {
		c.serve(t, cluster(t, removal))
	}
	stdout.await(t, placed+moved+removed)
	if told := strings.Count(stderr.String(), "what was told last stands"); told > 3 {
		t.Errorf("%d messages, want one about the disagreement and two about missing answers:\n%s", told, stderr)
	}
}

// A link has more addresses, of maximum length, than fit into one datagram.
func TestBatches(t *testing.T) {
	const (
		instances = 2*batch + 1
		node      = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
	)
	var (
		nics []any
		want strings.Builder
	)
	for i := range instances {
		ip := fmt.Sprintf("2001:db8:1111:1111:1111:1111:1111:%04x", 0x1000+i)
		fmt.Fprintf(&want, "+ %s via %s\n", ip, node)
		nics = append(nics, map[string]any{
			"ip": ip, "mac": "aa:00:00:00:00:01", "uuid": fmt.Sprint("nic", i), "nicparams": map[string]any{"link": "br9"},
		})
	}
	d := start(t, nodes(t)[0], cluster(t, func(config map[string]any) {
		named(config, "nodes", "node8.example.org")["primary_ip"] = node
		named(config, "instances", "build.example.org")["nics"] = nics
		config["cluster"].(map[string]any)["serial_no"] = 1 << 52
	}))
	stdout, _ := begin(t, "br9", d)
	stdout.await(t, want.String())
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-every", "0s"}, 2, "-every must be positive"},
		{[]string{"-port", "65536"}, 2, "-port at most 65535"},
		{[]string{"-hook", "x"}, 2, "Usage: neighbour-map [flags] [host[:port] of a master candidate]..."},
		{[]string{"-key", "absent.key", "127.0.0.1"}, 1, "absent.key: no such file or directory"},
	} {
		var stderr output
		code := run(t.Context(), test.args, &stderr, &stderr)
		if code != test.code || !strings.Contains(stderr.String(), test.says) {
			t.Errorf("%q: exit code %d, %s", test.args, code, &stderr)
		}
	}
}
