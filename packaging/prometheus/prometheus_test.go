// Package prometheus tests the alerts and the dashboard with Prometheus itself: with
// promtool, and with a server that watches a daemon. It has only tests.
//
// Without Debian's package prometheus the tests are skipped, or fail with
// CONFD_INTEROP=require.
package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"gntconfd/gen/wire"
	"gntconfd/internal/daemon"
	"gntconfd/internal/daemon/web"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/lacking"
)

const (
	rules     = "ganeti-confd.rules.yml"
	dashboard = "../grafana/ganeti-confd.json"

	// patience is how long a test waits for something that should happen within seconds.
	patience = time.Minute
)

// need returns the path of one of Prometheus' programs.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		lacking.Skip(t, "%v", err)
	}
	return path
}

func TestRules(t *testing.T) {
	promtool := need(t, "promtool")
	for _, args := range [][]string{
		{"check", "rules", "--lint-fatal", rules},
		{"test", "rules", "ganeti-confd.rules.test.yml"},
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", args[0], err, out)
		}
	}
}

// TestRunbooks: each alert links to a section of the documentation about it, in the file
// that the package installs.
func TestRunbooks(t *testing.T) {
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	documentation, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	contents, err := os.ReadFile("../nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const installed = "/usr/share/doc/gntconfd/operations.md"
	if !strings.Contains(string(contents), "{src: docs/operations.md, dst: "+installed+"}") {
		t.Errorf("the package has no %s", installed)
	}
	var alerts, sections []string
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, rule.Alert)
			want := "file://" + installed + "#" + strings.ToLower(rule.Alert)
			if got := rule.Annotations["runbook_url"]; got != want {
				t.Errorf("%s has the runbook %q, want %q", rule.Alert, got, want)
			}
		}
	}
	for line := range strings.Lines(string(documentation)) {
		if name, is := strings.CutPrefix(line, "### GanetiConfd"); is {
			sections = append(sections, "GanetiConfd"+strings.TrimSpace(name))
		}
	}
	if len(alerts) == 0 || !slices.Equal(alerts, sections) {
		t.Errorf("the alerts are %v,\nthe sections about them %v", alerts, sections)
	}
}

// panel is the part of a dashboard panel that the tests read.
type panel struct {
	ID      int
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, LegendFormat string }
}

func readPanels(t *testing.T) []panel {
	t.Helper()
	data, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var d struct{ Panels []panel }
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d.Panels
}

// Panels have unique numbers and do not overlap.
func TestDashboard(t *testing.T) {
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range readPanels(t) {
		if p.Title == "" || len(p.Targets) == 0 || ids[p.ID] {
			t.Errorf("panel %d, %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q and %q are both at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	if len(ids) < 10 {
		t.Errorf("%d panels", len(ids))
	}
}

// server is a running Prometheus.
type server struct{ url string }

// get decodes the data of a response of the API.
func (s *server) get(path string, data any) error {
	response, err := http.Get(s.url + "/api/v1/" + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %s: %.200s", path, response.Status, body)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

// query returns how many series an expression returns.
func (s *server) query(expr string) (int, error) {
	var data struct{ Result []any }
	err := s.get("query?query="+url.QueryEscape(expr), &data)
	return len(data.Result), err
}

// active returns the names of the alerts that are pending or firing.
func (s *server) active() ([]string, error) {
	var data struct {
		Alerts []struct{ Labels map[string]string }
	}
	err := s.get("alerts", &data)
	var names []string
	for _, alert := range data.Alerts {
		names = append(names, alert.Labels["alertname"])
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// watch runs a Prometheus, with the rules, that watches a daemon.
func watch(t *testing.T, target string) *server {
	t.Helper()
	program := need(t, "prometheus")
	absolute, err := filepath.Abs(rules)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ['%s']
scrape_configs:
  - job_name: ganeti-confd
    static_configs: [{targets: ['%s']}]
`, absolute, target)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	command := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
	var log strings.Builder
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			t.Logf("Prometheus says:\n%s", log.String())
		}
	})
	return &server{"http://" + addr}
}

// await waits until a condition reports no problem.
func await(t *testing.T, condition func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// knock sends a query to addr without waiting for a reply.
func knock(t *testing.T, addr netip.AddrPort, key []byte, typ wire.RequestType, at time.Time) {
	t.Helper()
	conn, err := net.Dial("udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	codec := protocol.NewCodec(protocol.NewKeyring(key))
	datagram, err := codec.SealRequest(nil, &wire.Request{Protocol: 1, Type: typ, Rsalt: "rs"}, at)
	if err != nil {
		t.Fatal(err)
	}
	// On some kernels an undelivered reply makes later writes fail; only what arrives is
	// counted.
	_, _ = conn.Write(datagram)
}

// Every expression of the dashboard returns data, and each alert is raised by what it is
// about, and by nothing else.
func TestPrometheus(t *testing.T) {
	need(t, "prometheus")
	dir := t.TempDir()
	configPath, keyPath := filepath.Join(dir, "config.data"), filepath.Join(dir, "hmac.key")
	write := func(path string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(configPath, sample.Config)
	write(keyPath, sample.Key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := listener.Addr().String()
	listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d, err := daemon.Start(ctx, daemon.Options{
		Config: configPath, Key: keyPath,
		Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
		Web:    web.Options{Addr: target},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	prometheus := watch(t, target)

	variables := strings.NewReplacer("$job", "ganeti-confd", "$instance", ".*", "$__rate_interval", "1m")
	await(t, func() error {
		for typ := range wire.RequestDataCollectors + 1 {
			knock(t, d.Addr(), sample.Key, typ, time.Now())
		}
		for _, panel := range readPanels(t) {
			for _, target := range panel.Targets {
				if n, err := prometheus.query(variables.Replace(target.Expr)); err != nil || n == 0 {
					return fmt.Errorf("panel %q: %d series of %s: %v", panel.Title, n, target.Expr, err)
				}
			}
		}
		return nil
	})
	raised := func(want ...string) func() error {
		return func() error {
			got, err := prometheus.active()
			if err != nil || !slices.Equal(got, want) {
				return fmt.Errorf("alerts %v, want %v: %v", got, want, err)
			}
			return nil
		}
	}
	await(t, raised())

	write(configPath, []byte("{"))
	for range 40 {
		knock(t, d.Addr(), []byte("another key"), wire.RequestPing, time.Now())
		knock(t, d.Addr(), sample.Key, wire.RequestPing, time.Now().Add(-time.Hour))
	}
	await(t, raised("GanetiConfdReloadFailing", "GanetiConfdWrongClock", "GanetiConfdWrongKey"))
	if err := os.Remove(configPath); err != nil {
		t.Fatal(err)
	}
	await(t, raised("GanetiConfdNoConfiguration", "GanetiConfdWrongClock", "GanetiConfdWrongKey"))
	cancel()
	if err := d.Wait(); err != nil {
		t.Error(err)
	}
	await(t, func() error {
		got, err := prometheus.active()
		if err != nil || !slices.Contains(got, "GanetiConfdDown") {
			return fmt.Errorf("alerts %v of a daemon that is gone: %v", got, err)
		}
		return nil
	})
}
