package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Ganeti's own clients, as Debian installs them.
const (
	python       = "/usr/bin/python3"
	pythonPath   = "/usr/share/ganeti/3.0"
	confdClient  = pythonPath + "/confd-client"
	queryConfig  = pythonPath + "/query-config"
	gntNode      = "/usr/sbin/gnt-node"
	monCollector = "/usr/lib/ganeti/3.0/usr/lib/ganeti/mon-collector"
)

// defaultPort is the port that clients without a port option use.
const defaultPort = 1814

// client runs one of Ganeti's clients against the daemon and returns its output and exit
// code.
func client(t *testing.T, d *daemon, command ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = clientEnviron(t, d)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// clientEnviron is the daemon's environment with additions for the clients.
func clientEnviron(t *testing.T, d *daemon) []string {
	t.Helper()
	tools, err := filepath.Abs("testdata/bin") // replaces the tools of LVM and of the hypervisor
	if err != nil {
		t.Fatal(err)
	}
	return append(d.environ(), "PYTHONPATH="+pythonPath, "PATH="+tools+":"+os.Getenv("PATH"))
}

// succeed is client for one that must exit with 0.
func succeed(t *testing.T, d *daemon, command ...string) string {
	t.Helper()
	stdout, stderr, code := client(t, d, command...)
	if code != 0 {
		t.Fatalf("%s against the %s daemon: exit code %d\n%s%s", strings.Join(command, " "), d.name, code, stdout, stderr)
	}
	return d.rootless(stdout)
}

// TestPythonLibrary asks through Ganeti's Python client library.
func TestPythonLibrary(t *testing.T) {
	need(t, genuine.path, python, pythonPath)
	questions := []list{
		{0, nil}, {1, "node0.example.com"}, {1, "node4"}, {1, "uuid-node-5"}, {1, "nobody"}, {1, nil},
		{3, nil}, {3, object{"3": list{0, 1, 2}}}, {3, object{}}, {3, "x"}, {4, nil}, {5, nil}, {6, nil}, {6, "br1"}, {6, "nolink"},
		{2, object{"1": "203.0.113.4"}}, {2, object{"0": "br1", "2": list{"2001:db8::3", "192.0.2.77"}}}, {2, "203.0.113.4"},
		{7, "node1.example.com"}, {7, "nobody"}, {10, "/cluster/master_ip"}, {10, "/instances/uuid-inst-4"}, {10, "/nosuch"}, {10, nil}, {11, nil},
	}
	arguments, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	config := encode(t, production())
	lines := func(p program) []string {
		d := start(t, p, config)
		_, port, err := net.SplitHostPort(d.addr)
		if err != nil {
			t.Fatal(err)
		}
		out := succeed(t, d, python, "testdata/ask.py", port, d.file("hmac.key"), string(arguments))
		return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	}
	want, got := lines(genuine), lines(ours)
	if len(want) != len(questions) || len(got) != len(questions) {
		t.Fatalf("%d and %d replies to %d questions", len(want), len(got), len(questions))
	}
	for i := range questions {
		if want[i] == "null" || want[i] != got[i] {
			t.Errorf("%v\n  want %s\n  got  %s", questions[i], want[i], got[i])
		}
	}
}

// TestConfdClient runs Ganeti's unchanged confd-client, which requests the master's fields
// by text: the real daemon does not answer that, ours does.
func TestConfdClient(t *testing.T) {
	need(t, genuine.path, python, confdClient)
	command := []string{python, confdClient, "-a", "127.0.0.1", "-r", "3"}
	t.Run("genuine", func(t *testing.T) {
		isolate(t)
		d := startAt(t, genuine, encode(t, production()), defaultPort)
		if stdout, stderr, code := client(t, d, command...); code != 1 || !strings.Contains(stderr, "Did not receive all expected confd replies") {
			t.Errorf("exit code %d, although its third question is not answered\n%s%s", code, stdout, stderr)
		}
	})
	t.Run("ours", func(t *testing.T) {
		isolate(t)
		d := startAt(t, ours, encode(t, production()), defaultPort)
		got := times.ReplaceAllString(succeed(t, d, command...), "N")
		want, err := os.ReadFile("testdata/confd-client.out")
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

// times matches what differs between runs in the output of clients.
var times = regexp.MustCompile(`[0-9]+\.[0-9]{3}ms|\b1[0-9]{18}\b`)

// TestTools runs Ganeti's tools that use the daemon, and compares their output.
func TestTools(t *testing.T) {
	tools := []struct {
		name    string
		command []string
		code    int
		print   string // must be in the output, to show that the daemon's answers were used
	}{
		{"query-config", []string{python, queryConfig, "/cluster/cluster_name", "/nodes/uuid-node-1/primary_ip"}, 0, "192.0.2.2"},
		{"query-config of values", []string{python, queryConfig, "/cluster/data_collectors", "/disks/uuid-disk-0-0/logical_id", "/nosuch"}, 0, "['uuid-node-0', 'uuid-node-1', 11000, 0, 3, 'secret-uuid-disk-0-0']"},
		{"query-config of objects", []string{python, queryConfig, "/cluster", "/nodes", "/nodegroups", "/networks", "/disks/uuid-disk-0-0", "/instances/uuid-inst-0"}, 0, "web0.example.com"},
		{"list-drbd", []string{gntNode, "list-drbd", hostname}, 0, "63 web6.example.com disk/0 secondary node0.example.com"},
		{"list-drbd by uuid", []string{gntNode, "list-drbd", "--no-headers", "--separator=:", "uuid-node-4"}, 0, "node4.example.com:41:web4.example.com:disk/1:primary:node5.example.com\n"},
		{"list-drbd of nobody", []string{gntNode, "list-drbd", "nobody"}, 1, "Query gave non-ok status '1': "},
		{"lv", []string{monCollector, "lv", "-f", "testdata/lvs", "-a", "127.0.0.1", "-p", "1814"}, 0, "web1.example.com"},
		{"inst-status-xen", []string{monCollector, "inst-status-xen", "-a", "127.0.0.1", "-p", "1814"}, 0, "uuid-inst-1"},
		{"drbd", []string{monCollector, "drbd", "-s", "testdata/proc/drbd"}, 0, "web0.example.com"},
	}
	need(t, genuine.path, python, queryConfig, gntNode, monCollector)
	config := encode(t, production())
	for _, tool := range tools {
		t.Run(tool.name, func(t *testing.T) {
			output := sameBeside(t, config, func(t *testing.T, d *daemon) string {
				stdout, stderr, code := client(t, d, tool.command...)
				if code != tool.code {
					t.Errorf("exit code %d instead of %d", code, tool.code)
				}
				return stdout + stderr
			})
			if !strings.Contains(output, tool.print) {
				t.Errorf("%q is not in the output: %s", tool.print, output)
			}
		})
	}
}

// sameBeside runs each daemon in its own network, on the protocol's port, and returns the
// result, which must be the same except for times.
func sameBeside(t *testing.T, config []byte, use func(*testing.T, *daemon) string) string {
	t.Helper()
	results := make(map[string]string)
	for _, p := range []program{genuine, ours} {
		t.Run(p.name, func(t *testing.T) {
			isolate(t)
			d := startAt(t, p, config, defaultPort)
			results[p.name] = d.rootless(times.ReplaceAllString(use(t, d), "N"))
		})
	}
	if len(results) < 2 {
		t.Skip("one of the two had no separate network, or failed")
	}
	if want, got := results[genuine.name], results[ours.name]; want != got {
		t.Errorf("beside the genuine daemon:\n%s\nbeside ours:\n%s", want, got)
	}
	return results[genuine.name]
}
