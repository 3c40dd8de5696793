package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gntconfd/internal/sample/serve"
	"gntconfd/internal/testing/lacking"
)

// installed returns the path of a program, and skips the test if it is not installed.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		lacking.Skip(t, "%s is not installed here: %v", program, err)
	}
	return path
}

// serveFor runs a daemon with the sample cluster for a test, and makes confdctl ask it.
func serveFor(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	served, ended := make(chan serve.Served), make(chan error, 1)
	go func() {
		ended <- serve.Daemon(ctx, serve.Options{}, func(s serve.Served) error {
			served <- s
			<-ctx.Done()
			return nil
		})
	}()
	select {
	case s := <-served:
		t.Setenv("CONFD_SERVER", s.Addr.String())
		t.Setenv("CONFD_KEY_FILE", s.KeyFile)
		t.Setenv("GORACE", "atexit_sleep_ms=0")
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestAnsible: Ansible itself finds the groups and variables in the inventory.
func TestAnsible(t *testing.T) {
	program := installed(t, "ansible-inventory")
	serveFor(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "ganeti.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec confdctl inventory ansible \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	t.Setenv("LC_ALL", "C.UTF-8")
	command := exec.Command(program, "-i", script, "--list")
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if strings.Contains(stderr.String(), "WARNING") {
		t.Errorf("Ansible says:\n%s", &stderr)
	}
	var meta struct {
		Meta struct {
			Hostvars map[string]map[string]any
		} `json:"_meta"`
	}
	groups := make(map[string]struct{ Hosts []string })
	var raw map[string]json.RawMessage
	for _, into := range []any{&meta, &raw} {
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range raw {
		var group struct{ Hosts []string }
		if json.Unmarshal(text, &group) == nil {
			slices.Sort(group.Hosts)
			groups[name] = group
		}
	}
	for group, want := range map[string][]string{
		"ganeti_role_master":    {"node1.example.org"},
		"ganeti_role_drained":   {"node5.example.org"},
		"ganeti_role_offline":   {"node6.example.org"},
		"ganeti_group_rack2":    {"archive.example.org", "build.example.org", "db2.example.org", "node6.example.org", "node7.example.org", "node8.example.org"},
		"ganeti_tag_service_db": {"db1.example.org", "db2.example.org"},
		"ganeti_state_down":     {"sandbox.example.org"},
	} {
		if diff := cmp.Diff(want, groups[group].Hosts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", group, diff)
		}
	}
	if n := len(groups["ganeti_nodes"].Hosts); n != 8 {
		t.Errorf("%d nodes", n)
	}
	if n := len(groups["ganeti_hypervisor_kvm"].Hosts); n != 9 {
		t.Errorf("%d instances", n)
	}
	if got := meta.Meta.Hostvars["node1.example.org"]["ansible_host"]; got != "192.0.2.11" {
		t.Errorf("node1 is at %v", got)
	}
	if got := meta.Meta.Hostvars["mail.example.org"]["ganeti_node"]; got != "node4.example.org" {
		t.Errorf("mail is on %v", got)
	}
	if strings.Contains(string(out), "osparams") {
		t.Error("there are parameters of operating systems in it")
	}
}

// TestPrometheus: Prometheus itself finds the targets in a file and over HTTP.
func TestPrometheus(t *testing.T) {
	program := installed(t, "prometheus")
	serveFor(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "candidates.json")
	if out, err := exec.Command("confdctl", "inventory", "prometheus", "candidates", "--file", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	addresses := make([]string, 2)
	for i := range addresses {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = listener.Addr().String()
		listener.Close()
	}
	start(t, exec.Command("confdctl", "inventory", "prometheus", "--listen", addresses[0]))
	await(t, func() error {
		response, err := http.Get("http://" + addresses[0] + "/nodes")
		if err == nil {
			response.Body.Close()
		}
		return err
	})
	config := fmt.Sprintf(`
scrape_configs:
  - job_name: candidates
    scrape_interval: 1h
    file_sd_configs: [{files: [%[1]s]}]
    relabel_configs:
      - {source_labels: [__meta_ganeti_name], target_label: instance}
  - job_name: nodes
    scrape_interval: 1h
    http_sd_configs: [{url: "http://%[2]s/nodes"}]
    relabel_configs:
      - {source_labels: [__meta_ganeti_role], target_label: role}
  - job_name: instances
    scrape_interval: 1h
    http_sd_configs: [{url: "http://%[2]s/instances"}]
    relabel_configs:
      - {source_labels: [__meta_ganeti_tags], regex: ".*,service:db,.*", action: keep}
      - {source_labels: [__meta_ganeti_node], target_label: node}
`, file, addresses[0])
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addresses[1], "--log.level=warn"))
	want := []string{
		"candidates node1.example.org  ", "candidates node2.example.org  ", "candidates node3.example.org  ", "candidates node7.example.org  ",
		"instances 198.51.100.20:9100  node2.example.org", "instances 198.51.100.21:9100  node7.example.org",
		"nodes 192.0.2.11:9100 master ", "nodes 192.0.2.12:9100 master_candidate ", "nodes 192.0.2.13:9100 master_candidate ",
		"nodes 192.0.2.14:9100 regular ", "nodes 192.0.2.15:9100 drained ", "nodes 192.0.2.16:9100 offline ",
		"nodes 192.0.2.17:9100 master_candidate ", "nodes 192.0.2.18:9100 regular ",
	}
	await(t, func() error {
		response, err := http.Get("http://" + addresses[1] + "/api/v1/targets?state=active")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var answer struct {
			Data struct {
				ActiveTargets []struct{ Labels map[string]string }
			}
		}
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			return err
		}
		var got []string
		for _, target := range answer.Data.ActiveTargets {
			l := target.Labels
			got = append(got, fmt.Sprintf("%s %s %s %s", l["job"], l["instance"], l["role"], l["node"]))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("targets (-want +got):\n%s", diff)
		}
		return nil
	})
}

// start starts a program, and stops it after the test.
func start(t *testing.T, command *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			t.Logf("%s says:\n%s", command.Args[0], &out)
		}
	})
}

// await waits until something succeeds.
func await(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for range 600 {
		if err = try(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
}
