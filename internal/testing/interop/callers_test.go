package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDRBDPairing gives the drbd collector the instances of minors first in a file, which
// contains the daemon's answer, and then through the daemon: its reports must be the same.
func TestDRBDPairing(t *testing.T) {
	need(t, genuine.path, monCollector)
	collect := []string{monCollector, "drbd", "-s", "testdata/proc/drbd"}
	report := sameBeside(t, encode(t, production()), func(t *testing.T, d *daemon) string {
		r := d.askAlone(t, ask1(7, `"`+hostname+`"`), patience)
		var inner struct{ Answer json.RawMessage }
		if err := json.Unmarshal([]byte(r.text), &inner); err != nil {
			t.Fatalf("%v: %v", err, r)
		}
		pairing := filepath.Join(d.root, "pairing")
		if err := os.WriteFile(pairing, inner.Answer, 0o600); err != nil {
			t.Fatal(err)
		}
		asked := succeed(t, d, collect...)
		given := succeed(t, d, append(collect, "-p", pairing)...)
		if times.ReplaceAllString(asked, "N") != times.ReplaceAllString(given, "N") {
			t.Errorf("with the daemon:\n%s\nwith its answer in a file:\n%s", asked, given)
		}
		return given
	})
	if !strings.Contains(report, "web0.example.com") {
		t.Errorf("no instance found: %s", report)
	}
}

// TestNodeMaintenance runs the part of Ganeti's watcher that stops everything on a node if
// the candidates say that it is offline. It looks only at the answer, not at the status: an
// error whose answer is the number of that role would do the same.
func TestNodeMaintenance(t *testing.T) {
	const (
		stops = `Following instances should not be running, shutting them down: web1.example.com
stopped instance web1.example.com
Following DRBD minors should not be active, shutting them down: 0, 3
shut down minor 0
shut down minor 3
`
		notFound = `Not doing anything for role Failure: prerequisites not met for this operation:
error type: ECodeNoEnt, error details:
Node name %s not found
`
	)
	// Each daemon describes a bad configuration in its own words.
	unloaded := regexp.MustCompile(`^(Not doing anything for role [^0-9\n]+.*|Inconsistent replies, not doing anything)\n$`)
	node := func(members object) []byte {
		c := production()
		with(member(c, "nodes")["uuid-node-1"].(object), members)
		return encode(t, c)
	}
	unknown := production()
	delete(member(unknown, "nodes"), "uuid-node-1")
	master := production()
	member(master, "cluster")["master_node"] = "uuid-node-1"
	dangling := production()
	member(dangling, "cluster")["master_node"] = "gone"

	need(t, genuine.path, python, pythonPath)
	for _, tt := range []struct {
		name   string
		config []byte
		want   string // "" for one that is not loaded
	}{
		{"master", encode(t, master), "Not doing anything for role 0\n"},
		{"candidate", node(nil), "Not doing anything for role 1\n"},
		{"offline", node(object{"offline": true}), stops},
		{"drained", node(object{"drained": true}), "Not doing anything for role 3\n"},
		{"drained and offline", node(object{"drained": true, "offline": true}), "Not doing anything for role 3\n"},
		{"regular", node(object{"master_candidate": false}), "Not doing anything for role 4\n"},
		{"unknown", encode(t, unknown), fmt.Sprintf(notFound, hostname)},
		{"master unknown", encode(t, dangling), fmt.Sprintf(notFound, "gone")},
		{"no configuration", nil, ""},
		{"broken configuration", []byte("{"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// In the third cluster both daemons run: the watcher asks both, and does
			// nothing unless they agree.
			for _, candidates := range [][]program{{genuine}, {ours}, {genuine, ours}} {
				var name []string
				for _, p := range candidates {
					name = append(name, p.name)
				}
				t.Run(strings.Join(name, " and "), func(t *testing.T) {
					isolate(t)
					var d *daemon
					key, ips := []byte("one key\n"), ""
					for i, p := range candidates {
						ip := []string{"127.0.0.1", "127.0.0.2"}[i]
						d = startWith(t, p, tt.config, key, ip, defaultPort)
						ips += ip + "\n"
					}
					d.write(t, "ssconf_master_candidates_ips", []byte(ips))
					d.write(t, "ssconf_maintain_node_health", []byte("True\n"))
					d.write(t, "ssconf_hypervisor_list", []byte("xen-pvm\n"))
					for _, hypervisor := range []string{"chroot", "fake", "kvm", "lxc", "xen-hvm", "xen-pvm"} {
						d.write(t, "ssconf_hvparams_"+hypervisor, nil)
					}
					got := succeed(t, d, python, "testdata/maintain.py")
					if got != tt.want && (tt.want != "" || !unloaded.MatchString(got)) {
						t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
					}
				})
			}
		})
	}
}
