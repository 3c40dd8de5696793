package roster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gntconfd/client"
	"gntconfd/internal/daemon"
	"gntconfd/internal/sample"
)

// serve runs a daemon with a sample cluster, and returns a client for it.
func serve(t *testing.T, config []byte) *client.Client {
	t.Helper()
	dir := t.TempDir()
	options := daemon.Options{
		Config: filepath.Join(dir, "config.data"), Key: filepath.Join(dir, "hmac.key"),
		Addr: netip.MustParseAddrPort("127.0.0.1:0"), Logger: slog.New(slog.DiscardHandler),
	}
	for name, text := range map[string][]byte{options.Config: config, options.Key: sample.Key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	d, err := daemon.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Options{Peers: []string{d.Addr().String()}, Key: sample.Key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		stop()
		if err := d.Wait(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestLoad finds the members of a cluster when all of them fit into a reply, when they do not
// but files have the names, and from the daemons alone.
func TestLoad(t *testing.T) {
	var large bytes.Buffer
	const nodes, instances = 150, 600
	if err := sample.Generate(&large, nodes, instances, 1); err != nil {
		t.Fatal(err)
	}
	type list map[string]struct {
		Name        string `json:"name"`
		PrimaryIP   string `json:"primary_ip"`
		PrimaryNode string `json:"primary_node"`
	}
	var config struct{ Nodes, Instances list }
	if err := json.Unmarshal(large.Bytes(), &config); err != nil {
		t.Fatal(err)
	}
	files := t.TempDir()
	var addresses, names bytes.Buffer
	for _, node := range config.Nodes {
		fmt.Fprintln(&addresses, node.Name, node.PrimaryIP)
	}
	for _, instance := range config.Instances {
		fmt.Fprintln(&names, instance.Name)
	}
	for name, text := range map[string][]byte{"ssconf_node_primary_ips": addresses.Bytes(), "ssconf_instance_list": names.Bytes()} {
		if err := os.WriteFile(filepath.Join(files, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	small, big := serve(t, sample.Config), serve(t, large.Bytes())
	for _, test := range []struct {
		name             string
		client           *client.Client
		files            string
		nodes, instances int
		all              bool
	}{
		{"small", small, "", 8, 9, true},
		{"large with files", big, files, nodes, instances, true},
		// Drained and offline nodes share no disks with others.
		{"large without", big, "", 126, 530, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r := Load(ctx, test.client, test.files, Instances)
			if len(r.Nodes) < test.nodes || len(r.Instances) < test.instances || r.AllNodes != test.all || r.AllInstances != test.all {
				t.Errorf("%d nodes, %d instances, all %t and %t", len(r.Nodes), len(r.Instances), r.AllNodes, r.AllInstances)
			}
			if !slices.IsSortedFunc(r.Nodes, func(a, b Node) int { return Compare(a.Name, b.Name) }) {
				t.Error("nodes are in disorder")
			}
			master, found := r.Find("node1")
			if !found || master.Name != "node1.example.org" || master.Role != client.RoleMaster {
				t.Errorf("node1 is %+v", master)
			}
			if ip, err := netip.ParseAddr(master.PrimaryIP); err != nil || r.Host(ip.String()) != master.Name {
				t.Errorf("%s is the address of %s", ip, r.Host(ip.String()))
			}
			if test.client != big {
				return
			}
			known := 0
			for _, n := range r.Nodes {
				if n.Known && n.PrimaryIP != "" && n.UUID != "" {
					known++
				}
			}
			if test.files == "" && known < test.nodes {
				t.Errorf("all is known of %d nodes, want %d", known, test.nodes)
			}
			for _, i := range r.Instances {
				if i.JSON != nil && i.Node != "" && i.Node != config.Nodes[i.PrimaryNode].Name {
					t.Errorf("%s is on %s, not on %s", i.Name, i.Node, config.Nodes[i.PrimaryNode].Name)
				}
			}
		})
	}
}

// TestNamesFromFiles: no queries are needed for names and addresses that are in files.
func TestNamesFromFiles(t *testing.T) {
	var large, addresses bytes.Buffer
	if err := sample.Generate(&large, 150, 0, 1); err != nil {
		t.Fatal(err)
	}
	for i := range 150 {
		fmt.Fprintf(&addresses, "node%d.example.org 192.0.2.%d\n", i, i)
	}
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "ssconf_node_primary_ips"), addresses.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serve(t, large.Bytes())
	r := Load(t.Context(), c, files, Names)
	if len(r.Nodes) != 150 || !r.AllNodes || r.Host("192.0.2.7") != "node7.example.org" {
		t.Errorf("%d nodes, all %t", len(r.Nodes), r.AllNodes)
	}
	if sent := c.Stats().Of(client.Sent); sent > 10 {
		t.Errorf("asked %d questions", sent)
	}
}

func TestCompare(t *testing.T) {
	sorted := []string{"", "a", "a1", "a1b", "a2", "a02b", "a10", "b", "node2.example.org", "node10.example.org"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := Compare(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}
