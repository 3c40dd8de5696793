package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/gen/object"
)

// missing is the error that something is not there, among others that were asked for.
type missing string

func (m missing) Error() string { return string(m) }

func versionView(version int64, _ json.RawMessage) view {
	text := fmt.Sprintf("alive, with a configuration of version %d", version)
	if version == 0 {
		text = "alive, of Ganeti 2.6 or before"
	}
	return view{value: version, table: listing("lines", text)}
}

func textView(text string, _ json.RawMessage) view {
	return view{value: text, table: listing("lines", strings.Split(text, "\n")...)}
}

// roleTones are how roles of nodes are set off.
var roleTones = map[client.Role]tone{
	client.RoleMaster: strong, client.RoleCandidate: good, client.RoleOffline: bad, client.RoleDrained: warn,
}

func roleView(role client.Role, _ json.RawMessage) view {
	t := table{noun: "lines"}
	t.row(cell{role.String(), roleTones[role]})
	return view{value: role.String(), table: t}
}

func detailsView(d client.Details, _ json.RawMessage) view {
	t := table{noun: "masters", head: []string{"NODE", "CLUSTER IP", "PRIMARY IP"}}
	t.row(d.Name, addrText(d.ClusterIP), addrText(d.PrimaryIP))
	return view{
		value: struct {
			Name      string `json:"name"`
			ClusterIP string `json:"cluster_ip"`
			PrimaryIP string `json:"primary_ip"`
		}{d.Name, addrText(d.ClusterIP), addrText(d.PrimaryIP)},
		table: t,
	}
}

func addrText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

func addrsView(ips []netip.Addr, _ json.RawMessage) view {
	texts := make([]string, len(ips))
	for i, ip := range ips {
		texts[i] = addrText(ip)
	}
	return view{value: texts, table: listing("addresses", texts...)}
}

func locationsView(all []client.Location, _ json.RawMessage) view {
	type location struct {
		IP     string `json:"ip"`
		Node   string `json:"node,omitempty"`
		Error  string `json:"error,omitempty"`
		Serial int64  `json:"serial"`
	}
	v := view{table: locationTable(all)}
	locations := []location{}
	var unknown []string
	for _, l := range all {
		one := location{IP: l.IP.String(), Node: addrText(l.Node), Serial: l.Serial}
		if l.Err != nil {
			one.Error = l.Err.Error()
			unknown = append(unknown, one.IP)
		}
		locations = append(locations, one)
	}
	v.value = locations
	if len(unknown) > 0 {
		v.err = missing("no instance has the address " + strings.Join(unknown, " or ") + " on that link")
	}
	return v
}

func locationTable(all []client.Location) table {
	t := table{noun: "locations", head: []string{"INSTANCE IP", "NODE IP", "SERIAL"}}
	for _, l := range all {
		node := cell{text: addrText(l.Node)}
		if l.Err != nil {
			node = cell{l.Err.Error(), bad}
		}
		t.row(addrText(l.IP), node, l.Serial)
	}
	return t
}

func minorsView(minors []client.Minor, _ json.RawMessage) view {
	type minor struct {
		Node     string           `json:"node"`
		Minor    int64            `json:"minor"`
		Instance string           `json:"instance"`
		Disk     string           `json:"disk"`
		Role     client.MinorRole `json:"role"`
		Peer     string           `json:"peer"`
	}
	all := make([]minor, len(minors))
	for i, m := range minors {
		all[i] = minor(m)
	}
	return view{value: all, table: minorTable(minors)}
}

func minorTable(minors []client.Minor) table {
	t := table{noun: "minors", head: []string{"NODE", "MINOR", "INSTANCE", "DISK", "ROLE", "PEER"}}
	for _, m := range minors {
		t.row(m.Node, m.Minor, m.Instance, m.Disk, m.Role, m.Peer)
	}
	return t
}

