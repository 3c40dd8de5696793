package realcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gntconfd/client"
	"gntconfd/internal/testing/interop/judges"
	"gntconfd/internal/testing/lacking"
)

const (
	clusterName = "cluster.example.org"
	genuinePort = 1815 // of Ganeti's daemon beside ours
	ourPort     = 1814
)

// scratch is a directory that every machine with Ganeti has and that nothing in the test's
// namespaces needs: a tmpfs over it holds all that the nodes write.
const scratch = "/var/lib/ganeti"

// A node is a host of the cluster.
type node struct {
	number int
	name   string
	ip     string
	ours   bool // whether it has this project's daemon instead of Ganeti's
	pid    int  // of its first process
}

// newNodes creates a node for each argument, which says whether the node has our daemon. The
// nodes end with the test process.
func newNodes(t *testing.T, ours ...bool) []*node {
	t.Helper()
	if noWorld != nil {
		lacking.Skip(t, "%v", noWorld)
	}
	if err := judges.All()[0].Check(); err != nil {
		lacking.Skip(t, "%v", err)
	}
	for program, pack := range map[string]string{
		"/usr/sbin/gnt-cluster": "ganeti", "/usr/sbin/sshd": "openssh-server", "ssh-keygen": "openssh-client",
		"ip": "iproute2", "nsenter": "util-linux", "setpriv": "util-linux",
	} {
		if _, err := exec.LookPath(program); err != nil {
			lacking.Skip(t, "%v; install it: apt-get install %s", err, pack)
		}
	}
	for _, err := range []error{
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), // so that the mounts below are invisible outside
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("tmpfs", scratch, "tmpfs", 0, "mode=755"),
	} {
		if err != nil {
			lacking.Skip(t, "mounting: %v", err)
		}
	}
	if err := ip("link set lo up", "link add switch type bridge", "link set switch up"); err != nil {
		lacking.Skip(t, "the kernel has no bridges: %v", err)
	}
	build(t)
	var nodes []*node
	hosts := "127.0.0.1 localhost\n192.0.2.1 " + clusterName + "\n"
	for i, our := range ours {
		n := &node{number: i + 1, name: fmt.Sprintf("node%d.example.org", i+1), ip: fmt.Sprintf("192.0.2.%d", 11+i), ours: our}
		hosts += fmt.Sprintf("%s %s node%d\n", n.ip, n.name, n.number)
		nodes = append(nodes, n)
	}
	secrets(t, hosts)
	for _, n := range nodes {
		n.boot(t)
	}
	return nodes
}

// build builds the programs that nodes need.
func build(t *testing.T) {
	t.Helper()
	out, err := exec.Command("go", "build", "-o", filepath.Join(scratch, "bin")+"/",
		"gntconfd/cmd/ganeti-confd", "gntconfd/cmd/confdctl", "gntconfd/examples/neighbour-map").CombinedOutput()
	if err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
}

// secrets creates the files by which nodes know and trust each other.
func secrets(t *testing.T, hosts string) {
	t.Helper()
	dir := filepath.Join(scratch, "ssh")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts"), []byte(hosts), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, kind := range map[string]string{"id": "ed25519", "ssh_host_ed25519_key": "ed25519", "ssh_host_rsa_key": "rsa"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", filepath.Join(dir, file)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
}

