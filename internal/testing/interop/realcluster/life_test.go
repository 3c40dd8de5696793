package realcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLife creates a cluster of three nodes, two of them with our daemon, does to it what
// happens to clusters, and destroys it.
func TestLife(t *testing.T) {
	ctx, stopFollowing := context.WithCancel(t.Context())
	defer stopFollowing()
	nodes := newNodes(t, true, true, false)
	one, two, three := nodes[0], nodes[1], nodes[2]
	c := &cluster{master: one, both: make(map[*node]*pair), following: ctx}
	t.Cleanup(func() {
		if t.Failed() {
			for _, n := range nodes {
				n.tellLogs(t)
			}
		}
	})

	c.do(t, "init", func() {
		one.run(t, "gnt-cluster", "init", "--no-etc-hosts", "--master-netdev=br0", "--nic-parameters=link=br0",
			"--enabled-hypervisors=fake", "--enabled-disk-templates=diskless,file", "--file-storage-dir=/srv/ganeti/file-storage",
			"--ipolicy-bounds-specs=min:disk-size=0,cpu-count=1,disk-count=0,memory-size=1,nic-count=0,spindle-use=0/"+
				"max:disk-size=1024,cpu-count=8,disk-count=16,memory-size=1024,nic-count=8,spindle-use=12", clusterName)
		c.join(t, one)
	})
	for _, n := range []*node{two, three} {
		c.do(t, "add "+n.name, func() {
			one.run(t, "gnt-node", "add", "--no-ssh-key-check", n.name)
			c.join(t, n)
		})
	}
	neighbours := new(listener)
	warnings := new(listener)
	stopNeighbours := one.start(t, neighbours, warnings, "setpriv", "--pdeathsig=KILL", "neighbour-map", "-every=200ms", "-link=br0")
	heard := neighbours.expect(t)

	add := []string{"gnt-instance", "add", "--no-ip-check", "--no-name-check", "--no-conflicts-check", "--os-type=noop+default"}
	c.step(t, "gnt-network", "add", "--network=198.51.100.0/24", "net1")
	c.step(t, "gnt-network", "connect", "--nic-parameters=mode=bridged,link=br1", "net1")
	c.step(t, append(add, "-t", "diskless", "-n", two.name, "--net=0:ip=203.0.113.1", "--no-start", "inst1.example.org")...)
	heard("+ 203.0.113.1 via " + two.ip)
	c.step(t, append(add, "-t", "file", "--os-size=32M", "-n", three.name, "--net=0:ip=pool,network=net1", "inst2.example.org")...)
	c.step(t, "gnt-instance", "startup", "inst1.example.org")
	c.step(t, "gnt-instance", "modify", "--net=add:ip=198.51.100.77,network=net1", "inst1.example.org")
	c.step(t, "gnt-instance", "modify", "--net=0:modify,ip=203.0.113.9", "inst1.example.org")
	heard("- 203.0.113.1", "+ 203.0.113.9 via "+two.ip)
	c.step(t, "gnt-instance", "migrate", "-f", "-n", one.name, "inst1.example.org")
	heard("~ 203.0.113.9 via " + one.ip)
	c.step(t, "gnt-instance", "failover", "-f", "-n", two.name, "inst1.example.org")
	heard("~ 203.0.113.9 via " + two.ip)
	c.clients(t)
	c.step(t, "gnt-instance", "shutdown", "--timeout=1", "inst1.example.org")
	c.step(t, "gnt-instance", "rename", "-f", "--no-ip-check", "--no-name-check", "inst1.example.org", "inst11.example.org")

	c.step(t, "gnt-group", "add", "g2")
	c.step(t, "gnt-group", "assign-nodes", "--force", "g2", three.name)
	c.step(t, "gnt-group", "rename", "g2", "g3")
	c.step(t, "gnt-cluster", "add-tags", "lab")
	c.step(t, "gnt-instance", "add-tags", "inst11.example.org", "web", "front")
	c.step(t, "gnt-cluster", "modify", "--maintain-node-health=yes", "-B", "maxmem=256,minmem=128", "--ipolicy-vcpu-ratio=8.5",
		"--enabled-data-collectors=lv=false,drbd=false")
	c.collectors(t)

	c.step(t, "gnt-node", "modify", "--drained=yes", two.name)
	c.step(t, "gnt-node", "modify", "--drained=no", "--master-candidate=yes", two.name)
	c.step(t, "gnt-node", "modify", "--offline=yes", three.name)
	three.stopsInstances(t, "inst2.example.org")
	c.step(t, "gnt-node", "modify", "--force", "--offline=no", three.name)

	c.do(t, "master-failover", func() {
		c.master = two
		two.run(t, "gnt-cluster", "master-failover")
		for _, n := range nodes {
			n.run(t, "ganeti-watcher")
		}
	})
	c.clients(t)
	before := one.daemon()
	c.do(t, "renew-crypto", func() {
		two.run(t, "gnt-cluster", "renew-crypto", "-f", "--new-cluster-certificate", "--new-confd-hmac-key")
		for n := range c.both {
			c.beside(t, n)
		}
	})
	if one.daemon() == before {
		t.Error("renew-crypto has not started our daemon anew")
	}
	c.step(t, "gnt-cluster", "redist-conf")
	c.clients(t)

	c.step(t, "gnt-instance", "remove", "-f", "--shutdown-timeout=1", "inst11.example.org")
	heard("- 203.0.113.9")
	stopNeighbours()
	c.step(t, "gnt-instance", "remove", "-f", "--shutdown-timeout=1", "inst2.example.org")
	c.step(t, "gnt-network", "disconnect", "net1")
	c.step(t, "gnt-network", "remove", "net1")
	c.step(t, "gnt-group", "assign-nodes", "--force", "default", three.name)
	c.step(t, "gnt-group", "remove", "g3")
	for _, n := range []*node{three, one} {
		c.do(t, "remove "+n.name, func() {
			c.leave(t, n)
			two.run(t, "gnt-node", "remove", n.name)
			n.gone(t)
		})
	}
	c.do(t, "destroy", func() {
		c.leave(t, two)
		two.run(t, "gnt-cluster", "destroy", "--yes-do-it")
		two.gone(t)
	})

	for _, line := range warnings.lines() {
		t.Log("neighbour-map: ", line)
	}
	ours, genuine := sum(c.ours), sum(c.genuine)
	for _, write := range ours.over {
		t.Log("not fresh in time: ", write)
	}
	// One late answer may be the machine's fault; a fault of the daemon occurs more often.
	if ours.writes == 0 || ours.late > ours.writes/10 {
		t.Errorf("%d of %d writes were not answered from for long", ours.late, ours.writes)
	}
	report(t, fmt.Sprintf("a real cluster: %d steps, %d questions compared; ours: %v; Ganeti's own daemon: %v", c.steps, c.compared, ours, genuine))
}

