package sample_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/go-faster/jx"

	"gntconfd/internal/cluster"
	"gntconfd/internal/sample"
)

// sizes are numbers of nodes and instances, including those at which something changes.
var sizes = [][2]int{
	{1, 0}, {1, 10}, {2, 7}, {3, 0}, {3, 10}, {11, 20}, {12, 30}, {250, 3},
	{223, 300}, // more than one group, more addresses than a network has
}

// generated has the parts of a generated configuration that the tests check.
type generated struct {
	Cluster struct {
		MasterNode string            `json:"master_node"`
		Certs      map[string]string `json:"candidate_certs"`
	}
	Nodes map[string]struct {
		Name      string
		PrimaryIP string `json:"primary_ip"`
		Group     string
		Candidate bool `json:"master_candidate"`
		Offline   bool
		Drained   bool
	}
	NodeGroups map[string]struct{ Networks map[string]any }
	Networks   map[string]struct{ Network, Reservations string }
	Instances  map[string]struct {
		Name        string
		PrimaryNode string `json:"primary_node"`
		Disks       []string
		NICs        []struct{ MAC, IP, Network, UUID string }
	}
	Disks map[string]struct {
		Type      string `json:"dev_type"`
		LogicalID []any  `json:"logical_id"`
		Nodes     []string
		Children  []struct{ UUID string }
	}
}

func generate(t *testing.T, nodes, instances int, seed uint64) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := sample.Generate(&text, nodes, instances, seed); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// forSizes runs a test for every size.
func forSizes(t *testing.T, test func(t *testing.T, text []byte, config *generated)) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%d-%d", size[0], size[1]), func(t *testing.T) {
			text := generate(t, size[0], size[1], 1)
			config := new(generated)
			if err := json.Unmarshal(text, config); err != nil {
				t.Fatal(err)
			}
			if len(config.Nodes) != size[0] || len(config.Instances) != size[1] {
				t.Fatalf("%d nodes, %d instances", len(config.Nodes), len(config.Instances))
			}
			test(t, text, config)
		})
	}
}

func TestGenerateFollowsSchema(t *testing.T) {
	forSizes(t, func(t *testing.T, text []byte, _ *generated) {
		followsSchema(t, text)
	})
}

func TestGenerateWritesLikeGaneti(t *testing.T) {
	forSizes(t, func(t *testing.T, text []byte, _ *generated) {
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, compact.Bytes()) {
			t.Error("not compact")
		}
		want := members(t, sample.Config)
		root := members(t, text)
		if names := keys(root); !slices.Equal(names, keys(want)) {
			t.Errorf("the root's members are %v", names)
		}
		for i, container := range root {
			if container.name == "cluster" {
				if names := keys(members(t, container.value)); !slices.Equal(names, keys(members(t, want[i].value))) {
					t.Errorf("the cluster's members are %v", names)
				}
			}
			if container.value[0] != '{' || container.name == "cluster" {
				continue
			}
			objects := members(t, container.value)
			if !slices.IsSorted(keys(objects)) {
				t.Errorf("%s are not in the order of their keys", container.name)
			}
			for _, object := range objects {
				if !bytes.Contains(object.value, []byte(`"uuid":"`+object.name+`"`)) {
					t.Errorf("%s: %s is not the UUID of %s", container.name, object.name, object.value)
				}
			}
		}
	})
}

type member struct {
	name  string
	value jx.Raw
}

