package show

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
	"gntconfd/internal/terminal"
)

// View is an answer as it is shown.
type View struct {
	Value any            // for machines: what encoding/json makes of it
	Table terminal.Table // for people
	Err   error          // what the answer lacks, if anything
}

// Missing is the error that something is not there, among others that were asked for.
type Missing string

func (m Missing) Error() string { return string(m) }

func Version(version int64, _ json.RawMessage) View {
	text := fmt.Sprintf("alive, with a configuration of version %d", version)
	if version == 0 {
		text = "alive, of Ganeti 2.6 or before"
	}
	return View{Value: version, Table: terminal.Listing("lines", text)}
}

func Text(text string, _ json.RawMessage) View {
	return View{Value: text, Table: terminal.Listing("lines", strings.Split(text, "\n")...)}
}

// roleTones are how roles of nodes are set off.
var roleTones = map[client.Role]terminal.Tone{
	client.RoleMaster: terminal.Strong, client.RoleCandidate: terminal.Good, client.RoleOffline: terminal.Bad, client.RoleDrained: terminal.Warn,
}

func Role(role client.Role, _ json.RawMessage) View {
	t := terminal.Table{Noun: "lines"}
	t.Row(roleTones[role].Cell(role.String()))
	return View{Value: role.String(), Table: t}
}

func Details(d client.Details, _ json.RawMessage) View {
	t := terminal.Table{Noun: "masters", Head: []string{"NODE", "CLUSTER IP", "PRIMARY IP"}}
	t.Row(d.Name, addrText(d.ClusterIP), addrText(d.PrimaryIP))
	return View{
		Value: struct {
			Name      string `json:"name"`
			ClusterIP string `json:"cluster_ip"`
			PrimaryIP string `json:"primary_ip"`
		}{d.Name, addrText(d.ClusterIP), addrText(d.PrimaryIP)},
		Table: t,
	}
}

func addrText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

func Addresses(ips []netip.Addr, _ json.RawMessage) View {
	texts := make([]string, len(ips))
	for i, ip := range ips {
		texts[i] = addrText(ip)
	}
	return View{Value: texts, Table: terminal.Listing("addresses", texts...)}
}

func Locations(all []client.Location, _ json.RawMessage) View {
	type location struct {
		IP     string `json:"ip"`
		Node   string `json:"node,omitempty"`
		Error  string `json:"error,omitempty"`
		Serial int64  `json:"serial"`
	}
	v := View{Table: locationTable(all)}
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
	v.Value = locations
	if len(unknown) > 0 {
		v.Err = Missing("no instance has the address " + strings.Join(unknown, " or ") + " on that link")
	}
	return v
}

func locationTable(all []client.Location) terminal.Table {
	t := terminal.Table{Noun: "locations", Head: []string{"INSTANCE IP", "NODE IP", "SERIAL"}}
	for _, l := range all {
		node := terminal.Cell{Text: addrText(l.Node)}
		if l.Err != nil {
			node = terminal.Bad.Cell(l.Err.Error())
		}
		t.Row(addrText(l.IP), node, l.Serial)
	}
	return t
}

func Minors(minors []client.Minor, _ json.RawMessage) View {
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
	return View{Value: all, Table: minorTable(minors)}
}

func minorTable(minors []client.Minor) terminal.Table {
	t := terminal.Table{Noun: "minors", Head: []string{"NODE", "MINOR", "INSTANCE", "DISK", "ROLE", "PEER"}}
	for _, m := range minors {
		t.Row(m.Node, m.Minor, m.Instance, m.Disk, m.Role, m.Peer)
	}
	return t
}

func Collectors(collectors map[string]client.Collector, _ json.RawMessage) View {
	type collector struct {
		Active   bool    `json:"active"`
		Interval float64 `json:"interval_s"`
	}
	all := make(map[string]collector, len(collectors))
	for name, c := range collectors {
		all[name] = collector{c.Active, c.Interval.Seconds()}
	}
	return View{Value: all, Table: collectorTable(collectors)}
}

func collectorTable(collectors map[string]client.Collector) terminal.Table {
	t := terminal.Table{Noun: "collectors", Head: []string{"COLLECTOR", "ACTIVE", "INTERVAL"}}
	for _, name := range slices.Sorted(maps.Keys(collectors)) {
		active := terminal.Faint.Cell("no")
		if collectors[name].Active {
			active = terminal.Good.Cell("yes")
		}
		t.Row(name, active, fmt.Sprint(collectors[name].Interval.Seconds(), " s"))
	}
	return t
}

func Instances(instances client.NodeInstances, raw json.RawMessage) View {
	t := terminal.Table{Noun: "instances", Head: []string{"INSTANCE", "NODE IS", "STATE", "HYPERVISOR", "OS", "VCPUS", "MEMORY", "DISKS", "ADDRESSES"}}
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
			t.Row(cmp.Or(i.Name, i.UUID), side.role, instanceState(i), cmp.Or(string(i.Hypervisor), "-"), cmp.Or(i.OS, "-"),
				vcpus, memory, len(i.Disks), cmp.Or(strings.Join(ips, " "), "-"))
		}
	}
	var lists [2]json.RawMessage // which the question has checked that it is
	if err := json.Unmarshal(raw, &lists); err != nil {
		return View{Value: raw, Table: t}
	}
	return View{Value: map[string]json.RawMessage{"primary": lists[0], "secondary": lists[1]}, Table: t}
}

func instanceState(i object.Instance) terminal.Cell {
	switch {
	case i.Forthcoming:
		return terminal.Faint.Cell("forthcoming")
	case i.AdminState == object.AdminStateUp:
		return terminal.Good.Cell("up")
	case i.AdminState == "":
		return terminal.Cell{Text: "-"}
	}
	return terminal.Warn.Cell(string(i.AdminState))
}

func Disks(disks []object.Disk, raw json.RawMessage) View {
	t := terminal.Table{Noun: "disks", Head: []string{"DISK", "TYPE", "SIZE", "MODE", "NAME", "UUID", "STORAGE"}}
	for _, d := range disks {
		t.Row(cmp.Or(d.IVName, "-"), cmp.Or(string(d.DevType), "-"), mebibytes(d.Size), cmp.Or(string(d.Mode), "-"),
			cmp.Or(d.Name, "-"), d.UUID, storage(d))
	}
	return View{Value: raw, Table: t}
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

func Milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
