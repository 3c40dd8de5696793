package realcluster

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gntconfd/client"
	"gntconfd/internal/testing/written"
)

// A cluster has nodes and records what the tests have seen of them.
type cluster struct {
	master    *node
	members   []*node         // those with a daemon
	both      map[*node]*pair // the nodes with our daemon instead of Ganeti's
	compared  int             // questions compared
	steps     int             // steps done
	ours      []*freshness
	genuine   []*freshness
	following context.Context
}

// A pair is our daemon and Ganeti's on one node.
type pair struct {
	ours, genuine *client.Client
	stop          func()       // stops Ganeti's
	starts        atomic.Int64 // how often Ganeti's was started
}

// join adds a node to those with a daemon. It starts Ganeti's daemon beside ours, and follows
// both.
func (c *cluster) join(t *testing.T, n *node) {
	t.Helper()
	n.run(t, "ganeti-watcher") // starts what is not running yet, as cron would
	c.members = append(c.members, n)
	if !n.ours {
		return
	}
	p := &pair{ours: n.dial(t, ourPort), genuine: n.dial(t, genuinePort)}
	c.both[n] = p
	c.beside(t, n)
	ours := &freshness{client: p.ours, run: n.daemon}
	genuine := &freshness{client: p.genuine, run: func() string { return fmt.Sprint(p.starts.Load()) }}
	c.ours, c.genuine = append(c.ours, ours), append(c.genuine, genuine)
	n.watchWrites(c.following, t, ours.follow(c.following), genuine.follow(c.following))
}

// beside starts Ganeti's daemon beside ours. Ganeti's reads its key only when it starts.
func (c *cluster) beside(t *testing.T, n *node) {
	t.Helper()
	p := c.both[n]
	if p.stop != nil {
		p.stop()
	}
	p.stop = n.startGenuine(t)
	p.starts.Add(1)
}

// step runs a program on the master and then checks all daemons.
func (c *cluster) step(t *testing.T, command ...string) {
	t.Helper()
	c.do(t, strings.Join(command, " "), func() { c.master.run(t, command...) })
}

// do calls something that changes the cluster and then checks all daemons.
func (c *cluster) do(t *testing.T, what string, happen func()) {
	t.Helper()
	began := time.Now()
	happen()
	happened := time.Since(began)
	c.steps++
	for _, n := range c.members {
		for _, fault := range c.look(t, n) {
			t.Errorf("%s after %s: %s", n.name, what, fault)
		}
	}
	if t.Failed() {
		t.FailNow() // all further steps would fail for the same reason
	}
	t.Logf("%5.1f s, and %.1f s to compare: %s", happened.Seconds(), (time.Since(began) - happened).Seconds(), what)
}

// look checks a node and returns what is wrong, once the node has all that the master has or, if
// it is not a candidate, nothing.
func (c *cluster) look(t *testing.T, n *node) (faults []string) {
	t.Helper()
	if fault := n.rightDaemon(t); fault != "" {
		return []string{fault}
	}
	p := c.both[n]
	if p == nil {
		return nil
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		all, newest := c.master.config(t)
		config, serial := n.config(t)
		if config == nil { // not a candidate
			config, newest = all, 0
		}
		ours, genuine := serialAt(t.Context(), p.ours), serialAt(t.Context(), p.genuine)
		if serial == newest && ours == serial && genuine == serial {
			asked := questions(t, config)
			faults = differences(t, p.genuine, p.ours, asked)
			if _, now := n.config(t); now != serial {
				continue // changed meanwhile
			}
			c.compared += len(asked)
			return faults
		}
		if time.Now().After(deadline) {
			return []string{fmt.Sprintf("the master's file has serial number %d and the node's %d; ours answers from %d, Ganeti's from %d",
				newest, serial, ours, genuine)}
		}
	}
}

// serialAt returns the serial number of the file that a daemon answers from, or 0 if it does not
// answer.
func serialAt(ctx context.Context, c *client.Client) int64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	result, err := client.Query(ctx, c, client.ConfigValue[int64]("/serial_no"))
	if err != nil {
		return 0
	}
	return result.Answer
}

// rightDaemon returns what is wrong with the daemon that Ganeti's tools know.
func (n *node) rightDaemon(t *testing.T) (fault string) {
	t.Helper()
	pid := n.daemon()
	if pid == "" {
		return "no daemon runs"
	}
	if err := n.command(t.Context(), "test", "/proc/"+pid+"/exe", "-ef", "/usr/sbin/ganeti-confd").Run(); err != nil {
		return "process " + pid + ", which the pid file names, is not the daemon that is installed"
	}
	return ""
}

// leave removes a node from those with a daemon; ours must have ended.
func (c *cluster) leave(t *testing.T, n *node) {
	t.Helper()
	if p := c.both[n]; p != nil {
		p.stop()
		delete(c.both, n)
	}
	for i, m := range c.members {
		if m == n {
			c.members = append(c.members[:i], c.members[i+1:]...)
			break
		}
	}
}

// gone checks that nothing remains of a daemon.
func (n *node) gone(t *testing.T) {
	t.Helper()
	if pid := n.daemon(); pid != "" {
		t.Errorf("%s is no node any more, but its daemon has a pid file, with %s", n.name, pid)
	}
	if out, err := n.command(t.Context(), "pgrep", "-x", "ganeti-confd").Output(); err == nil {
		t.Errorf("%s is no node any more, but its daemon runs: %s", n.name, out)
	}
}

// A listener keeps the output of a program and searches it.
type listener struct{ written.Buffer }

// lines returns the complete lines so far.
func (l *listener) lines() []string {
	lines := strings.Split(l.String(), "\n")
	return lines[:len(lines)-1]
}