func members(t *testing.T, object []byte) (list []member) {
	t.Helper()
	err := jx.DecodeBytes(object).Obj(func(d *jx.Decoder, name string) error {
		value, err := d.Raw()
		list = append(list, member{name, value})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func keys(list []member) (names []string) {
	for _, m := range list {
		names = append(names, m.name)
	}
	return names
}

func TestGeneratedNodes(t *testing.T) {
	forSizes(t, func(t *testing.T, text []byte, config *generated) {
		if master := config.Nodes[config.Cluster.MasterNode]; master.Name != "node1.example.org" || !master.Candidate {
			t.Errorf("the master is %+v", master)
		}
		once := unique{t}
		names, ips := once.of("node name"), once.of("node IP")
		count := map[string]int{}
		groups := map[string]int{}
		for uuid, node := range config.Nodes {
			names(node.Name)
			ips(node.PrimaryIP)
			groups[node.Group]++
			if _, ok := config.NodeGroups[node.Group]; !ok {
				t.Errorf("%s is in group %s", node.Name, node.Group)
			}
			if _, certified := config.Cluster.Certs[uuid]; certified != node.Candidate {
				t.Errorf("%s: candidate %t, certificate %t", node.Name, node.Candidate, certified)
			}
			switch {
			case node.Candidate:
				count["candidate"]++
			case node.Offline:
				count["offline"]++
			case node.Drained:
				count["drained"]++
			default:
				count["regular"]++
			}
		}
		if len(groups) != len(config.NodeGroups) {
			t.Errorf("%d groups, %d with nodes", len(config.NodeGroups), len(groups))
		}
		if count["candidate"] != min(len(config.Nodes), 10) {
			t.Errorf("%d candidates", count["candidate"])
		}
		if len(config.Nodes) >= 12 && (count["offline"] == 0 || count["drained"] == 0) ||
			len(config.Nodes) > 12 && count["regular"] == 0 {
			t.Errorf("nodes by role: %v", count)
		}
	})
}

func TestGeneratedInstances(t *testing.T) {
	forSizes(t, func(t *testing.T, text []byte, config *generated) {
		once := unique{t}
		names, ips, macs := once.of("instance name"), once.of("IP"), once.of("MAC")
		uuids, disks, minors := once.of("UUID"), once.of("disk"), once.of("minor")
		templates := map[string]int{}
		reserved := map[string]int{}
		for uuid, instance := range config.Instances {
			uuids(uuid)
			names(instance.Name)
			if node, ok := config.Nodes[instance.PrimaryNode]; !ok || node.Offline || node.Drained {
				t.Errorf("%s is on node %+v", instance.Name, node)
			}
			if len(instance.Disks) == 0 || len(instance.NICs) == 0 {
				t.Errorf("%s has %d disks and %d NICs", instance.Name, len(instance.Disks), len(instance.NICs))
			}
			for _, nic := range instance.NICs {
				uuids(nic.UUID)
				macs(nic.MAC)
				if nic.IP != "" {
					ips(nic.IP)
				}
				if nic.Network != "" {
					network := config.Networks[nic.Network]
					if !netip.MustParsePrefix(network.Network).Contains(netip.MustParseAddr(nic.IP)) {
						t.Errorf("%s is not in %s", nic.IP, network.Network)
					}
					a := netip.MustParseAddr(nic.IP).As4()
					if network.Reservations[int(a[2])<<8|int(a[3])] != '1' {
						t.Errorf("%s is not reserved", nic.IP)
					}
					reserved[nic.Network]++
				}
			}
			for _, key := range instance.Disks {
				disks(key)
				disk, ok := config.Disks[key]
				if !ok {
					t.Fatalf("%s has the disk %s", instance.Name, key)
				}
				templates[disk.Type]++
				for _, child := range disk.Children {
					uuids(child.UUID)
				}
				id := disk.LogicalID
				if disk.Type != "drbd" {
					if len(id) != 2 || len(disk.Children) != 0 {
						t.Errorf("%s disk %s: logical id %v, %d children", disk.Type, key, id, len(disk.Children))
					}
					continue
				}
				if id[0] != instance.PrimaryNode || id[0] == id[1] || len(disk.Children) != 2 ||
					config.Nodes[disk.Nodes[0]].Group != config.Nodes[disk.Nodes[1]].Group {
					t.Errorf("DRBD disk %s: %v, %d children", key, id, len(disk.Children))
				}
				minors(fmt.Sprint(id[0], id[3]))
				minors(fmt.Sprint(id[1], id[4]))
			}
		}
		for uuid, network := range config.Networks {
			if n := strings.Count(network.Reservations, "1"); n != reserved[uuid] {
				t.Errorf("%s: %d of %d reserved addresses are used", network.Network, reserved[uuid], n)
			}
		}
		switch {
		case len(config.Nodes) == 1 && templates["drbd"] > 0:
			t.Error("DRBD with a single node")
		case len(config.Instances) == 300 && len(templates) != 5:
			t.Errorf("disks by template: %v", templates)
		}
	})
}

// unique has functions that report duplicates.
type unique struct{ t *testing.T }

func (u unique) of(what string) func(string) {
	seen := map[string]bool{}
	return func(value string) {
		if seen[value] {
			u.t.Errorf("%s %s comes twice", what, value)
		}
		seen[value] = true
	}
}

// A snapshot shows what the file contains.
func TestGeneratedSnapshot(t *testing.T) {
	forSizes(t, func(t *testing.T, text []byte, config *generated) {
		s, err := cluster.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		drbd, minors, addresses := 0, 0, 0
		for _, disk := range config.Disks {
			if disk.Type == "drbd" {
				drbd++
			}
		}
		for i := range s.Nodes {
			found, _ := s.Minors(&s.Nodes[i])
			minors += len(found)
		}
		if minors != 2*drbd {
			t.Errorf("%d minors of %d DRBD disks", minors, drbd)
		}
		for uuid, instance := range config.Instances {
			i, match := s.FindInstance(instance.Name)
			if match != cluster.Found || s.Instances[i].UUID != uuid {
				t.Fatalf("%s: match %d", instance.Name, match)
			}
			for _, nic := range instance.NICs {
				if nic.IP == "" {
					continue
				}
				addresses++
				n, ok := s.Links["br0"].Node(nic.IP)
				if !ok {
					n, ok = s.Links["br1"].Node(nic.IP)
				}
				if !ok || s.Nodes[n].UUID != instance.PrimaryNode {
					t.Errorf("%s leads to node %d, %t", nic.IP, n, ok)
				}
			}
		}
		known := 0
		for _, link := range s.Links {
			known += len(link.IPs)
		}
		if known != addresses {
			t.Errorf("%d addresses, expected %d", known, addresses)
		}
	})
}

func TestGenerateIsReproducible(t *testing.T) {
	first := generate(t, 20, 50, 7)
	if !bytes.Equal(first, generate(t, 20, 50, 7)) {
		t.Error("the same arguments give another cluster")
	}
	if bytes.Equal(first, generate(t, 20, 50, 8)) {
		t.Error("another seed gives the same cluster")
	}
}

func TestGenerateErrors(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {-1, 0}, {sample.MaxNodes + 1, 0}, {1, -1}, {1, sample.MaxInstances + 1}} {
		var text bytes.Buffer
		if err := sample.Generate(&text, size[0], size[1], 1); err == nil || text.Len() > 0 {
			t.Errorf("%d nodes, %d instances: error %v and %d bytes", size[0], size[1], err, text.Len())
		}
	}
	full := errors.New("disk full")
	calls := 0
	w := writer(func(p []byte) (int, error) {
		calls++
		return 0, full
	})
	if err := sample.Generate(w, 100, 2000, 1); !errors.Is(err, full) || calls != 1 {
		t.Errorf("%v after %d writes", err, calls)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
