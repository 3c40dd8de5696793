package interop

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

type (
	object = map[string]any
	list   = []any
	// A raw value keeps a number as it is written.
	raw = json.RawMessage
)

func encode(t *testing.T, config object) []byte {
	t.Helper()
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// with returns o with members replaced by those of the others.
func with(o object, others ...object) object {
	for _, other := range others {
		for name, value := range other {
			o[name] = value
		}
	}
	return o
}

// newConfig returns the configuration of an empty cluster as Ganeti 3.0 writes it at
// initialization, except for the nodes: its master is the node with that key.
func newConfig(master string) object {
	spec := func(n int) object {
		return object{"memory-size": n, "disk-size": n, "disk-count": 1, "cpu-count": 1, "nic-count": 1, "spindle-use": 1}
	}
	return object{
		"version":   3000000,
		"serial_no": 12,
		"ctime":     1600000000.5,
		"mtime":     1600000300.25,
		"nodes":     object{}, "nodegroups": object{}, "instances": object{}, "networks": object{}, "disks": object{}, "filters": object{},
		"cluster": object{
			"rsahostkeypub": "AAAAB3", "dsahostkeypub": nil, "highest_used_port": 11000, "tcpudp_port_pool": list{},
			"mac_prefix": "aa:00:00", "volume_group_name": "xenvg", "reserved_lvs": list{}, "drbd_usermode_helper": "/bin/true",
			"master_node": master, "master_ip": "192.0.2.254", "master_netdev": "eth0", "master_netmask": 32,
			"use_external_mip_script": false, "cluster_name": "cluster.example.com",
			"file_storage_dir": "/srv/ganeti/file-storage", "shared_file_storage_dir": "/srv/ganeti/shared-file-storage",
			"gluster_storage_dir": "/var/run/ganeti/gluster",
			"enabled_hypervisors": list{"kvm"}, "hvparams": object{"kvm": object{"acpi": true, "migration_downtime": 30}},
			"os_hvp":    object{},
			"beparams":  object{"default": newBackend(128, 128)},
			"osparams":  object{},
			"nicparams": object{"default": object{"mode": "bridged", "link": "br0", "vlan": ""}},
			"ndparams": object{"oob_program": "", "spindle_count": 1, "exclusive_storage": false, "ovs": false,
				"ovs_name": "switch1", "ovs_link": "", "ssh_port": 22, "cpu_speed": 1.0},
			"osparams_private_cluster": object{},
			"diskparams":               object{"drbd": object{"metavg": "xenvg", "resync-rate": 61440}, "plain": object{"stripes": 1}},
			"candidate_pool_size":      10, "modify_etc_hosts": true, "modify_ssh_setup": true, "maintain_node_health": false,
			"uid_pool": list{}, "default_iallocator": "hail", "default_iallocator_params": object{},
			"hidden_os": list{}, "blacklisted_os": list{}, "primary_ip_family": 2, "prealloc_wipe_disks": false,
			"ipolicy": object{
				"minmax": list{object{"min": spec(1), "max": spec(1048576)}}, "std": spec(128),
				"spindle-ratio": 32.0, "vcpu-ratio": 4.0, "disk-templates": list{"plain", "drbd"},
			},
			"hv_state_static": object{}, "disk_state_static": object{}, "enabled_disk_templates": list{"plain", "drbd"},
			"candidate_certs": object{}, "max_running_jobs": 20, "max_tracked_jobs": 25, "install_image": "",
			"instance_communication_network": "", "zeroing_image": "", "compression_tools": list{"gzip"},
			"enabled_user_shutdown": false, "data_collectors": object{}, "ssh_key_type": "rsa", "ssh_key_bits": 2048,
			"ctime": 1600000000.0, "mtime": 1600000300.0, "uuid": "cluster-uuid", "serial_no": 9, "tags": list{},
		},
	}
}

func newBackend(minmem, maxmem any) object {
	return object{"minmem": minmem, "maxmem": maxmem, "vcpus": 1, "auto_balance": true, "always_failover": false, "spindle_use": 1}
}

// add puts an object into a section of the configuration under a key, which is also its
// uuid unless the object has another one.
func add(config object, section, key string, o object) object {
	if _, ok := o["uuid"]; !ok {
		o["uuid"] = key
	}
	config[section].(object)[key] = o
	return config
}

func newNode(name, ip string) object {
	return object{
		"name": name, "primary_ip": ip, "secondary_ip": ip, "serial_no": 1, "group": "group1",
		"master_candidate": true, "offline": false, "drained": false, "master_capable": true, "vm_capable": true,
		"powered": true, "ndparams": object{}, "tags": list{}, "ctime": 1600000001.0, "mtime": 1600000002.125,
	}
}

func newGroup(name string) object {
	return object{
		"name": name, "members": list{}, "ndparams": object{}, "alloc_policy": "preferred", "ipolicy": object{}, "diskparams": object{},
		"networks": object{}, "serial_no": 3, "tags": list{}, "ctime": 1600000000.0, "mtime": 1600000000.0,
	}
}

func newInstance(name, primary string, disks ...any) object {
	return object{
		"name": name, "primary_node": primary, "os": "debootstrap+default", "hypervisor": "kvm", "hvparams": object{}, "beparams": object{},
		"osparams": object{}, "osparams_private": object{}, "admin_state": "up", "admin_state_source": "admin", "nics": list{},
		"disks": append(list{}, disks...), "disks_active": true, "network_port": 11000, "serial_no": 5, "tags": list{},
		"ctime": 1600000010.0, "mtime": 1600000011.0,
	}
}

func newNIC(ip any, params object) object {
	return object{"mac": "aa:00:00:12:34:56", "ip": ip, "nicparams": params, "uuid": fmt.Sprintf("nic-%v", ip)}
}

func newDisk(template string, id ...any) object {
	return object{
		"dev_type": template, "logical_id": append(list{}, id...), "size": 1024, "iv_name": "disk/0", "mode": "rw", "children": list{},
		"nodes": list{}, "params": object{}, "serial_no": 2, "ctime": 1600000020.0, "mtime": 1600000021.0,
	}
}

// newDRBD returns a mirrored disk with its data and metadata volumes.
func newDRBD(key, nodeA, nodeB string, minorA, minorB int) object {
	disk := newDisk("drbd", nodeA, nodeB, 11000+minorA, minorA, minorB, "secret-"+key)
	disk["nodes"] = list{nodeA, nodeB}
	for _, part := range []string{"data", "meta"} {
		disk["children"] = append(disk["children"].(list), with(newDisk("plain", "xenvg", key+"."+part), object{"uuid": key + "-" + part}))
	}
	return disk
}

// scenarios are clusters, each with a peculiarity.
var scenarios = map[string]func() object{
	"empty": func() object { return newConfig("nobody") },
	"one node": func() object {
		c := newConfig("n1")
		add(c, "nodegroups", "group1", newGroup("default"))
		return add(c, "nodes", "n1", newNode("node1.example.com", "192.0.2.1"))
	},
	"production":  production,
	"names":       names,
	"links":       links,
	"dangling":    dangling,
	"forthcoming": forthcoming,
	"values":      values,
	"foreign":     foreign,
}

// production is a typical well-kept cluster with three groups.
func production() object {
	c := newConfig("uuid-node-0")
	cluster := c["cluster"].(object)
	with(cluster, object{
		"enabled_hypervisors": list{"kvm", "xen-pvm"},
		"data_collectors": object{
			"cpu-avg-load": object{"active": true, "interval": 5000000},
			"lv":           object{"active": false, "interval": 30000000},
		},
		"tags": list{"env:prod", "Env:prod", "env:prod", "a"},
	})
	for g, name := range []string{"default", "rack-b", "spare"} {
		add(c, "nodegroups", fmt.Sprintf("uuid-group-%d", g), with(newGroup(name), object{"networks": object{"uuid-net-0": object{"mode": "routed", "link": "br1", "vlan": ""}}}))
	}
	for n := range 6 {
		add(c, "nodes", fmt.Sprintf("uuid-node-%d", n), with(newNode(fmt.Sprintf("node%d.example.com", n), fmt.Sprintf("192.0.2.%d", n+1)), object{
			"group": fmt.Sprintf("uuid-group-%d", n/2), "master_candidate": n < 3, "offline": n == 4, "drained": n == 5, "serial_no": 100 + n,
		}))
	}
	add(c, "networks", "uuid-net-0", object{
		"name": "lan", "network": "203.0.113.0/28", "gateway": "203.0.113.1", "mac_prefix": nil, "network6": "2001:db8::/64", "gateway6": nil,
		"reservations": "0000000000000000", "ext_reservations": "1100000000000001", "serial_no": 4, "tags": list{}, "ctime": 1.5, "mtime": 2.5,
	})
	for i := range 10 {
		key, primary, secondary := fmt.Sprintf("uuid-inst-%d", i), fmt.Sprintf("uuid-node-%d", i%6), fmt.Sprintf("uuid-node-%d", (i+1)%6)
		instance := newInstance(fmt.Sprintf("web%d.example.com", i), primary)
		for d := range 1 + i%3 {
			disk := fmt.Sprintf("uuid-disk-%d-%d", i, d)
			if i%2 == 0 {
				add(c, "disks", disk, newDRBD(disk, primary, secondary, 10*i+d, 10*i+d+3))
			} else {
				add(c, "disks", disk, newDisk("plain", "xenvg", disk))
			}
			instance["disks"] = append(instance["disks"].(list), disk)
		}
		instance["nics"] = list{
			newNIC(fmt.Sprintf("203.0.113.%d", i+2), object{"mode": "bridged", "link": "br0", "vlan": ""}),
			with(newNIC(fmt.Sprintf("2001:db8::%d", i), object{"mode": "routed", "link": "br1", "vlan": ""}), object{"network": "uuid-net-0", "name": "lan"}),
		}
		instance["serial_no"] = 40 + i
		add(c, "instances", key, instance)
	}
	add(c, "filters", "uuid-filter-0", object{
		"watermark": 17, "priority": 5, "predicates": list{list{"jobid", list{">", "id", "watermark"}}, list{"opcode", list{"=", "OP_ID", "OP_INSTANCE_CREATE"}}},
		"action": list{"RATE_LIMIT", 3}, "reason_trail": list{list{"gnt:client:gnt-filter", "maintenance", 1600000000000000000}},
	})
	return add(c, "filters", "uuid-filter-1", object{"watermark": 0, "priority": 0, "predicates": list{}, "action": "PAUSE", "reason_trail": list{}})
}

// names has nodes and instances with similar names, keys and uuids.
func names() object {
	c := newConfig("web.example.com")
	for i, name := range []string{
		"web", "web.example.com", "web.lab.example.com", "web.example.com.", "WEB.example.com", "db.a.example.com", "db.b.example.com",
		"twin.example.com", "twin.example.com", "", ".hidden.example.com", "a..b", "uuid-node-3", "x y.example.com", `quote".example.com`, `back\slash.example.com`, "tab\t.example.com",
	} {
		add(c, "nodes", fmt.Sprintf("uuid-node-%d", i), with(newNode(name, fmt.Sprintf("192.0.2.%d", i)), object{"serial_no": 100 + i, "offline": i%4 == 1, "drained": i%3 == 1, "master_candidate": i%2 == 0}))
		key := fmt.Sprintf("uuid-inst-%d", i)
		instance := with(newInstance(name, fmt.Sprintf("uuid-node-%d", i), "disk-"+key), object{"serial_no": 200 + i})
		instance["nics"] = list{newNIC(fmt.Sprintf("203.0.113.%d", i), object{})}
		add(c, "disks", "disk-"+key, newDisk("plain", "xenvg", key))
		add(c, "instances", key, instance)
	}
	add(c, "nodes", "web.example.org", newNode("other.example.com", "192.0.2.100"))
	add(c, "nodes", "key", with(newNode("mismatch.example.com", "192.0.2.101"), object{"uuid": "another-uuid"}))
	add(c, "nodes", "", newNode("emptykey.example.com", "192.0.2.102"))
	add(c, "instances", "inst-key", with(newInstance("mismatch.example.com", "key"), object{"uuid": "inst-other"}))
	add(c, "instances", "inst-by-name", newInstance("byname.example.com", "web.example.com"))
	add(c, "instances", "inst-by-uuid", newInstance("byuuid.example.com", "another-uuid"))
	return c
}

// links has the same addresses on several links and repeatedly on one.
func links() object {
	c := newConfig("n1")
	c["cluster"].(object)["nicparams"].(object)["default"] = object{"mode": "routed", "link": "100", "vlan": ".7"}
	for n := range 3 {
		add(c, "nodes", fmt.Sprintf("n%d", n), newNode(fmt.Sprintf("node%d", n), fmt.Sprintf("192.0.2.%d", n)))
	}
	nics := []object{
		newNIC("10.0.0.1", object{}),
		newNIC("10.0.0.1", object{"link": "200"}),
		newNIC("10.0.0.10", object{"link": "100"}),
		newNIC("10.0.0.9", object{"link": nil}),
		newNIC("", object{"link": ""}),
		newNIC(nil, object{"link": "200"}),
		newNIC("2001:db8::1", object{"link": "200", "mode": "openvswitch", "vlan": nil}),
		newNIC("2001:DB8::1", object{"link": "200"}),
		newNIC("no ip at all", object{"link": "a link"}),
	}
	for i := range 12 {
		instance := newInstance(fmt.Sprintf("inst%d.example.com", i), fmt.Sprintf("n%d", i%4)) // n3 does not exist
		for j := range 3 {
			instance["nics"] = append(instance["nics"].(list), nics[(i*5+j*4)%len(nics)])
		}
		add(c, "instances", fmt.Sprintf("i%d", (i*7)%12), instance)
	}
	// Two instances have the same name: which one has the address and which one is found
	// differ.
	add(c, "instances", "twin-a", with(newInstance("twin", "n0"), object{"nics": list{newNIC("10.1.1.1", object{})}}))
	add(c, "instances", "twin-b", with(newInstance("twin", "n1"), object{"nics": list{newNIC("10.1.1.2", object{})}}))
	delete(member(c, "instances")["twin-b"].(object), "hvparams")
	return c
}

// dangling has every kind of dangling reference.
func dangling() object {
	c := newConfig("n0")
	for n := range 4 {
		add(c, "nodes", fmt.Sprintf("n%d", n), with(newNode(fmt.Sprintf("node%d.example.com", n), fmt.Sprintf("192.0.2.%d", n)), object{"group": "nogroup"}))
	}
	add(c, "disks", "good", newDRBD("good", "n0", "n1", 0, 1))
	add(c, "disks", "same", newDRBD("same", "n2", "n2", 2, 3))
	add(c, "disks", "by-name", newDRBD("by-name", "node0.example.com", "node1", 4, 5))
	add(c, "disks", "no-peer", newDRBD("no-peer", "n3", "gone", 6, 7))
	add(c, "disks", "nested", newDRBD("nested", "n0", "n2", 8, 9))
	nested := member(c, "disks")["nested"].(object)
	nested["children"] = append(nested["children"].(list), with(newDRBD("inner", "n1", "n0", 10, 11), object{"uuid": "inner"}),
		with(newDisk("plain", "vg", "lv"), object{"uuid": "around", "children": list{with(newDRBD("innermost", "n2", "n0", 12, 13), object{"uuid": "innermost"})}}))
	add(c, "disks", "key", with(newDRBD("key", "n0", "n2", 14, 15), object{"uuid": "not the key"}))
	add(c, "disks", "plain", newDisk("plain", "vg", "lv"))
	for i, disks := range []list{
		{"good"}, {"good", "missing"}, {"missing"}, {"same"}, {"by-name"}, {"nested", "good", "nested"}, {"key"}, {"not the key"}, {"plain", "good"}, {""}, {}, {"no-peer"},
	} {
		add(c, "instances", fmt.Sprintf("i%02d", i), newInstance(fmt.Sprintf("inst%d.example.com", i), fmt.Sprintf("n%d", i%3), disks...))
	}
	add(c, "instances", "lost", newInstance("lost.example.com", "gone", "good"))
	add(c, "instances", "by-name", newInstance("by-name.example.com", "node1", "good"))
	return add(c, "instances", "misplaced", with(newInstance("misplaced.example.com", "n1", "good"), object{"uuid": "elsewhere"}))
}

// forthcoming has instances and disks that are only reserved.
func forthcoming() object {
	c := newConfig("n0")
	add(c, "nodes", "n0", newNode("node0", "192.0.2.0"))
	add(c, "nodes", "n1", newNode("node1", "192.0.2.1"))
	// "" finds this node, but an instance without a primary node must not.
	add(c, "nodes", "n2", newNode(".hidden.example.com", "192.0.2.2"))
	add(c, "disks", "bare", object{"forthcoming": true, "serial_no": 1})
	add(c, "disks", "sized", object{"forthcoming": true, "serial_no": 1, "size": 5, "dev_type": "plain"})
	add(c, "disks", "drbd", with(newDRBD("drbd", "n0", "n1", 1, 2), object{"forthcoming": true}))
	add(c, "disks", "real", with(newDRBD("real", "n0", "n1", 3, 4), object{"forthcoming": false}))
	add(c, "instances", "bare", object{"forthcoming": true, "serial_no": 1})
	add(c, "instances", "with-nic", object{"forthcoming": true, "serial_no": 2, "nics": list{newNIC("10.0.0.1", object{})}, "disks": list{"bare", "drbd"}})
	add(c, "instances", "homeless", object{"forthcoming": true, "serial_no": 3, "name": "homeless.example.com", "nics": list{newNIC("10.0.0.3", object{})}})
	add(c, "instances", "named", object{"forthcoming": true, "serial_no": 3, "name": "named.example.com", "nics": list{newNIC("10.0.0.2", object{})}, "primary_node": "n0", "disks": list{"sized"}})
	add(c, "instances", "whole", with(newInstance("whole.example.com", "n1", "drbd", "bare", "real"), object{"forthcoming": true}))
	return add(c, "instances", "real", with(newInstance("real.example.com", "n0", "real", "drbd"), object{"forthcoming": nil}))
}

// values has numbers, times, units and texts of every kind.
func values() object {
	c := newConfig("n0")
	times := []string{
		"0", "0.0", "-1.5", "1599980000", "1600000001.123456", "1600000106.25", "1e9", "1.5e9", "1234567890.0000001", "0.1", "1e-7", "99999999999", "1e17", "-0.000001", "null",
	}
	for n, time := range times {
		add(c, "nodes", fmt.Sprintf("n%d", n), with(newNode(fmt.Sprintf("node%d", n), fmt.Sprintf("192.0.2.%d", n)), object{
			"ctime": raw(time), "mtime": raw(times[len(times)-1-n]), "tags": list{"b", "a", "B", "a", "", "é", "\u20ac", fmt.Sprint(n)},
			"ndparams": object{"cpu_speed": raw([]string{"1", "1.0", "2.5", "1e3", "0.1", "12345678.9", "1e-3", "100000000", "null"}[n%9]), "spindle_count": n, "ssh_port": nil, "ovs": nil},
		}))
	}
	numbers := object{}
	for _, n := range []string{
		"0", "-0", "0.0", "-0.0", "1", "1.0", "1.50", "100", "1e2", "1E+2", "1e-2", "0.1", "0.01", "0.099", "9999999.5", "10000000.5", "12345678.75", "1e22", "1e23",
		"123456789012345678901234567890", "-17", "3.14159265358979323846264338327950288", "5e-324", "1.7976931348623157e308", "0.30000000000000004", "1e-400", "4.35", "2.675",
		"9007199254740993", "9007199254740993.0", "9007199254740993.5", "1234567890123456789.25", "0.1e1", "100e-2", "1.25e10", "123.456e2", "123.456e3",
	} {
		numbers[n] = raw(n)
	}
	for i, o := range []object{
		{"hvparams": object{"numbers": numbers, "nested": object{"list": list{1, nil, true, "x", object{"z": nil, "a": object{}}, list{}}}, "": "empty", "a/b~c": "pointer"}},
		{"beparams": newBackend("512", "2GiB")},
		{"beparams": newBackend("1 t", "  7m")},
		{"beparams": newBackend(64, "3 MB")},
		{"beparams": object{"minmem": nil, "vcpus": 3}},
		{"beparams": nil, "hvparams": nil, "osparams": nil, "osparams_private": nil, "tags": nil, "nics": nil, "disks": nil, "network_port": nil, "ctime": nil, "mtime": nil},
		{"osparams": object{"é": "\u20ac", "k": "v", "": ""}, "osparams_private": object{"password": `q"u\o` + "\n\t\x01\x7f"}},
		{"network_port": -1, "serial_no": 9223372036854775807},
		{"tags": list{"\x7f", "é", "z", "\uffff", "Z"}},
	} {
		add(c, "instances", fmt.Sprintf("i%d", i), with(newInstance(fmt.Sprintf("inst%d", i), "n0"), o))
	}
	for i, network := range []string{"192.0.2.0/24", "10.0.0.1/8", "0.0.0.0/0", "255.255.255.255/32"} {
		add(c, "networks", fmt.Sprintf("net%d", i), object{"name": fmt.Sprint("net", i), "network": network, "serial_no": i, "gateway": []any{nil, "10.0.0.254"}[i%2]})
	}
	for i, id := range []list{
		{"file", "loop", "/srv/file"}, {"sharedfile", "blktap", "/srv/shared"}, {"gluster", "blktap2", "vol"}, {"blockdev", "manual", "/dev/x"},
		{"rbd", "rbd", "pool/img"}, {"ext", "provider", "volume"}, {"plain", "", ""}, {"file", "loop", ""},
	} {
		add(c, "disks", fmt.Sprintf("d%d", i), with(newDisk(id[0].(string), id[1:]...), object{"params": object{"numbers": numbers}, "spindles": i, "name": []any{nil, "é"}[i%2], "mode": []any{"ro", nil}[i%2]}))
	}
	for i, action := range []any{"ACCEPT", "PAUSE", "REJECT", "CONTINUE", list{"RATE_LIMIT", 1}} {
		add(c, "filters", fmt.Sprintf("f%d", i), object{"watermark": []any{0, "17", 5}[i%3], "priority": i, "action": action, "reason_trail": list{list{"a", "b", 1}},
			"predicates": list{
				list{"reason", nil}, list{"opcode", list{"=", "OP_ID", "X"}}, list{"opcode", list{"!=", "OP_ID", 1}}, list{"jobid", list{"<=", "id", "watermark"}},
				list{"reason", list{"|", list{"!", list{"?", "x"}}, list{"&"}, list{"=~", "reason", "^a.*b$"}, list{"=[]", "l", "v"}}},
			}})
	}
	return c
}

// foreign has non-ASCII names that the real daemon can still send, and some that it cannot.
func foreign() object {
	c := newConfig("n0")
	add(c, "nodes", "n0", newNode("knoten\u00e4.example.com", "192.0.2.1"))
	add(c, "nodes", "n1", newNode("n\u00f8de.example.com", "192.0.2.2"))
	add(c, "disks", "d0", with(newDRBD("d0", "n0", "n1", 1, 2), object{"name": "d\u00e9"}))
	add(c, "instances", "i0", with(newInstance("\u00fc.example.com", "n1", "d0"), object{"nics": list{newNIC("\u00e0", object{"link": "br\u00fc"})}}))
	return add(c, "instances", "i1", newInstance("\u20ac.example.com", "n0", "d0", "d\u20ac"))
}

// A dice makes the random choices for a cluster.
type dice struct{ *rand.Rand }

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// maybe returns v, or sometimes null.
func (d dice) maybe(v any) any {
	if d.chance(15) {
		return nil
	}
	return v
}

func (d dice) number() raw {
	switch d.IntN(5) {
	case 0:
		return raw(fmt.Sprint(d.IntN(2000) - 100))
	case 1:
		return raw(fmt.Sprintf("%d.%d", d.IntN(1e6), d.IntN(1e6)))
	case 2:
		return raw(fmt.Sprintf("%de%d", 1+d.IntN(99), d.IntN(40)-20))
	case 3:
		return raw(fmt.Sprintf("%d%d", 1+d.Uint64N(1e18), d.Uint64()))
	}
	return raw(fmt.Sprintf("%g", d.ExpFloat64()))
}

func (d dice) time() any {
	switch d.IntN(6) {
	case 0:
		return nil
	case 1:
		return d.IntN(2e9)
	case 2:
		return raw(fmt.Sprintf("%d.%de%d", d.IntN(10), d.IntN(1e6), d.IntN(24)-7))
	case 3:
		return raw(fmt.Sprint(-d.Float64() * 1e9))
	}
	return raw(fmt.Sprintf("%d.%06d", d.IntN(2e9), d.IntN(1e6)))
}

func (d dice) word() string {
	return pick(d, "a", "b", "web", "db", "node", "node1", "node1.a", "node1.a.example.com", "web.example.com", "x.y", "é", `"`, `\`, "A", "WEB", "0", " ", "a/b", "~", "\x01")
}

// uuid returns a UUID other than the object's key. It is always ASCII: for the real daemon
// other UUIDs equal nothing.
func (d dice) uuid() string { return pick(d, "", "uuid", "node-00", "inst-07", "0", "A") }

func (d dice) name() string {
	return pick(d, "", "", "", ".") + d.word() + pick(d, "", ".", ".a", ".example.com", ".lab.example.com", fmt.Sprint(d.IntN(4)), fmt.Sprint(d.IntN(4), ".example.com"))
}

func (d dice) tags() any {
	tags := list{}
	for range d.IntN(6) {
		tags = append(tags, d.word())
	}
	return d.maybe(tags)
}

func (d dice) value(depth int) any {
	if depth > 0 {
		switch d.IntN(4) {
		case 0:
			return d.object(depth - 1)
		case 1:
			values := list{}
			for range d.IntN(4) {
				values = append(values, d.value(depth-1))
			}
			return values
		}
	}
	return pick[any](d, nil, true, false, d.word(), d.number(), d.number())
}

func (d dice) object(depth int) object {
	o := object{}
	for range d.IntN(4) {
		o[d.word()] = d.value(depth)
	}
	return o
}

// drop omits some members, which must all be optional.
func (d dice) drop(o object, optional ...string) object {
	for _, name := range optional {
		if d.chance(20) {
			delete(o, name)
		} else if d.chance(10) {
			o[name] = nil
		}
	}
	return o
}

// config generates a cluster that Ganeti might have written, or almost.
func (d dice) config() object {
	nodeKeys, diskKeys := list{"gone"}, list{"gone"}
	keyOf := func(kind string, i int) string { return fmt.Sprintf("%s-%02d", kind, (i*7)%31) }
	nodes, instances := d.IntN(13), d.IntN(31)
	for n := range nodes {
		nodeKeys = append(nodeKeys, keyOf("node", n))
	}
	c := newConfig(pick(d, nodeKeys...).(string))
	cluster := c["cluster"].(object)
	with(cluster, object{
		"tags": d.tags(), "ctime": d.time(), "mtime": d.time(), "serial_no": d.IntN(1e6), "dsahostkeypub": d.maybe("AAAA"),
		"default_iallocator_params": d.object(3), "hv_state_static": d.object(2), "disk_state_static": d.object(2),
		"hvparams":            object{"kvm": d.object(3), pick(d, "xen-pvm", "lxc", "fake", "chroot", "xen-hvm"): d.object(2)},
		"diskparams":          object{pick(d, "plain", "drbd", "rbd"): d.object(1)},
		"osparams":            object{d.word(): object{d.word(): d.word()}},
		"enabled_hypervisors": pick(d, list{}, list{"kvm"}, list{"xen-pvm"}, list{"kvm", "xen-hvm", "kvm"}),
		"nicparams":           object{"default": object{"mode": "bridged", "link": pick(d, "br0", "br1", ""), "vlan": ""}},
		"data_collectors":     object{pick(d, "lv", "drbd", "inst-status-xen", "diskstats", "xen-cpu-avg-load", "other"): object{"active": d.chance(50), "interval": d.IntN(1e9)}},
	})
	for g := range d.IntN(3) {
		add(c, "nodegroups", keyOf("group", g), d.drop(with(newGroup(d.name()), object{
			"alloc_policy": pick(d, "preferred", "last_resort", "unallocable"), "tags": d.tags(), "ctime": d.time(), "mtime": d.time(), "members": d.maybe(list{"x"}),
			"networks":        object{"net-00": d.drop(object{"mode": "pool", "link": "l", "vlan": "v"}, "mode", "link", "vlan")},
			"hv_state_static": d.object(2), "disk_state_static": d.object(2), "diskparams": object{"drbd": d.object(1)},
			"ipolicy": d.drop(object{"spindle-ratio": d.number(), "vcpu-ratio": d.IntN(9), "disk-templates": list{"plain", "ext"}}, "spindle-ratio", "vcpu-ratio", "disk-templates"),
		}), "tags", "ctime", "mtime", "members", "hv_state_static", "disk_state_static"))
	}
	for n := range nodes {
		node := with(newNode(d.name(), fmt.Sprintf("192.0.2.%d", d.IntN(nodes+3))), object{
			"master_candidate": d.chance(50), "offline": d.chance(20), "drained": d.chance(20), "serial_no": d.IntN(1000), "tags": d.tags(), "ctime": d.time(), "mtime": d.time(),
			"ndparams":        d.drop(object{"oob_program": "x", "spindle_count": 3, "cpu_speed": d.number(), "ovs": true}, "oob_program", "spindle_count", "cpu_speed", "ovs"),
			"hv_state_static": d.object(2), "disk_state_static": d.object(2),
		})
		if d.chance(10) {
			node["uuid"] = d.uuid()
		}
		add(c, "nodes", keyOf("node", n), d.drop(node, "tags", "ctime", "mtime", "hv_state_static", "disk_state_static"))
	}
	for i := range d.IntN(3) {
		add(c, "networks", keyOf("net", i), d.drop(object{
			"name": "net" + d.name(), "network": fmt.Sprintf("10.%d.%d.0/%d", d.IntN(256), d.IntN(256), d.IntN(33)), "gateway": "10.0.0.1", "network6": "fd00::/64",
			"gateway6": "fd00::1", "mac_prefix": "aa:bb:cc", "reservations": "0101", "ext_reservations": "", "serial_no": i, "tags": d.tags(), "ctime": d.time(), "mtime": d.time(),
		}, "gateway", "network6", "gateway6", "mac_prefix", "reservations", "ext_reservations", "tags", "ctime", "mtime"))
	}
	for i := range instances * 2 {
		key := fmt.Sprintf("disk-%02d", (i*11)%97)
		diskKeys = append(diskKeys, key)
		add(c, "disks", key, d.disk(key, nodeKeys, 1))
	}
	for i := range instances {
		add(c, "instances", keyOf("inst", i), d.instance(nodeKeys, diskKeys))
	}
	for i := range d.IntN(3) {
		add(c, "filters", keyOf("filter", i), object{
			"watermark": d.IntN(99), "priority": d.IntN(9), "action": pick[any](d, "ACCEPT", "PAUSE", "REJECT", list{"RATE_LIMIT", 1 + d.IntN(9)}),
			"predicates": list{list{"opcode", list{"=", "OP_ID", d.word()}}}, "reason_trail": list{list{d.word(), d.word(), d.IntN(1e9)}},
		})
	}
	return c
}

func (d dice) disk(key string, nodeKeys list, depth int) object {
	node := func() string { return pick(d, nodeKeys...).(string) }
	var disk object
	switch pick(d, "plain", "drbd", "drbd", "drbd", "file", "rbd", "ext", "forthcoming") {
	case "plain":
		disk = newDisk("plain", "xenvg", key)
	case "drbd":
		disk = newDRBD(key, node(), node(), d.IntN(30), d.IntN(30))
		if depth > 0 && d.chance(20) {
			disk["children"] = append(disk["children"].(list), d.disk(key+"-child", nodeKeys, depth-1))
		}
	case "file":
		disk = newDisk(pick(d, "file", "sharedfile", "gluster"), pick(d, "loop", "blktap", "blktap2"), d.word())
	case "rbd":
		disk = newDisk("rbd", "rbd", d.word())
	case "ext":
		disk = newDisk("ext", d.word(), d.word())
	case "forthcoming":
		return object{"forthcoming": true, "uuid": key, "serial_no": 1, "size": d.maybe(3)}
	}
	with(disk, object{"uuid": key, "size": d.IntN(1e6), "serial_no": d.IntN(99), "name": d.word(), "spindles": d.IntN(5), "params": d.object(2), "ctime": d.time(), "mtime": d.time()})
	if d.chance(5) {
		disk["uuid"] = d.uuid()
	}
	return d.drop(disk, "iv_name", "mode", "nodes", "params", "name", "spindles", "ctime", "mtime")
}

func (d dice) instance(nodeKeys, diskKeys list) object {
	instance := with(newInstance(d.name(), pick(d, nodeKeys...).(string)), object{
		"hypervisor": pick(d, "kvm", "xen-pvm", "xen-hvm", "lxc", "chroot", "fake"), "admin_state": pick(d, "up", "down", "offline"),
		"hvparams": d.object(3), "osparams": object{d.word(): d.word()}, "osparams_private": object{d.word(): d.word()}, "serial_no": d.IntN(1e6),
		"tags": d.tags(), "ctime": d.time(), "mtime": d.time(),
		"beparams": d.drop(newBackend(pick[any](d, 128, "1g", "2 GiB", "512", "64M", "1T", "3 mb"), d.IntN(9999)), "minmem", "maxmem", "vcpus", "auto_balance", "always_failover", "spindle_use"),
	})
	for range d.IntN(4) {
		instance["disks"] = append(instance["disks"].(list), pick(d, diskKeys...))
	}
	for range d.IntN(4) {
		params := d.drop(object{"mode": "bridged", "link": pick(d, "br0", "br1", ""), "vlan": d.word()}, "mode", "link", "vlan")
		nic := with(newNIC(fmt.Sprintf("10.0.0.%d", d.IntN(40)), params), object{"network": "net-00", "name": d.word()})
		instance["nics"] = append(instance["nics"].(list), d.drop(nic, "ip", "network", "name"))
	}
	if d.chance(5) {
		instance["uuid"] = d.uuid()
	}
	d.drop(instance, "hvparams", "beparams", "osparams", "osparams_private", "nics", "disks", "network_port", "tags", "ctime", "mtime")
	if d.chance(10) {
		instance["forthcoming"] = true
		d.drop(instance, "name", "primary_node", "os", "hypervisor", "admin_state", "disks_active")
	}
	return instance
}