func collectorsView(collectors map[string]client.Collector, _ json.RawMessage) view {
	type collector struct {
		Active   bool    `json:"active"`
		Interval float64 `json:"interval_s"`
	}
	all := make(map[string]collector, len(collectors))
	for name, c := range collectors {
		all[name] = collector{c.Active, c.Interval.Seconds()}
	}
	return view{value: all, table: collectorTable(collectors)}
}

func collectorTable(collectors map[string]client.Collector) table {
	t := table{noun: "collectors", head: []string{"COLLECTOR", "ACTIVE", "INTERVAL"}}
	for _, name := range slices.Sorted(maps.Keys(collectors)) {
		active := cell{"no", faint}
		if collectors[name].Active {
			active = cell{"yes", good}
		}
		t.row(name, active, fmt.Sprint(collectors[name].Interval.Seconds(), " s"))
	}
	return t
}

func instancesView(instances client.NodeInstances, raw json.RawMessage) view {
	t := table{noun: "instances", head: []string{"INSTANCE", "NODE IS", "STATE", "HYPERVISOR", "OS", "VCPUS", "MEMORY", "DISKS", "ADDRESSES"}}
	for _, side := range []struct {
		role      string
		instances []object.Instance
	}{{"primary", instances.Primary}, {"secondary", instances.Secondary}} {
		for _, i := range side.instances {
			var ips []string
			for _, nic := range i.NICs {
				if nic.IP != "" {
					ips = append(ips, nic.IP)
				}
			}
			vcpus, memory := "default", "default"
			if i.BEParams.VCPUs != nil {
				vcpus = fmt.Sprint(*i.BEParams.VCPUs)
			}
			if i.BEParams.MaxMem != nil {
				memory = mebibytes(*i.BEParams.MaxMem)
			}
			t.row(cmp.Or(i.Name, i.UUID), side.role, instanceState(i), cmp.Or(string(i.Hypervisor), "-"), cmp.Or(i.OS, "-"),
				vcpus, memory, len(i.Disks), cmp.Or(strings.Join(ips, " "), "-"))
		}
	}
	var lists [2]json.RawMessage // which the question has checked that it is
	if err := json.Unmarshal(raw, &lists); err != nil {
		return view{value: raw, table: t}
	}
	return view{value: map[string]json.RawMessage{"primary": lists[0], "secondary": lists[1]}, table: t}
}

func instanceState(i object.Instance) cell {
	switch {
	case i.Forthcoming:
		return cell{"forthcoming", faint}
	case i.AdminState == object.AdminStateUp:
		return cell{"up", good}
	case i.AdminState == "":
		return cell{text: "-"}
	}
	return cell{string(i.AdminState), warn}
}

func disksView(disks []object.Disk, raw json.RawMessage) view {
	t := table{noun: "disks", head: []string{"DISK", "TYPE", "SIZE", "MODE", "NAME", "UUID", "STORAGE"}}
	for _, d := range disks {
		t.row(cmp.Or(d.IVName, "-"), cmp.Or(string(d.DevType), "-"), mebibytes(d.Size), cmp.Or(string(d.Mode), "-"),
			cmp.Or(d.Name, "-"), d.UUID, storage(d))
	}
	return view{value: raw, table: t}
}

// storage says where a disk is.
func storage(d object.Disk) string {
	switch d.DevType {
	case object.DiskTemplateDRBD:
		var id object.DRBDLogicalID
		if json.Unmarshal(d.LogicalID, &id) == nil {
			return fmt.Sprintf("port %d, minors %d and %d", id.Port, id.MinorA, id.MinorB)
		}
	}
	var parts []any
	if json.Unmarshal(d.LogicalID, &parts) != nil {
		return "-"
	}
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = fmt.Sprint(part)
	}
	return strings.Join(texts, " ")
}

// mebibytes writes a size with the largest unit that gives a short number.
func mebibytes(n int64) string {
	size, unit := float64(n), "MiB"
	for _, larger := range []string{"GiB", "TiB"} {
		if size >= 1024 {
			size, unit = size/1024, larger
		}
	}
	return fmt.Sprintf("%.4g %s", size, unit)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
