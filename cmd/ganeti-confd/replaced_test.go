package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/lacking"
)

// host is a node with a daemon, as on a real node: sandboxed and, if it has users, running
// as its own user, with the file owners and modes that Ganeti sets.
type host struct {
	t      *testing.T
	root   string
	data   string // the directory of the key and the configuration
	log    string // the directory of the log
	users  *users // nil if everything belongs to the user who runs the test
	mounts bool   // whether the daemon has its own mount namespace
	daemon *exec.Cmd
	port   string
}

// users are the IDs of Ganeti's users and groups.
type users struct{ master, confd, masters, confds, daemons int }

func ganetiUsers(t *testing.T) *users {
	t.Helper()
	var u users
	for id, find := range map[*int]func() (string, error){
		&u.master:  func() (string, error) { return userID("gnt-masterd") },
		&u.confd:   func() (string, error) { return userID(ganeti.User) },
		&u.masters: func() (string, error) { return groupID("gnt-masterd") },
		&u.confds:  func() (string, error) { return groupID(ganeti.User) },
		&u.daemons: func() (string, error) { return groupID("gnt-daemons") },
	} {
		text, err := find()
		if err != nil {
			lacking.Skip(t, "%s", fmt.Sprintf("Ganeti's users are not all there: %v", err))
		}
		if *id, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	return &u
}

func userID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// must fails the test if any of the errors is not nil.
func (h *host) must(steps ...error) {
	h.t.Helper()
	for _, err := range steps {
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// own gives a file its mode and owner on a real node.
func (h *host) own(path string, mode os.FileMode, owner func(*users) (uid, gid int)) {
	h.t.Helper()
	h.must(os.Chmod(path, mode))
	if h.users != nil {
		uid, gid := owner(h.users)
		h.must(os.Chown(path, uid, gid))
	}
}

// makeData creates a directory with the key and the configuration.
func (h *host) makeData(path string, serial int) {
	h.t.Helper()
	h.must(os.MkdirAll(path, 0o755))
	h.own(path, 0o755, func(u *users) (int, int) { return u.master, u.masters })
	key := filepath.Join(path, "hmac.key")
	h.must(os.WriteFile(key, sample.Key, 0o600))
	h.own(key, 0o440, func(u *users) (int, int) { return u.confd, u.masters })
	h.makeConfig(filepath.Join(path, "config.data"), serial)
}

// makeConfig renames a new configuration to a path.
func (h *host) makeConfig(path string, serial int) {
	h.t.Helper()
	text := bytes.Replace(sample.Config, []byte(`"serial_no": 73`), fmt.Appendf(nil, `"serial_no": %d`, serial), 1)
	h.must(os.WriteFile(path+".new", text, 0o600))
	h.own(path+".new", 0o640, func(u *users) (int, int) { return u.master, u.confds })
	h.must(os.Rename(path+".new", path))
}

func (h *host) makeLog(path string) {
	h.t.Helper()
	h.must(os.MkdirAll(path, 0o755))
	h.own(path, 0o770, func(u *users) (int, int) { return u.master, u.daemons })
}

// start creates the node's files and starts the daemon.
func (h *host) start() {
	h.t.Helper()
	h.root = h.t.TempDir()
	// The daemon's user must be able to enter the directory.
	for dir := h.root; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		h.must(os.Chmod(dir, 0o755))
	}
	h.data = filepath.Join(h.root, "var/lib/ganeti")
	h.log = filepath.Join(h.root, "var/log/ganeti")
	h.makeData(h.data, 1)
	h.makeLog(h.log)
	run := filepath.Join(h.root, "var/run/ganeti")
	h.must(os.MkdirAll(run, 0o755))
	h.own(run, 0o775, func(u *users) (int, int) { return u.master, u.daemons })

	program := filepath.Join(h.root, "ganeti-confd")
	h.copyProgram(program)
	h.port = freePort(h.t)
	args := []string{"-f", "-b", "127.0.0.1", "-p", h.port}
	attributes := &syscall.SysProcAttr{}
	if h.users != nil {
		attributes.Credential = &syscall.Credential{Uid: uint32(h.users.confd), Gid: uint32(h.users.confds),
			Groups: []uint32{uint32(h.users.daemons)}}
	} else {
		args = append(args, "--no-user-checks")
	}
	if h.mounts {
		attributes.Unshareflags = syscall.CLONE_NEWNS
	}
	h.daemon = exec.Command(program, args...)
	h.daemon.Env = append(os.Environ(), "GANETI_ROOTDIR="+h.root, "GORACE=atexit_sleep_ms=0")
	h.daemon.SysProcAttr = attributes
	h.daemon.Dir = "/"
	h.must(h.daemon.Start())
	h.t.Cleanup(func() {
		h.daemon.Process.Signal(syscall.SIGTERM)
		if err := h.daemon.Wait(); err != nil {
			h.t.Errorf("the daemon exited: %v", err)
		}
		if _, err := os.Stat(filepath.Join(run, "ganeti-confd.pid")); err == nil {
			h.t.Error("the pid file is still there")
		}
	})
	h.serves(1)
}

// copyProgram copies the test program, which plays the daemon, to a place where every user
// can run it.
func (h *host) copyProgram(path string) {
	h.t.Helper()
	self, err := os.Open("/proc/self/exe")
	h.must(err)
	defer self.Close()
	program, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o755)
	h.must(err)
	_, err = io.Copy(program, self)
	h.must(err, program.Chmod(0o755), program.Close())
}

// serves waits until the daemon answers from a configuration. It waits ten times longer
// than promised, for slow machines.
func (h *host) serves(serial int) {
	h.t.Helper()
	conn, err := net.Dial("udp", "127.0.0.1:"+h.port)
	h.must(err)
	defer conn.Close()
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	buffer := make([]byte, wire.MaxDatagramSize)
	last := "no reply"
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		datagram, err := codec.SealRequest(nil, &wire.Request{Protocol: 1, Type: wire.RequestClusterMaster, Rsalt: "salt"}, time.Now())
		h.must(err)
		if _, err := conn.Write(datagram); err != nil {
			continue // nobody listens yet
		}
		conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := conn.Read(buffer)
		if err != nil {
			continue
		}
		reply, _, err := codec.OpenReply(buffer[:n])
		h.must(err)
		if reply.Status == wire.StatusOK && reply.Serial.Value == int64(serial) {
			return
		}
		last = fmt.Sprintf("status %d, serial %d, %s", reply.Status, reply.Serial.Value, reply.Answer)
	}
	log, _ := os.ReadFile(filepath.Join(h.log, "conf-daemon.log"))
	h.t.Fatalf("serial %d is not served: %s\n%s", serial, last, log)
}

