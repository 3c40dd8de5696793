package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/reload"
	"gntconfd/internal/sample"
	"gntconfd/internal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that should happen at once.
const patience = 20 * time.Second

// fixture is a site for a server with the sample cluster.
type fixture struct {
	*Site
	server *server.Server
	state  atomic.Pointer[reload.State]
	client http.Client
}

func start(t *testing.T, o Options) *fixture {
	t.Helper()
	s, err := server.Listen(server.Options{
		Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
		Keys:   protocol.NewKeyring(sample.Key),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{server: s}
	f.client.Transport = &http.Transport{}
	snapshot, err := cluster.Parse(sample.Config)
	if err != nil {
		t.Fatal(err)
	}
	s.SetResponder(answer.Prepare(snapshot))
	f.state.Store(&reload.State{
		Snapshot: snapshot, Size: len(sample.Config), LoadedAt: time.Now(), LoadTime: 3 * time.Millisecond, Loads: 1,
	})
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.Site, err = Start(ctx, o, Source{
		Server: s, State: func() reload.State { return *f.state.Load() }, Logger: slog.New(slog.DiscardHandler),
		LogDropped: func() map[string]uint64 { return map[string]uint64{"file": 3} },
	})
	if err != nil {
		cancel()
		s.Close()
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		cancel()
		f.Wait()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

// get returns the response for a path.
func (f *fixture) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	response, err := f.client.Get("http://" + f.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// replies returns the number of replies counted.
func (f *fixture) replies() uint64 {
	counts := f.server.Counts()
	return counts.Durations.Count()
}

// ask sends requests of some types and waits for the replies.
func (f *fixture) ask(t *testing.T, types ...wire.RequestType) {
	t.Helper()
	conn, err := net.Dial("udp", f.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	before := f.replies()
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	for _, typ := range types {
		datagram, err := codec.SealRequest(nil, &wire.Request{Protocol: 1, Type: typ, Rsalt: "rs"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, wire.MaxDatagramSize)); err != nil {
			t.Fatal(err)
		}
	}
	// A reply is counted after its client may have received it.
	for deadline := time.Now().Add(patience); f.replies() < before+uint64(len(types)); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still %+v", f.server.Counts())
		}
	}
}

func TestHealthy(t *testing.T) {
	f := start(t, Options{})
	if response, body := f.get(t, "/-/healthy"); response.StatusCode != http.StatusOK || body != "healthy\n" {
		t.Errorf("%s: %q", response.Status, body)
	}
	for busy, want := range map[time.Duration]string{
		0: "", 9 * time.Second: "", 61 * time.Second: "a worker has not read its socket for 1m1s",
	} {
		if got := unhealthy(busy); got != want {
			t.Errorf("busy for %v: %q", busy, got)
		}
	}
}

func TestReady(t *testing.T) {
	f := start(t, Options{})
	good := *f.state.Load()
	broken := errors.New("nodes: unexpected end")
	gone := &fs.PathError{Op: "open", Path: "/config.data", Err: fs.ErrNotExist}
	for _, tt := range []struct {
		state  reload.State
		status int
		want   string
	}{
		{good, 200, "ready\n"},
		{reload.State{}, 503, "no configuration has been loaded yet\n"},
		{reload.State{Err: gone}, 503, "no configuration: open /config.data: file does not exist\n"},
		{reload.State{Err: broken}, 503, "no configuration: nodes: unexpected end\n"},
		{reload.State{Snapshot: good.Snapshot, Err: broken}, 503,
			"serving an old configuration (serial 73): nodes: unexpected end\n"},
	} {
		f.state.Store(&tt.state)
		response, body := f.get(t, "/-/ready")
		if response.StatusCode != tt.status || body != tt.want {
			t.Errorf("%s: %q, want %q", response.Status, body, tt.want)
		}
	}
}

func TestPathsAndHeaders(t *testing.T) {
	f := start(t, Options{})
	profiled := start(t, Options{Pprof: true})
	for _, tt := range []struct {
		f           *fixture
		path        string
		status      int
		contentType string
	}{
		{f, "/", 200, "text/html; charset=utf-8"},
		{f, "/?refresh=0", 200, "text/html; charset=utf-8"},
		{f, "/style.css", 200, "text/css; charset=utf-8"},
		{f, "/icon.svg", 200, "image/svg+xml"},
		{f, "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
		{f, "/-/healthy", 200, "text/plain; charset=utf-8"},
		{f, "/other", 404, "text/plain; charset=utf-8"},
		{f, "/debug/pprof/", 404, "text/plain; charset=utf-8"},
		{profiled, "/debug/pprof/", 200, "text/html; charset=utf-8"},
		{profiled, "/debug/pprof/heap", 200, "application/octet-stream"},
	} {
		response, _ := tt.f.get(t, tt.path)
		if got := response.Header.Get("Content-Type"); response.StatusCode != tt.status || got != tt.contentType {
			t.Errorf("%s: %s, %s", tt.path, response.Status, got)
		}
		policy := response.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", tt.path, policy)
		}
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		} {
			if got := response.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", tt.path, header, got)
			}
		}
	}
	response, err := f.client.Post("http://"+f.Addr().String()+"/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", response.Status)
	}
	request, err := http.NewRequest("GET", "http://"+f.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Long", strings.Repeat("x", 2*maxHeaderBytes))
	if response, err = f.client.Do(request); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("large header: %s", response.Status)
	}
}

// The file for --web.config.file requires passwords.
func TestPassword(t *testing.T) {
	config := filepath.Join(t.TempDir(), "web.yml")
	// The password is "secret".
	const users = "basic_auth_users:\n  operator: $2a$04$cIDD434OF8nv9eE12n4JJetRAPxkcLvOA6kHayHNtgKCzyl/BOyRi\n"
	if err := os.WriteFile(config, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	f := start(t, Options{ConfigFile: config})
	for _, path := range []string{"/", "/metrics", "/-/ready"} {
		if response, _ := f.get(t, path); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a password: %s", path, response.Status)
		}
	}
	request, err := http.NewRequest("GET", "http://"+f.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("operator", "secret")
	response, err := f.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("with the password: %s", response.Status)
	}
}

// The file for --web.config.file has certificates.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"web.yml":  []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := start(t, Options{ConfigFile: filepath.Join(dir, "web.yml")})
	trusted, err := x509.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(trusted)
	f.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	response, err := f.client.Get("https://" + f.Addr().String() + "/-/ready")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("with TLS: %s", response.Status)
	}
	if response, _ := f.get(t, "/-/ready"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %s", response.Status)
	}
}

func TestStartErrors(t *testing.T) {
	f := start(t, Options{})
	broken := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(broken, []byte("tls_server_config: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		options Options
		is      error
		says    string
	}{
		{Options{Addr: f.Addr().String()}, syscall.EADDRINUSE, "--web.listen-address"},
		{Options{Addr: "127.0.0.1"}, nil, "--web.listen-address"},
		{Options{Addr: "127.0.0.1:0", ConfigFile: broken}, nil, "--web.config.file " + broken},
		{Options{Addr: "127.0.0.1:0", ConfigFile: broken + "x"}, fs.ErrNotExist, "--web.config.file " + broken},
	} {
		_, err := Start(t.Context(), tt.options, f.source)
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.options, err)
		}
	}
}
