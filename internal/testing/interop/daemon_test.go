package interop

import (
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gntconfd/internal/testing/written"
	"gntconfd/internal/udp"
)

// hostname is the node name that the daemons and clients under test see.
const hostname = "node1.example.com"

// patience is how long the tests wait for something that must happen. Only failing tests
// use it up.
const patience = 30 * time.Second

// A daemon is a running program with its own root folder and key.
type daemon struct {
	program
	root string // GANETI_ROOTDIR
	key  []byte
	addr string
	log  *written.Buffer
}

// start runs the program on a free port with the configuration, or without one if config is
// nil, and waits until it answers. The daemon stops at the end of the test.
func start(t *testing.T, p program, config []byte) *daemon {
	t.Helper()
	return startAt(t, p, config, freePort(t))
}

func startAt(t *testing.T, p program, config []byte, port int) *daemon {
	t.Helper()
	// If another daemon has taken the port, it does not know the key and does not reply.
	return startWith(t, p, config, []byte(rand.Text()+"\n"), "127.0.0.1", port)
}

func startWith(t *testing.T, p program, config, key []byte, host string, port int) *daemon {
	t.Helper()
	d := &daemon{
		program: p,
		// Ganeti's clients require that the last part of the root is the host's name.
		root: filepath.Join(t.TempDir(), hostname),
		key:  key,
		addr: net.JoinHostPort(host, strconv.Itoa(port)),
		log:  new(written.Buffer),
	}
	for _, dir := range []string{"var/lib/ganeti", "var/run/ganeti", "var/log/ganeti"} {
		if err := os.MkdirAll(filepath.Join(d.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d.write(t, "hmac.key", d.key)
	d.write(t, "ssconf_master_candidates_ips", []byte("127.0.0.1\n"))
	if config != nil {
		d.write(t, "config.data", config)
	}

	cmd := exec.Command(p.path, "-f", "--no-user-checks", "-b", host, "-p", strconv.Itoa(port))
	cmd.Env = d.environ()
	launch(t, cmd, d.log, func() bool { return !d.askAlone(t, ping, 100*time.Millisecond).silent })
	return d
}

// launch runs a daemon until the end of the test, and returns when it is ready.
func launch(t *testing.T, cmd *exec.Cmd, log *written.Buffer, ready func() bool) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { stop(t, cmd, ended, log) })

	for deadline := time.Now().Add(patience); !ready(); {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s exited at start: %v\n%s", cmd, err, log)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not become ready\n%s", cmd, log)
		}
	}
}

func stop(t *testing.T, cmd *exec.Cmd, ended <-chan error, log *written.Buffer) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("%s exited before the end of the test: %v\n%s", cmd, err, log)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%s exited with an error: %v\n%s", cmd, err, log)
		}
	case <-time.After(patience):
		t.Errorf("%s does not exit on SIGTERM\n%s", cmd, log)
		cmd.Process.Kill()
		<-ended
	}
}

// environ is the environment of the daemon and of the clients that should find it.
func (d *daemon) environ() []string {
	return append(os.Environ(),
		"GANETI_ROOTDIR="+d.root,
		"GANETI_HOSTNAME="+hostname,
		"LC_ALL=C.UTF-8", // the real daemon decodes its configuration with the locale's encoding
	)
}

// file returns the path of a file in the daemon's data folder.
func (d *daemon) file(name string) string {
	return filepath.Join(d.root, "var/lib/ganeti", name)
}

// write replaces a file in the daemon's data folder atomically, as Ganeti does.
func (d *daemon) write(t *testing.T, name string, data []byte) {
	t.Helper()
	temp := filepath.Join(d.root, "new")
	if err := os.WriteFile(temp, data, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, d.file(name)); err != nil {
		t.Fatal(err)
	}
}

// rootless removes the daemon's root folder from a text, so that texts of different daemons
// are equal.
func (d *daemon) rootless(text string) string {
	return strings.ReplaceAll(text, d.root, "ROOT")
}

// freePort finds an unused UDP port.
func freePort(t *testing.T) int {
	t.Helper()
	addr, err := udp.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return int(addr.Port())
}