// boot starts the node and connects it to the switch.
func (n *node) boot(t *testing.T) {
	t.Helper()
	dir := filepath.Join(scratch, fmt.Sprintf("node%d", n.number))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if n.ours {
		if err := os.WriteFile(filepath.Join(dir, "ours"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	init := exec.Command("testdata/node", dir, n.name)
	init.Stdout, init.Stderr = &log, &log
	init.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if err := init.Start(); err != nil {
		lacking.Skip(t, "namespaces take more privileges: %v", err)
	}
	n.pid = init.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- init.Wait() }()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(n.path("/run/up")); err == nil {
			break
		}
		select {
		case err := <-ended:
			lacking.Skip(t, "%s does not start: %v\n%s", n.name, err, &log)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not start\n%s", n.name, &log)
		}
	}
	cable := fmt.Sprintf("cable%d", n.number)
	err := ip(fmt.Sprintf("link add %s type veth peer name eth0 netns %d", cable, n.pid), fmt.Sprintf("link set %s master switch up", cable))
	if err != nil {
		lacking.Skip(t, "the kernel has no virtual cables: %v", err)
	}
	n.inside(t, func() {
		err = ip("link set lo up", "link add br0 type bridge", "link add br1 type bridge", "link set eth0 master br0 up",
			"link set br0 up", "link set br1 up", "address add "+n.ip+"/24 dev br0")
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ip runs commands of ip(8) on the host that the calling thread is in.
func ip(commands ...string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s\n%s", err, out, strings.Join(commands, "\n"))
	}
	return nil
}

// path returns the path of a node's file as seen from outside.
func (n *node) path(file string) string {
	return filepath.Join("/proc", fmt.Sprint(n.pid), "root", file)
}

// inside calls do in the node's network: sockets and processes that do creates stay there.
func (n *node) inside(t *testing.T, do func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	other, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", n.pid))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Setns(int(other.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	do()
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // other code on the thread would be on the wrong host
	}
}

// command returns a program to run on the node.
func (n *node) command(ctx context.Context, command ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		fmt.Sprintf("--target=%d", n.pid), "--mount", "--uts", "--ipc", "--net", "--pid"}, command...)...)
	cmd.Env = []string{"HOME=/root", "USER=root", "LC_ALL=C.UTF-8", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.WaitDelay = time.Second // daemons that it starts may keep its output open
	return cmd
}

// run runs a program on the node, waits for its end, and returns its output.
func (n *node) run(t *testing.T, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), endurance)
	defer cancel()
	var out bytes.Buffer
	cmd := n.command(ctx, command...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %s: %v\n%s", n.name, strings.Join(command, " "), err, &out)
	}
	return out.String()
}

// start starts a program that runs until it is stopped, or until the test ends.
func (n *node) start(t *testing.T, stdout, stderr io.Writer, command ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := n.command(ctx, command...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { cancel(); cmd.Wait() }
	t.Cleanup(stop)
	return stop
}

// script returns the text of a shell script in testdata, which nodes cannot see.
func script(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startGenuine starts Ganeti's daemon beside ours.
func (n *node) startGenuine(t *testing.T) (stop func()) {
	t.Helper()
	return n.start(t, nil, nil, "unshare", "--mount", "sh", "-c", script(t, "beside"), "sh", fmt.Sprint(genuinePort))
}

// dial returns a client for the daemon on a port of the node.
func (n *node) dial(t *testing.T, port int) (c *client.Client) {
	t.Helper()
	var err error
	n.inside(t, func() {
		c, err = client.New(client.Options{Peers: []string{fmt.Sprintf("127.0.0.1:%d", port)}, KeyFile: n.path("/var/lib/ganeti/hmac.key")})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// config returns the node's present configuration file, or nil if there is none.
func (n *node) config(t *testing.T) (text []byte, serial int64) {
	t.Helper()
	text, err := os.ReadFile(n.path("/var/lib/ganeti/config.data"))
	if os.IsNotExist(err) {
		return nil, 0
	} else if err != nil {
		t.Fatal(err)
	}
	return text, serialOf(t, text)
}

func serialOf(t *testing.T, config []byte) int64 {
	t.Helper()
	var file struct {
		Serial int64 `json:"serial_no"`
	}
	if err := json.Unmarshal(config, &file); err != nil {
		t.Fatal(err)
	}
	return file.Serial
}

// daemon returns the process ID, in the node's namespace, of the confd daemon that Ganeti's
// tools know, or "".
func (n *node) daemon() (pid string) {
	text, err := os.ReadFile(n.path("/run/ganeti/ganeti-confd.pid"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// tellLogs logs the last lines of the logs of the node's confd and jobs.
func (n *node) tellLogs(t *testing.T) {
	t.Helper()
	out, _ := n.command(context.Background(), "sh", "-c", "tail -n 20 /var/log/ganeti/conf-daemon.log /var/log/ganeti/jobs.log").CombinedOutput()
	t.Logf("%s:\n%s", n.name, out)
}