// mount mounts a directory over another in the daemon's mount namespace.
func (h *host) mount(dir, over string) {
	h.t.Helper()
	out, err := exec.Command("nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", h.daemon.Process.Pid),
		"mount", "--bind", dir, over).CombinedOutput()
	if err != nil {
		h.t.Fatalf("mounting: %v\n%s", err, out)
	}
}

// replacements are the ways to replace the directory of the key and the configuration, or
// the configuration in it, under a running daemon. Each ends with the serial number 2 and
// returns the path where the configuration can be changed from then on.
var replacements = []struct {
	name    string
	mounts  bool
	replace func(h *host) (config string)
}{
	{"restored", false, func(h *host) string {
		h.makeData(h.data+".new", 2)
		h.must(os.Rename(h.data, h.data+".failed"), os.Rename(h.data+".new", h.data))
		return filepath.Join(h.data, "config.data")
	}},
	{"made anew", false, func(h *host) string {
		h.must(os.RemoveAll(h.data))
		h.makeData(h.data, 2)
		return filepath.Join(h.data, "config.data")
	}},
	{"made a link", false, func(h *host) string {
		elsewhere := filepath.Join(h.root, "srv/restored")
		h.makeData(elsewhere, 2)
		h.must(os.Rename(h.data, h.data+".failed"), os.Symlink(elsewhere, h.data))
		return filepath.Join(elsewhere, "config.data")
	}},
	{"the directory above made a link", false, func(h *host) string {
		elsewhere := filepath.Join(h.root, "srv/lib")
		h.makeData(filepath.Join(elsewhere, "ganeti"), 2)
		above := filepath.Dir(h.data)
		h.must(os.Rename(above, above+".failed"), os.Symlink(elsewhere, above))
		return filepath.Join(elsewhere, "ganeti/config.data")
	}},
	{"a file made a link", false, func(h *host) string {
		elsewhere := filepath.Join(h.root, "srv/other.data")
		h.must(os.MkdirAll(filepath.Dir(elsewhere), 0o755))
		h.makeConfig(elsewhere, 2)
		link := filepath.Join(h.data, "link")
		h.must(os.Symlink(elsewhere, link), os.Rename(link, filepath.Join(h.data, "config.data")))
		return elsewhere
	}},
	{"mounted over", true, func(h *host) string {
		elsewhere := filepath.Join(h.root, "srv/disk")
		h.makeData(elsewhere, 2)
		h.mount(elsewhere, h.data)
		return filepath.Join(elsewhere, "config.data")
	}},
}

