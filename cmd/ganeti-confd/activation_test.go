package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
)

// manager plays systemd: it owns the daemon's socket, starts the daemon with it, and
// receives its notifications.
type manager struct {
	t       *testing.T
	root    string
	program string
	socket  *os.File
	notify  *net.UnixConn
	daemon  *exec.Cmd
	journal *os.File // the daemon's standard error
}

func newManager(t *testing.T) (*manager, net.Addr) {
	t.Helper()
	m := &manager{t: t, root: t.TempDir()}
	for _, dir := range []string{"var/lib/ganeti", "var/log/ganeti", "var/run/ganeti"} {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"hmac.key": sample.Key, "config.data": sample.Config} {
		if err := os.WriteFile(filepath.Join(m.root, "var/lib/ganeti", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m.program = filepath.Join(m.root, "ganeti-confd")
	if err := os.Symlink(self, m.program); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadBuffer(512 << 10)
	if m.socket, err = conn.File(); err != nil {
		t.Fatal(err)
	}
	if m.journal, err = os.Create(filepath.Join(m.root, "journal")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(m.root, "notify")
	if m.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.socket.Close()
		m.notify.Close()
		m.journal.Close()
	})
	return m, conn.LocalAddr()
}

func (m *manager) messages() string {
	data, err := os.ReadFile(m.journal.Name())
	if err != nil {
		m.t.Error(err)
	}
	return string(data)
}

// start starts the daemon and waits until it is ready.
func (m *manager) start() {
	m.t.Helper()
	m.launch()
	m.await("READY=1")
}

// launch starts the daemon with options.
func (m *manager) launch(options ...string) {
	m.t.Helper()
	// LISTEN_PID must be the daemon's own process ID, which only the shell that becomes it
	// knows.
	options = append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, m.program, "-f", "--no-user-checks"}, options...)
	m.daemon = exec.Command("/bin/sh", options...)
	m.daemon.Env = append(os.Environ(), "LISTEN_FDS=1", "GANETI_ROOTDIR="+m.root,
		"NOTIFY_SOCKET="+m.notify.LocalAddr().String(), "WATCHDOG_USEC=100000", "GORACE=atexit_sleep_ms=0")
	m.daemon.ExtraFiles = []*os.File{m.socket}
	m.daemon.Stderr = m.journal
	info, err := m.journal.Stat()
	if err != nil {
		m.t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	m.daemon.Env = append(m.daemon.Env, fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino))
	if err := m.daemon.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { m.daemon.Process.Kill() })
}

// stop stops the daemon, which must succeed.
func (m *manager) stop() {
	m.t.Helper()
	m.daemon.Process.Signal(syscall.SIGTERM)
	m.await("STOPPING=1")
	if err := m.daemon.Wait(); err != nil {
		m.t.Fatalf("the daemon exited: %v\n%s", err, m.messages())
	}
}

// await waits until the daemon has sent a message that begins with a text.
func (m *manager) await(text string) {
	m.t.Helper()
	message := make([]byte, 4096)
	for {
		m.notify.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := m.notify.Read(message)
		if err != nil {
			m.t.Fatalf("waiting for %s: %v\n%s", text, err, m.messages())
		}
		if strings.HasPrefix(string(message[:n]), text) {
			return
		}
	}
}

// says waits until the journal has a line that begins with a text.
func (m *manager) says(text string) {
	m.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains("\n"+m.messages(), "\n"+text) {
			return
		}
	}
	m.t.Fatalf("the journal lacks %q:\n%s", text, m.messages())
}

func TestServiceManager(t *testing.T) {
	m, _ := newManager(t)
	m.start()
	m.await("WATCHDOG=1")
	if err := os.WriteFile(filepath.Join(m.root, "var/lib/ganeti/config.data"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.await("STATUS=serving old serial 73 (file 412): the file is broken")
	m.says("<3>the configuration file cannot be loaded") // after a second
	m.daemon.Process.Signal(syscall.SIGHUP)
	m.await("RELOADING=1\nMONOTONIC_USEC=")
	m.await("READY=1")
	if err := os.Remove(filepath.Join(m.root, "var/lib/ganeti/config.data")); err != nil {
		t.Fatal(err)
	}
	m.await("STATUS=no configuration file")
	m.stop()
	// The journal has its own timestamps, and gets the priority.
	m.says("<5>ganeti-confd daemon startup\n")
	m.says("<6>listening address=")
}

// The socket is not used if the options ask for another address.
func TestSocketAndOptionsAgree(t *testing.T) {
	m, addr := newManager(t)
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	m.launch("-b", "127.0.0.1", "-p", port)
	m.await("READY=1")
	m.stop()
	for _, options := range [][]string{{"-p", "1"}, {"-b", "0.0.0.0"}} {
		m.launch(options...)
		err := m.daemon.Wait()
		if err == nil || !strings.Contains(m.messages(), "the service manager's socket is bound to "+addr.String()) {
			t.Errorf("%v: %v\n%s", options, err, m.messages())
		}
		m.journal.Truncate(0)
	}
}

// While the daemon restarts repeatedly, every query sent to the manager's socket gets its
// reply, possibly later.
func TestNoQueryIsLostDuringARestart(t *testing.T) {
	m, addr := newManager(t)
	m.start()
	const clients, restarts = 4, 5
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() { askUntil(t, addr, stop) })
	}
	for range restarts {
		time.Sleep(50 * time.Millisecond)
		m.stop()
		m.start()
	}
	close(stop)
	wait.Wait()
	m.stop()
}

// window is how many pings of one client may wait for a reply: while the daemon starts
// slowly, the pings of all clients must fit into the socket buffer.
const window = 40

// askUntil sends pings, some hundreds per second, until stop, and checks that each gets
// exactly one reply.
func askUntil(t *testing.T, addr net.Addr, stop <-chan struct{}) {
	conn, err := net.Dial("udp", addr.String())
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	replies := make(chan map[string]int, 1)
	failed := make(chan struct{})
	waiting := make(chan struct{}, window)
	var sent int
	asked := make(chan int, 1)
	go func() {
		got := make(map[string]int)
		reader := protocol.NewCodec(protocol.NewKeyring(sample.Key))
		buffer := make([]byte, wire.MaxDatagramSize)
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		for total := -1; len(got) != total; {
			n, err := conn.Read(buffer)
			if err == nil {
				var salt string
				if _, salt, err = reader.OpenReply(buffer[:n]); err == nil {
					if got[salt]++; got[salt] == 1 {
						<-waiting
					}
				}
			}
			if err != nil {
				t.Errorf("after %d replies: %v", len(got), err)
				close(failed)
				break
			}
			select {
			case total = <-asked:
				conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			default:
			}
		}
		replies <- got
	}()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-stop:
			running = false
			asked <- sent + 1 // the last one wakes the reader
		case <-ticker.C:
		}
		select {
		case waiting <- struct{}{}:
		case <-failed:
			return
		}
		datagram, err := codec.SealRequest(nil, &wire.Request{Protocol: 1, Rsalt: strconv.Itoa(sent)}, time.Now())
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := conn.Write(datagram); err != nil {
			t.Error(err)
		}
		sent++
	}
	got := <-replies
	for salt, n := range got {
		if n != 1 {
			t.Errorf("query %s got %d replies", salt, n)
		}
	}
	if len(got) != sent || sent < 10 {
		t.Errorf("%d queries, %d replies", sent, len(got))
	}
}
