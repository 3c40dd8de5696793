package day

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gntconfd/internal/sample"
)

// enter makes this process, which has namespaces of its own, live in a copy of the
// machine's files, with shared at /srv.
func enter(t *testing.T, shared string) {
	t.Helper()
	base := filepath.Join(shared, "machine")
	root := filepath.Join(base, "root")
	mount := func(source, target, kind string, flags uintptr, data string) {
		t.Helper()
		if err := unix.Mount(source, target, kind, flags, data); err != nil {
			t.Fatalf("mount %s: %v", target, err)
		}
	}
	mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	mount("tmpfs", base, "tmpfs", 0, "")
	for _, dir := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount("overlay", root, "overlay", 0, "lowerdir=/,upperdir="+base+"/upper,workdir="+base+"/work")
	mount("proc", root+"/proc", "proc", 0, "")
	mount("tmpfs", root+"/run", "tmpfs", 0, "")
	mount("/dev", root+"/dev", "", unix.MS_BIND|unix.MS_REC, "")
	mount(shared, root+"/srv", "", unix.MS_BIND, "")
	if err := errors.Join(unix.Chroot(root), os.Chdir("/")); err != nil {
		t.Fatal(err)
	}
	run(t, "ip", "link", "set", "lo", "up")
}

// run runs a program, which must succeed.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// cluster has four candidates, each with its files: the master in the usual places, the
// others below /srv/NAME.
type cluster struct {
	t          *testing.T
	config     map[string]any
	candidates []node
	addresses  []string // of all nodes, as in Ganeti's file
	instances  []string
	daemons    map[node]func() // what stops them
}

type node struct{ name, ip string }

func (n node) short() string { return strings.TrimSuffix(n.name, ".example.org") }

// root returns what is before the paths of a node's files.
func (c *cluster) root(n node) string {
	if n == c.candidates[0] {
		return ""
	}
	return "/srv/" + n.short()
}

// newCluster writes the files of all candidates.
func newCluster(t *testing.T, config []byte) *cluster {
	t.Helper()
	c := &cluster{t: t, daemons: make(map[node]func())}
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.UseNumber()
	if err := decoder.Decode(&c.config); err != nil {
		t.Fatal(err)
	}
	master := c.object("cluster")["master_node"]
	for uuid, value := range c.object("nodes") {
		n := value.(map[string]any)
		c.addresses = append(c.addresses, fmt.Sprint(n["name"], " ", n["primary_ip"]))
		switch {
		case uuid == master:
			c.candidates = slices.Insert(c.candidates, 0, node{n["name"].(string), n["primary_ip"].(string)})
		case n["master_candidate"] == true:
			c.candidates = append(c.candidates, node{n["name"].(string), n["primary_ip"].(string)})
		}
	}
	others := c.candidates[1:]
	slices.SortFunc(others, func(a, b node) int {
		return netip.MustParseAddr(a.ip).Compare(netip.MustParseAddr(b.ip))
	})
	if len(others) > 3 { // of a large cluster, too
		for _, n := range others[3:] {
			c.find("nodes", n.name)["master_candidate"] = false
		}
		c.candidates = c.candidates[:4]
	}
	for _, value := range c.object("instances") {
		if name, ok := value.(map[string]any)["name"].(string); ok {
			c.instances = append(c.instances, name)
		}
	}
	slices.Sort(c.addresses)
	slices.Sort(c.instances)
	ips := ""
	for _, n := range c.candidates {
		run(t, "ip", "address", "add", n.ip+"/32", "dev", "lo")
		ips += n.ip + "\n"
	}
	for _, n := range c.candidates {
		for _, dir := range []string{"lib", "log", "run"} {
			if err := os.MkdirAll(c.root(n)+"/var/"+dir+"/ganeti", 0o755); err != nil {
				t.Fatal(err)
			}
		}
		c.write(n, "hmac.key", sample.Key)
		c.write(n, "ssconf_master_candidates_ips", []byte(ips))
		c.write(n, "ssconf_node_primary_ips", []byte(strings.Join(c.addresses, "\n")))
		c.write(n, "ssconf_instance_list", []byte(strings.Join(c.instances, "\n")))
	}
	c.distribute()
	return c
}

func (c *cluster) object(name string) map[string]any { return c.config[name].(map[string]any) }

// find returns the node or instance with a name.
func (c *cluster) find(kind, name string) map[string]any {
	c.t.Helper()
	for _, value := range c.object(kind) {
		if object := value.(map[string]any); object["name"] == name {
			return object
		}
	}
	c.t.Fatalf("there is no %s in %s", name, kind)
	return nil
}

// write replaces a file of a node, as Ganeti does.
func (c *cluster) write(n node, name string, text []byte) {
	c.t.Helper()
	path := c.root(n) + "/var/lib/ganeti/" + name
	// The user of the daemon that daemon-util starts.
	run(c.t, "install", "-o", "gnt-confd", "-g", "gnt-confd", "-m", "640", "/dev/null", path+".new")
	if err := errors.Join(os.WriteFile(path+".new", text, 0), os.Rename(path+".new", path)); err != nil {
		c.t.Fatal(err)
	}
}

// text returns the configuration, one change later.
func (c *cluster) text() []byte {
	c.t.Helper()
	serial, err := c.config["serial_no"].(json.Number).Int64()
	if err != nil {
		c.t.Fatal(err)
	}
	c.config["serial_no"] = json.Number(fmt.Sprint(serial + 1))
	// So that it is never older than 0 s, however slow the machine is.
	c.config["mtime"] = time.Now().Add(time.Hour).Unix()
	text, err := json.Marshal(c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

// distribute writes the configuration to all candidates.
func (c *cluster) distribute() {
	c.t.Helper()
	text := c.text()
	for _, n := range c.candidates {
		c.write(n, "config.data", text)
	}
}

// serve starts the daemons of all candidates but the master, with the program of the
// package.
func (c *cluster) serve() {
	c.t.Helper()
	run(c.t, "mkdir", "-p", "/srv/bin")
	run(c.t, "cp", "/usr/sbin/ganeti-confd", "/usr/bin/confdctl", "/srv/bin") // which outlive the package
	for _, n := range c.candidates[1:] {
		c.restart(n)
	}
}

// restart starts the daemon of a candidate, after it has stopped the one that runs.
func (c *cluster) restart(n node) {
	c.t.Helper()
	if stop := c.daemons[n]; stop != nil {
		stop()
	}
	command := exec.Command("/srv/bin/ganeti-confd", "-f", "--no-user-checks", "-b", n.ip)
	command.Env = append(os.Environ(), "GANETI_ROOTDIR="+c.root(n))
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()
	})
	c.daemons[n] = stop
	c.t.Cleanup(stop)
}
