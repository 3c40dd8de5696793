package daemon

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gntconfd/gen/wire"
	"gntconfd/internal/daemon/web"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that should happen at once.
const patience = 20 * time.Second

// node is a directory with the files of a node, and a daemon that serves them.
type node struct {
	*Daemon
	dir string
}

func (n *node) config() string { return filepath.Join(n.dir, "config.data") }
func (n *node) key() string    { return filepath.Join(n.dir, "hmac.key") }

// replace replaces a file of the node by renaming, as Ganeti does.
func (n *node) replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// start runs a daemon with the sample's key and a configuration, nil for none.
func start(t *testing.T, config []byte) *node {
	t.Helper()
	n := &node{dir: t.TempDir()}
	n.replace(t, n.key(), sample.Key)
	if config != nil {
		n.replace(t, n.config(), config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d, err := Start(ctx, Options{
		Config: n.config(),
		Key:    n.key(),
		Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
		Web:    web.Options{Addr: "127.0.0.1:0"},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := d.Wait(); err != nil {
			t.Error(err)
		}
	})
	n.Daemon = d
	return n
}

// ping returns the answer to a ping signed with key, or "" if there is none.
func (n *node) ping(t *testing.T, key []byte) string {
	t.Helper()
	codec := protocol.NewCodec(protocol.NewKeyring(key))
	datagram, err := codec.SealRequest(nil, &wire.Request{Protocol: 1, Rsalt: "rs"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", n.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	buffer := make([]byte, wire.MaxDatagramSize)
	size, err := conn.Read(buffer)
	if err != nil {
		return ""
	}
	reply, _, err := codec.OpenReply(buffer[:size])
	if err != nil {
		t.Fatal(err)
	}
	return string(reply.Answer)
}

// await waits until the answer to a ping contains want.
func (n *node) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		got := n.ping(t, sample.Key)
		if strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %q, not %q", got, want)
		}
	}
}

func version(v string) []byte {
	return bytes.Replace(sample.Config, []byte("3000000"), []byte(v), 1)
}

// A node gets a configuration, loses it, and gets it back, all without a restart.
func TestConfigurationComesAndGoes(t *testing.T) {
	n := start(t, nil)
	gone := "getFileStatus: does not exist"
	n.await(t, gone)
	n.replace(t, n.config(), []byte("{"))
	n.await(t, "Cannot load configuration from "+n.config())
	n.replace(t, n.config(), version("3000000"))
	n.await(t, "3000000")
	n.replace(t, n.config(), version("3000001"))
	n.await(t, "3000001")
	if err := os.Remove(n.config()); err != nil {
		t.Fatal(err)
	}
	n.await(t, gone)
	n.replace(t, n.config(), version("3000002"))
	n.await(t, "3000002")
}

// A broken file leaves the last good configuration in service.
func TestLastGoodConfiguration(t *testing.T) {
	n := start(t, version("3000001"))
	n.await(t, "3000001")
	for _, broken := range []string{"", "{", "[]", `{"version":3000009}`, "\xff"} {
		n.replace(t, n.config(), []byte(broken))
		n.Reload()
		if got := n.ping(t, sample.Key); got != "3000001" {
			t.Errorf("with %q in the file a ping is answered with %q", broken, got)
		}
	}
	n.replace(t, n.config(), version("3000002"))
	n.await(t, "3000002")
}

// A new key is used at once. Requests signed with the old key still get replies that their
// senders can verify.
func TestKeyIsReplaced(t *testing.T) {
	n := start(t, version("3000001"))
	n.await(t, "3000001")
	key := []byte("another key\n")
	if got := n.ping(t, key); got != "" {
		t.Fatalf("a ping with the future key is answered with %q", got)
	}
	n.replace(t, n.key(), key)
	for deadline := time.Now().Add(patience); n.ping(t, key) != "3000001"; {
		if time.Now().After(deadline) {
			t.Fatal("the new key is not in use")
		}
	}
	if got := n.ping(t, sample.Key); got != "3000001" {
		t.Errorf("a ping with the old key is answered with %q", got)
	}
	n.replace(t, n.key(), nil)
	n.Reload()
	if got := n.ping(t, key); got != "3000001" {
		t.Errorf("with an empty key file a ping is answered with %q", got)
	}
}

// With an HTTP address the daemon reports whether it is ready.
func TestWeb(t *testing.T) {
	n := start(t, nil)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	status := func() int {
		response, err := client.Get("http://" + n.site.Addr().String() + "/-/ready")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if got := status(); got != http.StatusServiceUnavailable {
		t.Errorf("status %d without a configuration", got)
	}
	n.replace(t, n.config(), sample.Config)
	for deadline := time.Now().Add(patience); status() != http.StatusOK; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still status %d", status())
		}
	}
}

func TestStartErrors(t *testing.T) {
	options := func(change func(*Options)) Options {
		dir := t.TempDir()
		o := Options{
			Config: filepath.Join(dir, "config.data"),
			Key:    filepath.Join(dir, "hmac.key"),
			Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
			Logger: slog.New(slog.DiscardHandler),
		}
		if err := os.WriteFile(o.Key, sample.Key, 0o400); err != nil {
			t.Fatal(err)
		}
		change(&o)
		return o
	}
	taken := start(t, nil)
	for name, test := range map[string]struct {
		options Options
		is      error
		says    string
	}{
		"no key":          {options(func(o *Options) { os.Remove(o.Key) }), fs.ErrNotExist, "hmac.key"},
		"empty key":       {options(func(o *Options) { o.Key = os.DevNull }), nil, os.DevNull},
		"port taken":      {options(func(o *Options) { o.Addr = taken.Addr() }), syscall.EADDRINUSE, taken.Addr().String()},
		"foreign address": {options(func(o *Options) { o.Addr = netip.MustParseAddrPort("192.0.2.1:0") }), syscall.EADDRNOTAVAIL, "192.0.2.1"},
		"web port taken":  {options(func(o *Options) { o.Web.Addr = taken.site.Addr().String() }), syscall.EADDRINUSE, "--web.listen-address"},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Start(ctx, test.options)
		cancel()
		if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Status lines follow what is served.
func TestStatus(t *testing.T) {
	n := &node{dir: t.TempDir()}
	n.replace(t, n.key(), sample.Key)
	n.replace(t, n.config(), []byte("{"))
	status := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	bound := false
	d, err := Start(ctx, Options{
		Config: n.config(),
		Key:    n.key(),
		Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
		Logger: slog.New(slog.DiscardHandler),
		Bound:  func() { bound = len(status) == 0 },
		Status: func(line string) { status <- line },
	})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-status:
			if !strings.HasPrefix(got, want) {
				t.Errorf("%q, not %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("nothing, not %q", want)
		}
	}
	if !bound {
		t.Error("the files were read before the sockets were bound")
	}
	expect("no configuration: ")
	n.replace(t, n.config(), sample.Config)
	expect("serving serial 73 (file 412)")
	n.replace(t, n.config(), []byte("[]"))
	expect("serving old serial 73 (file 412): the file is broken: ")
	if err := os.Remove(n.config()); err != nil {
		t.Fatal(err)
	}
	expect("no configuration file: this node is not a master candidate")
	cancel()
	if err := d.Wait(); err != nil {
		t.Error(err)
	}
}
