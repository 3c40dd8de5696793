package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/lacking"
)

// patience is how long a test waits for something that should happen at once.
const patience = 20 * time.Second

// stuckNode is a node whose daemon has a log that accepts nothing.
type stuckNode struct {
	t    *testing.T
	root string
	addr string
	run  *exec.Cmd
}

// Whatever is wrong with a log, the daemon answers, reloads, handles HUP, and stops when
// told to. Its other logs keep working.
func TestStuckLogs(t *testing.T) {
	for name, test := range map[string]struct {
		options []string
		mounts  string // shell commands to run before the daemon starts
		stderr  func(t *testing.T) *os.File
		file    bool // whether the log file accepts messages
	}{
		"a pipe that nobody reads": {options: []string{"-d"}, stderr: fullPipe, file: true},
		"a pipe without a reader":  {options: []string{"-d"}, stderr: brokenPipe, file: true},
		"a log daemon that is stopped": {
			options: []string{"--syslog=yes"}, mounts: devices, stderr: nowhere, file: true,
		},
		"a full disk": {
			mounts: `mount -t tmpfs -o size=4k tmpfs "$ROOT/var/log/ganeti"; head -c 4096 /dev/zero >"$ROOT/var/log/ganeti/other"`,
			stderr: nowhere,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.mounts != "" && os.Getuid() != 0 {
				lacking.Skip(t, "%s", "only root can mount")
			}
			n := newStuckNode(t)
			n.start(test.mounts, test.stderr(t), test.options...)
			n.await("3000000")
			for _, version := range []string{"3000001", "3000002"} {
				path := filepath.Join(n.root, "var/lib/ganeti/config.data")
				config := bytes.Replace(sample.Config, []byte("3000000"), []byte(version), 1)
				if err := os.WriteFile(path+".new", config, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(path+".new", path); err != nil {
					t.Fatal(err)
				}
				n.await(version)
				n.run.Process.Signal(syscall.SIGHUP)
			}
			n.end()
			log, err := os.ReadFile(filepath.Join(n.root, "var/log/ganeti/conf-daemon.log"))
			if test.file && (err != nil || !strings.Contains(string(log), "NOTICE ganeti-confd daemon shutdown\n")) {
				t.Errorf("the log file has\n%s%v", log, err)
			}
		})
	}
}

func newStuckNode(t *testing.T) *stuckNode {
	n := &stuckNode{t: t, root: t.TempDir(), addr: "127.0.0.1:" + freePort(t)}
	for _, dir := range []string{"var/lib/ganeti", "var/log/ganeti", "var/run/ganeti"} {
		if err := os.MkdirAll(filepath.Join(n.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"hmac.key": sample.Key, "config.data": sample.Config} {
		if err := os.WriteFile(filepath.Join(n.root, "var/lib/ganeti", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(n.root, "ganeti-confd")); err != nil {
		t.Fatal(err)
	}
	// A system log that nobody reads.
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(n.root, "syslog"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: filepath.Join(n.root, "syslog")}); err != nil {
		t.Fatal(err)
	}
	fill(t, fd)
	return n
}

// fill writes until nothing more is accepted.
func fill(t *testing.T, fd int) {
	t.Helper()
	for {
		if _, err := unix.Write(fd, []byte("x")); err == unix.EAGAIN {
			return
		} else if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// devices replaces the system log with the socket, in the daemon's own /dev.
const devices = `mkdir "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/dev"
for name in null zero urandom random; do touch "$ROOT/dev/$name"; mount --bind "/dev/$name" "$ROOT/dev/$name"; done
touch "$ROOT/dev/log"
mount --bind "$ROOT/syslog" "$ROOT/dev/log"
mount --rbind "$ROOT/dev" /dev`

// fullPipe returns the write end of a pipe that is full.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	fill(t, ends[1])
	if err := unix.SetNonblock(ends[1], false); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(ends[0]), "pipe"), os.NewFile(uintptr(ends[1]), "pipe")
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return w
}

// brokenPipe returns the write end of a pipe whose read end is closed.
func brokenPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() { w.Close() })
	return w
}

func nowhere(t *testing.T) *os.File {
	t.Helper()
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// start starts the daemon in a shell that sets up the mounts in its own namespace.
func (n *stuckNode) start(mounts string, stderr *os.File, options ...string) {
	n.t.Helper()
	_, port, _ := net.SplitHostPort(n.addr)
	args := append([]string{"-ec", mounts + "\n" + `exec "$0" "$@"`, filepath.Join(n.root, "ganeti-confd"),
		"-f", "--no-user-checks", "-b", "127.0.0.1", "-p", port}, options...)
	n.run = exec.Command("/bin/sh", args...)
	n.run.Env = append(os.Environ(), "GANETI_ROOTDIR="+n.root, "ROOT="+n.root,
		"GORACE=atexit_sleep_ms=0 log_path="+filepath.Join(n.root, "race"))
	n.run.Stderr = stderr
	if mounts != "" {
		n.run.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	if err := n.run.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { n.run.Process.Kill() })
}

// await waits until a ping is answered with a version.
func (n *stuckNode) await(version string) {
	n.t.Helper()
	got := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = n.ping(); got == version {
			return
		}
	}
	n.t.Fatalf("a ping is answered with %q, not %s", got, version)
}

// ping returns the answer to a ping, or "" if there is none.
func (n *stuckNode) ping() string {
	n.t.Helper()
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	datagram, err := codec.SealRequest(nil, &wire.Request{Protocol: 1, Rsalt: "rs"}, time.Now())
	if err != nil {
		n.t.Fatal(err)
	}
	conn, err := net.Dial("udp", n.addr)
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	conn.Write(datagram)
	conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	buffer := make([]byte, wire.MaxDatagramSize)
	size, err := conn.Read(buffer)
	if err != nil {
		return ""
	}
	reply, _, err := codec.OpenReply(buffer[:size])
	if err != nil {
		n.t.Fatal(err)
	}
	return string(reply.Answer)
}

// end tells the daemon to stop, and waits for that.
func (n *stuckNode) end() {
	n.t.Helper()
	n.run.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- n.run.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			n.t.Errorf("it exits with %v", err)
		}
	case <-time.After(patience):
		n.t.Error("it does not exit")
	}
	races, _ := filepath.Glob(filepath.Join(n.root, "race.*"))
	for _, path := range races {
		report, _ := os.ReadFile(path)
		n.t.Errorf("a data race:\n%s", report)
	}
}
