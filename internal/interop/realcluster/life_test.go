package realcluster

import (
	"testing"
	"time"
)

func TestLife(t *testing.T) {
	began := time.Now()
	nodes := newNodes(t, true, true, false)
	t.Logf("up after %v", time.Since(began))
	began = time.Now()
	t.Log(nodes[0].run(t, "gnt-cluster", "init", "--no-etc-hosts", "--master-netdev=br0", "--nic-parameters", "link=br0",
		"--enabled-hypervisors=fake", "--enabled-disk-templates=diskless,file", "--file-storage-dir=/srv/ganeti/file-storage",
		"--ipolicy-bounds-specs=min:disk-size=0,cpu-count=1,disk-count=0,memory-size=1,nic-count=0,spindle-use=0/max:disk-size=1048576,cpu-count=8,disk-count=16,memory-size=32768,nic-count=8,spindle-use=12",
		clusterName))
	t.Logf("init after %v", time.Since(began))
	began = time.Now()
	t.Log(nodes[0].run(t, "gnt-node", "add", "--no-ssh-key-check", nodes[1].name))
	t.Logf("add after %v", time.Since(began))
	t.Log(nodes[0].run(t, "ps", "ax"))
	t.Log(nodes[1].run(t, "ps", "ax"))
	t.Log(nodes[1].run(t, "ganeti-watcher", "-d"))
	t.Logf("watcher after %v", time.Since(began))
	t.Log(nodes[0].run(t, "confdctl", "check", "--all"))
}
