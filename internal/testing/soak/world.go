package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/udp"
)

// window is how long after its file was replaced a configuration may still be used for
// answers. It is generous, because a machine may be busy.
const window = 5 * time.Second

// world is a node with a daemon.
type world struct {
	dir    string // with the daemon's program and its root directory
	addr   netip.AddrPort
	web    string
	daemon *exec.Cmd
	ended  chan error
	ring   *protocol.Keyring

	mu     sync.Mutex
	states []state // that may be used for answers, newest last
	serial int
	key    int
}

// state is what the daemon may answer from, until a while after the next one.
type state struct {
	book  *answer.Book // nil if there is no file, so that all answers are errors
	until time.Time    // zero for the newest
}

func newWorld(race bool) (*world, error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, serial: 100, ring: protocol.NewKeyring([]byte("key 0\n"))}
	args := []string{"build", "-o", filepath.Join(dir, "ganeti-confd")}
	if race {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "gntconfd/cmd/ganeti-confd")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the daemon: %w\n%s", err, out)
	}
	for _, of := range []string{"lib", "log", "run"} {
		if err := os.MkdirAll(w.path(of), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(w.path("lib/hmac.key"), []byte("key 0\n"), 0o600); err != nil {
		return nil, err
	}
	return w, w.rewrite()
}

// path returns the path of a file in one of the daemon's directories lib, log and run.
func (w *world) path(name string) string {
	kind, file, _ := strings.Cut(name, "/")
	return filepath.Join(w.dir, "var", kind, "ganeti", file)
}

// start starts the daemon and waits until it serves its metrics.
func (w *world) start() error {
	var err error
	if w.addr, err = udp.FreePort(); err != nil {
		return err
	}
	w.web = w.addr.String() // TCP ports are separate
	w.daemon = exec.Command(filepath.Join(w.dir, "ganeti-confd"), "-f", "--no-user-checks", "-b", "127.0.0.1",
		"-p", strconv.Itoa(int(w.addr.Port())), "--web.listen-address", w.web)
	w.daemon.Env = append(os.Environ(), "GANETI_ROOTDIR="+w.dir)
	if err := w.daemon.Start(); err != nil {
		return err
	}
	w.ended = make(chan error, 1)
	go func() { w.ended <- w.daemon.Wait() }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err = w.metric("go_goroutines"); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the daemon does not start: %w", err)
		}
	}
}

// alive returns an error if the daemon has exited.
func (w *world) alive() error {
	select {
	case err := <-w.ended:
		return fmt.Errorf("the daemon has exited: %w\n%s", errors.Join(err), w.log())
	default:
		return nil
	}
}

// end stops the daemon, which must obey.
func (w *world) end() error {
	if err := w.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-w.ended:
		if err != nil {
			return fmt.Errorf("stopping the daemon: %w\n%s", err, w.log())
		}
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("the daemon does not stop")
	}
}

func (w *world) close() {
	if w.daemon != nil && w.daemon.Process != nil {
		w.daemon.Process.Kill()
	}
	os.RemoveAll(w.dir)
}

// log returns the end of the daemon's log.
func (w *world) log() string {
	data, _ := os.ReadFile(w.path("log/conf-daemon.log"))
	return string(data[max(0, len(data)-4000):])
}

// config returns the configuration with a serial number. Every second one has other node
// addresses and another candidate.
func config(serial int) []byte {
	text := bytes.ReplaceAll(sample.Config, []byte(`"serial_no": 73`), fmt.Appendf(nil, `"serial_no": %d`, serial))
	if serial%2 == 1 {
		text = bytes.ReplaceAll(text, []byte(`"192.0.2.1`), []byte(`"192.0.3.1`))
	}
	return text
}

// rewrite puts a new configuration into place.
func (w *world) rewrite() error {
	return w.put(w.path("lib"), config(w.next()))
}

// put writes a valid configuration to the file in a directory.
func (w *world) put(directory string, text []byte) error {
	if err := w.note(text); err != nil {
		return err
	}
	return replace(filepath.Join(directory, "config.data"), text)
}

// note records a configuration just before it is put into place.
func (w *world) note(text []byte) error {
	snapshot, err := cluster.Parse(bytes.Clone(text))
	if err != nil {
		return err
	}
	w.now(answer.Prepare(snapshot))
	return nil
}

// now records what may be used for answers from now on.
func (w *world) now(book *answer.Book) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if n := len(w.states); n > 0 {
		w.states[n-1].until = now.Add(window)
	}
	w.states = append(w.states, state{book: book})
	for w.states[0].until.Before(now.Add(-window)) && !w.states[0].until.IsZero() {
		w.states = w.states[1:]
	}
}

// books returns what may have been used for answers since a time; nil stands for an error.
func (w *world) books(since time.Time) []*answer.Book {
	w.mu.Lock()
	defer w.mu.Unlock()
	var books []*answer.Book
	for _, s := range w.states {
		if s.until.IsZero() || s.until.After(since) {
			books = append(books, s.book)
		}
	}
	return books
}

// replace renames a new file over another, as Ganeti does.
func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// metric returns the value of one of the daemon's metrics.
func (w *world) metric(name string) (float64, error) {
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + w.web + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}
