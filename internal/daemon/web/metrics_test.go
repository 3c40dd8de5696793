package web

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gntconfd/gen/wire"
	"gntconfd/internal/server"
)

func TestLint(t *testing.T) {
	f := start(t, Options{})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&collector{f.source})
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// names returns the metrics of an exposition with their types and labels, without those of
// the Go runtime and the process.
func names(exposition string) []string {
	types, labels := map[string]string{}, map[string][]string{}
	label := regexp.MustCompile(`(\w+)="`)
	series := regexp.MustCompile(`^(\w+?)(_bucket|_sum|_count)?(\{.*\})? \S+$`)
	for line := range strings.Lines(exposition) {
		var name, typ string
		if n, _ := fmt.Sscanf(line, "# TYPE %s %s", &name, &typ); n == 2 {
			types[name] = typ
			continue
		}
		m := series.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		for _, l := range label.FindAllStringSubmatch(m[3], -1) {
			if !slices.Contains(labels[m[1]], l[1]) {
				labels[m[1]] = append(labels[m[1]], l[1])
			}
		}
	}
	var list []string
	for name, typ := range types {
		if strings.HasPrefix(name, "ganeti_confd_") {
			slices.Sort(labels[name])
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", name, typ, strings.Join(labels[name], " "))))
		}
	}
	slices.Sort(list)
	return list
}

// Other people's dashboards and alerts depend on these names.
func TestNames(t *testing.T) {
	f := start(t, Options{})
	_, exposition := f.get(t, "/metrics")
	golden, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	got := names(exposition)
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(golden)), "\n"), got); diff != "" {
		t.Errorf("the metrics are not those of testdata/metrics.txt (-want +got):\n%s", diff)
	}
	manual, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range got {
		name, _, _ := strings.Cut(line, " ")
		if !strings.Contains(string(manual), "`"+strings.TrimPrefix(name, "ganeti_confd_")) {
			t.Errorf("docs/operations.md says nothing of %s", name)
		}
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", "process_open_fds"} {
		if !strings.Contains(exposition, "\n"+name+" ") {
			t.Errorf("no %s", name)
		}
	}
}

// Every datagram received is in one disposition, and every reply in one query.
func TestMetricsAddUp(t *testing.T) {
	f := start(t, Options{})
	f.ask(t, wire.RequestPing, wire.RequestPing, wire.RequestNodePIPList, wire.RequestNodeRoleByName)
	conn, err := net.Dial("udp", f.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, datagram := range []string{"", "plj0", "plj0{}", "none"} {
		if _, err := conn.Write([]byte(datagram)); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c := f.server.Counts()
		if c.Durations.Count() == 4 && c.Dispositions[server.DroppedMagic]+c.Dispositions[server.DroppedJSON] == 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %+v", c)
		}
	}
	want := `
# HELP ganeti_confd_datagrams_received_total Datagrams received.
# TYPE ganeti_confd_datagrams_received_total counter
ganeti_confd_datagrams_received_total{family="ipv4"} 8
ganeti_confd_datagrams_received_total{family="ipv6"} 0
# HELP ganeti_confd_datagrams_total Datagrams by outcome.
# TYPE ganeti_confd_datagrams_total counter
ganeti_confd_datagrams_total{disposition="answered"} 3
ganeti_confd_datagrams_total{disposition="answered_error"} 1
ganeti_confd_datagrams_total{disposition="dropped_clock"} 0
ganeti_confd_datagrams_total{disposition="dropped_disabled"} 0
ganeti_confd_datagrams_total{disposition="dropped_hmac"} 0
ganeti_confd_datagrams_total{disposition="dropped_json"} 2
ganeti_confd_datagrams_total{disposition="dropped_magic"} 1
ganeti_confd_datagrams_total{disposition="dropped_request"} 0
ganeti_confd_datagrams_total{disposition="dropped_size"} 1
ganeti_confd_datagrams_total{disposition="write_error"} 0
`
	err = testutil.CollectAndCompare(&collector{f.source}, strings.NewReader(want),
		"ganeti_confd_datagrams_received_total", "ganeti_confd_datagrams_total")
	if err != nil {
		t.Error(err)
	}
	_, exposition := f.get(t, "/metrics")
	for _, line := range []string{
		`ganeti_confd_queries_total{status="ok",type="ping"} 2`,
		`ganeti_confd_queries_total{status="ok",type="node-ips"} 1`,
		`ganeti_confd_queries_total{status="error",type="node-role"} 1`,
		`ganeti_confd_query_duration_seconds_count 4`,
		`ganeti_confd_query_duration_seconds_bucket{le="+Inf"} 4`,
		`ganeti_confd_reply_size_bytes_count 4`,
		`ganeti_confd_reply_size_bytes_bucket{le="61440"} 4`,
		`ganeti_confd_config_last_reload_successful 1`,
		`ganeti_confd_log_messages_dropped_total{sink="file"} 3`,
		`ganeti_confd_config_serial 73`,
		`ganeti_confd_config_file_serial 412`,
		`ganeti_confd_config_reload_duration_seconds 0.003`,
		`ganeti_confd_config_objects{kind="nodes"} 8`,
	} {
		if !strings.Contains(exposition, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