// report logs a line, and appends it to the file that CONFD_REPORT names, if any: without -v the
// logs of successful tests are not printed.
func report(t *testing.T, line string) {
	t.Helper()
	t.Log(line)
	path := os.Getenv("CONFD_REPORT")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(file, line)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// expect returns a function that waits for the next lines, in any order.
func (l *listener) expect(t *testing.T) func(lines ...string) {
	known := 0
	return func(lines ...string) {
		t.Helper()
		var got []string
		for deadline := time.Now().Add(patience); len(got) < len(lines) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			got = l.lines()[known:]
		}
		known += len(got)
		slices.Sort(got)
		slices.Sort(lines)
		if !slices.Equal(got, lines) {
			t.Errorf("neighbour-map prints %q instead of %q", got, lines)
		}
	}
}

// clients runs the programs that ask our daemon on its nodes.
func (c *cluster) clients(t *testing.T) {
	t.Helper()
	for n := range c.both {
		n.run(t, "confdctl", "check", "--all")
		n.run(t, "ganeti-watcher")
		if out := n.run(t, "/usr/lib/ganeti/tools/confd-client", "-a", "127.0.0.1", "-r", "3"); !strings.Contains(out, "Master: OK ("+c.master.name+")") {
			t.Errorf("%s: confd-client finds another master:\n%s", n.name, out)
		}
		if out := n.run(t, "/usr/lib/ganeti/tools/query-config", "/cluster/cluster_name"); !strings.Contains(out, "\t"+clusterName+"\n") {
			t.Errorf("%s: query-config finds another name: %s", n.name, out)
		}
		for file, dir := range map[string]string{"drbd": "../testdata/proc", "lvs": "../testdata"} {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(n.path("/tmp/"+file), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		n.run(t, "/usr/lib/ganeti/mon-collector", "drbd", "-s", "/tmp/drbd")
		var volumes []string
		for _, port := range []int{genuinePort, ourPort} {
			text := n.run(t, "/usr/lib/ganeti/mon-collector", "lv", "-f", "/tmp/lvs", "-a", "127.0.0.1", "-p", fmt.Sprint(port))
			volumes = append(volumes, timestamp.ReplaceAllString(text, "N"))
		}
		if volumes[0] != volumes[1] {
			t.Errorf("%s: mon-collector lv with Ganeti's daemon:\n%s\nand with ours:\n%s", n.name, volumes[0], volumes[1])
		}
	}
}

// timestamp matches the output of collectors that differs from run to run.
var timestamp = regexp.MustCompile(`\b1[0-9]{18}\b`)

// collectors waits until the monitoring daemon on each of our nodes knows which collectors are
// switched off.
func (c *cluster) collectors(t *testing.T) {
	t.Helper()
	for n := range c.both {
		var names []string
		for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
			text := n.run(t, "python3", "-c", `import urllib.request as r; print(r.urlopen("http://127.0.0.1:1815/1/list/collectors").read().decode())`)
			var collectors [][]any
			if err := json.Unmarshal([]byte(text), &collectors); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			names = nil
			for _, collector := range collectors {
				names = append(names, fmt.Sprint(collector[0]))
			}
			if !slices.Contains(names, "lv") && !slices.Contains(names, "drbd") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the monitoring daemon collects %q", n.name, names)
			}
		}
		if !slices.Contains(names, "diskstats") {
			t.Errorf("%s: the monitoring daemon collects %q", n.name, names)
		}
	}
}

// stopsInstances checks that the watcher on an offline node learns its role and stops the
// instances there.
func (n *node) stopsInstances(t *testing.T, name string) {
	t.Helper()
	out := new(listener)
	cmd := n.command(t.Context(), "ganeti-watcher", "--debug")
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run() // without DRBD it fails after that
	if text := strings.Join(out.lines(), "\n"); !strings.Contains(text, "should not be running, shutting them down: "+name) {
		t.Errorf("%s: the watcher on a node that is offline does not stop %s: %v\n%s", n.name, name, err, text)
	}
}