// However the files and their directories are replaced, the daemon uses what is at their
// paths now.
func TestReplaced(t *testing.T) {
	forBothUsers(t, func(t *testing.T, users *users) {
		for _, r := range replacements {
			t.Run(r.name, func(t *testing.T) {
				if r.mounts {
					needRoot(t)
				}
				h := &host{t: t, users: users, mounts: r.mounts}
				h.start()
				config := r.replace(h)
				h.serves(2)
				for serial := 3; serial <= 5; serial++ {
					h.makeConfig(config, serial)
					h.serves(serial)
				}
			})
		}
	})
}

// After HUP the log is at its path, however the directory was replaced.
func TestLogReplaced(t *testing.T) {
	replace := map[string]func(h *host){
		"restored": func(h *host) {
			h.makeLog(h.log + ".new")
			h.must(os.Rename(h.log, h.log+".old"), os.Rename(h.log+".new", h.log))
		},
		"made anew": func(h *host) {
			h.must(os.RemoveAll(h.log))
			h.makeLog(h.log)
		},
		"mounted over": func(h *host) {
			needRoot(h.t)
			disk := filepath.Join(h.root, "srv/disk")
			h.makeLog(disk)
			h.mount(disk, h.log)
			h.log = disk
		},
	}
	forBothUsers(t, func(t *testing.T, users *users) {
		for name, replace := range replace {
			t.Run(name, func(t *testing.T) {
				h := &host{t: t, users: users, mounts: name == "mounted over" && os.Getuid() == 0}
				h.start()
				replace(h)
				h.must(h.daemon.Process.Signal(syscall.SIGHUP))
				log := filepath.Join(h.log, "conf-daemon.log")
				var text []byte
				for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
					text, _ = os.ReadFile(log)
					if strings.Contains(string(text), "INFO hangup") {
						return
					}
				}
				t.Fatalf("the new log lacks the hangup: %q", text)
			})
		}
	})
}

// forBothUsers runs a test twice on separate nodes: as the current user and as the daemon's user.
func forBothUsers(t *testing.T, test func(t *testing.T, users *users)) {
	t.Run("one user", func(t *testing.T) { test(t, nil) })
	t.Run("Ganeti's users", func(t *testing.T) {
		needRoot(t)
		test(t, ganetiUsers(t))
	})
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		lacking.Skip(t, "%s", "only root can become the daemon's user and mount")
	}
}
