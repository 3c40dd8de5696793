package resilience

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gntconfd/internal/daemon"
	"gntconfd/internal/sample"
)

// A setup configures a daemon's process.
type setup struct {
	Dir  string // contains config.data and hmac.key
	Addr netip.AddrPort
	// Skew is how far the daemon's clock is ahead, or behind if negative; 0 means right.
	Skew time.Duration
}

// serve is the daemon's process.
func serve(encoded string) {
	var s setup
	if err := json.Unmarshal([]byte(encoded), &s); err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run := func() {
		d, err := daemon.Start(ctx, daemon.Options{
			Config: filepath.Join(s.Dir, "config.data"),
			Key:    filepath.Join(s.Dir, "hmac.key"),
			Addr:   s.Addr,
			Logger: slog.New(slog.DiscardHandler),
		})
		if err == nil {
			fmt.Println("ready")
			err = d.Wait()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if s.Skew == 0 {
		run()
		return
	}
	// A bubble of package synctest has its own clock, which can be set ahead and then
	// stops, because the daemon always waits for the network. A bubble needs a test, and
	// nothing outside can end it cleanly.
	context.AfterFunc(ctx, func() { os.Exit(0) })
	showing := time.Now().Add(s.Skew)
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "candidate",
		F: func(t *testing.T) {
			synctest.Test(t, func(*testing.T) {
				time.Sleep(time.Until(showing))
				ctx = context.Background()
				run()
			})
		},
	}}, nil, nil)
}

// A candidate is a host with a daemon.
type candidate struct {
	*host
	setup
	key     []byte
	process *exec.Cmd // nil while the daemon is not running
	errors  *bytes.Buffer
}

// newCandidate prepares a host for its daemon, which will listen on the protocol's port of
// all its addresses, with a configuration, or nil for none.
func newCandidate(t *testing.T, h *host, config []byte) *candidate {
	t.Helper()
	c := &candidate{
		host:  h,
		setup: setup{Dir: t.TempDir(), Addr: netip.AddrPortFrom(netip.IPv6Unspecified(), port)},
		key:   sample.Key,
	}
	c.write(t, "hmac.key", c.key)
	if config != nil {
		c.write(t, "config.data", config)
	}
	return c
}

// write replaces a file of the daemon atomically, as Ganeti does.
func (c *candidate) write(t *testing.T, name string, data []byte) {
	t.Helper()
	path := filepath.Join(c.Dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Error(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Error(err)
	}
}

// start starts the daemon and returns when it serves. It stops at the end of the test at
// the latest.
func (c *candidate) start(t *testing.T) {
	t.Helper()
	c.launch(t)
	t.Cleanup(func() {
		if c.process != nil {
			c.end(t, syscall.SIGTERM)
		}
	})
}

func (c *candidate) launch(t *testing.T) {
	t.Helper()
	encoded, err := json.Marshal(c.setup)
	if err != nil {
		t.Error(err)
		return
	}
	cmd := exec.Command("/proc/self/exe")
	// The race detector would delay each process by a second at exit.
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", candidateVar+"="+string(encoded))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.errors = new(bytes.Buffer)
	cmd.Stderr = c.errors
	out, err := cmd.StdoutPipe()
	if err == nil {
		c.inside(t, func() { err = cmd.Start() })
	}
	if err != nil {
		t.Error(err)
		return
	}
	c.process = cmd
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		c.process = nil
		t.Errorf("the daemon of host %d does not start: %q, %v, %v\n%s", c.number, line, err, cmd.Wait(), c.errors)
	}
}

// end ends the daemon, cleanly with SIGTERM or like a crash with SIGKILL.
func (c *candidate) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	err := c.process.Process.Signal(sig)
	if err == nil {
		c.process.Process.Signal(syscall.SIGCONT) // it may be stopped
		err = c.process.Wait()
	}
	if sig == syscall.SIGKILL {
		err = nil // as expected
	}
	if err != nil || c.errors.Len() > 0 {
		t.Errorf("the daemon of host %d ended with: %v\n%s", c.number, err, c.errors)
	}
	c.process = nil
}

// restart stops and starts the daemon repeatedly until the test ends.
func (c *candidate) restart(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			if c.process != nil {
				c.end(t, syscall.SIGKILL)
			}
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				c.launch(t)
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

// port is where the daemons listen, unless a proxy listens there for them.
const port = 1814

// configuration returns the configuration of a cluster with the serial number, whose nodes
// are the hosts of a network with the given numbers, all of them master candidates. The
// master's name contains the serial number, so every configuration gives another answer.
func configuration(t *testing.T, serial int, network netip.Prefix, numbers ...int) []byte {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal(sample.Config, &config); err != nil {
		t.Fatal(err)
	}
	cluster := config["cluster"].(map[string]any)
	var node map[string]any
	for _, member := range config["nodes"].(map[string]any) {
		if node = member.(map[string]any); node["uuid"] == cluster["master_node"] {
			break
		}
	}
	nodes := map[string]any{}
	for _, number := range numbers {
		clone := maps.Clone(node)
		clone["uuid"] = fmt.Sprintf("00000000-0000-4000-8000-%012d", number)
		clone["name"] = fmt.Sprintf("node%d.example.org", number)
		clone["primary_ip"] = addr(network, number).String()
		nodes[clone["uuid"].(string)] = clone
		if number == numbers[0] {
			clone["name"] = master(serial)
			cluster["master_node"] = clone["uuid"]
		}
	}
	cluster["serial_no"] = serial
	config["nodes"] = nodes
	for _, name := range []string{"instances", "disks"} { // they contain node names
		config[name] = map[string]any{}
	}
	encoded, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// master is the master's name in the configuration with the serial number.
func master(serial int) string { return fmt.Sprintf("master-of-%d.example.org", serial) }
