package show

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/roster"
	"gntconfd/gen/object"
	"gntconfd/internal/terminal"
)

// View is an answer in all forms in which it can be shown.
type View struct {
	Value any               // for programs, encoded by encoding/json
	Hosts map[string]string // for programs: names of the addresses in Value
	Table terminal.Table    // for people
	Wide  terminal.Table    // with more columns; without headings there is no wide table
	Names []string          // for scripts; by default the first column of Table
	Err   error             // what is missing in the answer, or nil
}

// Hosts returns the name of the node with a primary IP, or "".
type Hosts func(ip string) string

// Missing is the error that one of several requested things does not exist.
type Missing string

func (m Missing) Error() string { return string(m) }

// Version shows the reply to a ping.
func Version(version int64, _ json.RawMessage) View {
	text := fmt.Sprintf("alive, with a configuration of version %d", version)
	if version == 0 {
		text = "alive, of Ganeti 2.6 or before"
	}
	return View{Value: version, Table: terminal.Listing("lines", text)}
}

// Text shows a text.
func Text(text string, _ json.RawMessage) View {
	return View{Value: text, Table: terminal.Listing("lines", text)}
}

// roleTones are the tones of roles.
var roleTones = map[client.Role]terminal.Tone{
	client.RoleMaster: terminal.Strong, client.RoleCandidate: terminal.Good, client.RoleOffline: terminal.Bad, client.RoleDrained: terminal.Warn,
}

// Role shows a node's role.
func Role(role client.Role, _ json.RawMessage) View {
	t := terminal.Table{Noun: "lines"}
	t.Row(roleTones[role].Cell(role.String()))
	return View{Value: role.String(), Table: t}
}

// Details shows the master and its addresses, what is no address too, as Addresses does.
func Details(_, raw json.RawMessage) View {
	var texts []string
	if json.Unmarshal(raw, &texts) != nil || len(texts) != 3 {
		v := JSON(nil, raw)
		v.Err = Missing("the answer is not a name and two addresses, as from a daemon of Ganeti 2.6")
		return v
	}
	err := tidy(texts[1:], nil)
	t := terminal.Table{Noun: "masters", Head: []string{"NODE", "CLUSTER IP", "PRIMARY IP"}}
	t.Row(texts[0], texts[1], texts[2])
	return View{
		Value: struct {
			Name      string `json:"name"`
			ClusterIP string `json:"cluster_ip"`
			PrimaryIP string `json:"primary_ip"`
		}{texts[0], texts[1], texts[2]},
		Table: t,
		Err:   err,
	}
}

func addrText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// Addresses shows a list of IP addresses. What is none is shown as it is, after the others, and
// named in the view's error: one that is wrong in the configuration hides no other.
func Addresses(_, raw json.RawMessage) View {
	texts, err := addresses(raw, nil)
	return View{Value: texts, Table: terminal.Listing("addresses", texts...), Err: err}
}

// addresses reads a list of IP addresses and sorts it.
func addresses(raw json.RawMessage, hosts Hosts) (texts []string, err error) {
	texts = []string{}
	if json.Unmarshal(raw, &texts) != nil {
		return []string{}, Missing("the answer is no list of texts: " + terminal.Bounded(string(raw)))
	}
	address := func(text string) netip.Addr {
		ip, _ := netip.ParseAddr(text) // the zero address if it is none
		return ip
	}
	slices.SortFunc(texts, func(a, b string) int {
		x, y := address(a), address(b)
		switch {
		case x.IsValid() == y.IsValid():
			return cmp.Or(x.Compare(y), strings.Compare(a, b))
		case x.IsValid():
			return -1
		}
		return 1
	})
	return texts, tidy(texts, hosts)
}

// tidy puts IP addresses into their usual form. The error names what is none, and with hosts
// the nodes that have it.
func tidy(texts []string, hosts Hosts) error {
	var wrong []string
	for i, text := range texts {
		if ip, err := netip.ParseAddr(text); err == nil {
			texts[i] = ip.String()
			continue
		}
		text = fmt.Sprintf("%q", text)
		if hosts != nil {
			text += " of " + cmp.Or(hosts(texts[i]), "an unknown node")
		}
		wrong = append(wrong, text)
	}
	if wrong == nil {
		return nil
	}
	return Missing("not an IP address: " + strings.Join(wrong, ", "))
}

// NodeAddresses shows the primary IPs of nodes, with their names.
func NodeAddresses(hosts Hosts) func(_, raw json.RawMessage) View {
	return func(_, raw json.RawMessage) View {
		texts, err := addresses(raw, hosts)
		v := View{Value: texts, Hosts: make(map[string]string), Table: terminal.Table{Noun: "addresses"}, Err: err}
		for _, text := range texts {
			name := hosts(text)
			if name != "" {
				v.Hosts[text] = name
			}
			v.Table.Row(text, name)
			v.Names = append(v.Names, cmp.Or(name, text))
		}
		return v
	}
}

// Location is the location of the instance with an address.
type Location struct {
	client.Location
	Link string // "" is the cluster's default link
}

// Locations shows the locations of the instances with some addresses.
func Locations(all []Location, hosts Hosts) View {
	type location struct {
		IP     string `json:"ip"`
		Node   string `json:"node,omitempty"`
		Name   string `json:"name,omitempty"`
		Link   string `json:"link,omitempty"`
		Error  string `json:"error,omitempty"`
		Serial int64  `json:"serial"`
	}
	v := View{Table: locationTable(all, hosts)}
	locations := []location{}
	var unknown, wrong []string
	for _, l := range all {
		one := location{IP: l.IP.String(), Node: addrText(l.Node), Link: l.Link, Serial: l.Serial}
		if l.Err != nil {
			one.Error = l.Err.Error()
			if errors.Is(l.Err, client.ErrAnswer) {
				wrong = append(wrong, fmt.Sprintf("the node of %s has none: %v", one.IP, l.Err))
			} else {
				unknown = append(unknown, one.IP)
			}
		} else {
			one.Name = hosts(one.Node)
			v.Names = append(v.Names, cmp.Or(one.Name, one.Node))
		}
		locations = append(locations, one)
	}
	v.Value = locations
	if len(unknown) > 0 {
		wrong = append(wrong, "no instance has the address "+strings.Join(unknown, " or "))
	}
	if len(wrong) > 0 {
		v.Err = Missing(strings.Join(wrong, "; "))
	}
	return v
}

func locationTable(all []Location, hosts Hosts) terminal.Table {
	t := terminal.Table{Noun: "locations", Head: []string{"INSTANCE IP", "NODE IP", "NODE", "LINK", "SERIAL"}, Spare: []string{"SERIAL", "LINK"}}
	for _, l := range all {
		if l.Err != nil {
			t.Row(addrText(l.IP), terminal.Bad.Cell(l.Err.Error()), "-", cmp.Or(l.Link, "-"), "-")
			continue
		}
		t.Row(addrText(l.IP), addrText(l.Node), cmp.Or(hosts(addrText(l.Node)), "-"), cmp.Or(l.Link, "default"), l.Serial)
	}
	return t
}

// Minors shows DRBD minors.
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
	v := View{Value: all, Table: minorTable(minors)}
	v.Names = []string{}
	for _, m := range minors {
		if !slices.Contains(v.Names, m.Instance) {
			v.Names = append(v.Names, m.Instance)
		}
	}
	return v
}

func minorTable(minors []client.Minor) terminal.Table {
	t := terminal.Table{Noun: "minors", Head: []string{"NODE", "MINOR", "INSTANCE", "DISK", "ROLE", "PEER"}, Spare: []string{"NODE"}}
	for _, m := range minors {
		t.Row(m.Node, m.Minor, m.Instance, m.Disk, m.Role, m.Peer)
	}
	return t
}

// Collectors shows data collectors.
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

// instanceHead are the columns that describe an instance, and instanceCells their content.
var instanceHead = []string{"STATE", "VCPUS", "MEMORY", "DISKS", "HYPERVISOR", "OS", "ADDRESSES"}

func instanceCells(i object.Instance) []any {
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
	return []any{instanceState(i), vcpus, memory, len(i.Disks), cmp.Or(string(i.Hypervisor), "-"), cmp.Or(i.OS, "-"),
		cmp.Or(strings.Join(ips, " "), "-")}
}

// wideHead are further columns about an instance, and wideCells their content.
var wideHead = []string{"TAGS", "CHANGED", "UUID"}

func wideCells(i object.Instance) []any {
	changed := "-"
	if i.MTime != 0 {
		changed = Date(i.MTime.Time())
	}
	return []any{cmp.Or(strings.Join(i.Tags, " "), "-"), changed, i.UUID}
}

// instanceSpare are the columns that a narrow terminal omits, in this order.
var instanceSpare = []string{"UUID", "CHANGED", "TAGS", "HYPERVISOR", "OS", "DISKS", "VCPUS", "MEMORY"}

// Instances shows the instances of a node.
func Instances(instances client.NodeInstances, raw json.RawMessage) View {
	head := slices.Concat([]string{"INSTANCE", "NODE IS"}, instanceHead)
	v := View{
		Table: terminal.Table{Noun: "instances", Head: head, Spare: instanceSpare},
		Wide:  terminal.Table{Noun: "instances", Head: slices.Concat(head, wideHead)},
	}
	for _, side := range []struct {
		role      string
		instances []object.Instance
	}{{"primary", instances.Primary}, {"secondary", instances.Secondary}} {
		slices.SortFunc(side.instances, func(a, b object.Instance) int { return roster.Compare(a.Name, b.Name) })
		for _, i := range side.instances {
			cells := slices.Concat([]any{cmp.Or(i.Name, i.UUID), side.role}, instanceCells(i))
			v.Table.Row(cells...)
			v.Wide.Row(slices.Concat(cells, wideCells(i))...)
		}
	}
	var lists [2]json.RawMessage // the question has checked its form
	if err := json.Unmarshal(raw, &lists); err != nil {
		v.Value = raw
		return v
	}
	v.Value = map[string]json.RawMessage{"primary": lists[0], "secondary": lists[1]}
	return v
}

// AllInstances shows the instances of a cluster.
func AllInstances(r *roster.Roster) View {
	type instance struct {
		Name   string          `json:"name"`
		Node   string          `json:"node,omitempty"`
		Config json.RawMessage `json:"config,omitempty"`
	}
	head := slices.Concat([]string{"INSTANCE", "NODE"}, instanceHead)
	v := View{
		Table: terminal.Table{Noun: "instances", Head: head, Spare: instanceSpare},
		Wide:  terminal.Table{Noun: "instances", Head: slices.Concat(head, wideHead)},
	}
	all := []instance{}
	for _, i := range r.Instances {
		all = append(all, instance{i.Name, i.Node, i.JSON})
		cells := slices.Concat([]any{cmp.Or(i.Name, i.UUID), cmp.Or(i.Node, "-")}, instanceCells(i.Instance))
		if i.JSON == nil {
			cells = slices.Concat([]any{i.Name, "-"}, slices.Repeat([]any{"-"}, len(instanceHead)))
		}
		v.Table.Row(cells...)
		v.Wide.Row(slices.Concat(cells, wideCells(i.Instance))...)
	}
	v.Value, v.Err = all, unread(r)
	return v
}

// Nodes shows the primary IPs of all nodes with their names and, in wide tables, what else is
// known about them.
func Nodes(hosts Hosts, nodes func() *roster.Roster) func(_, raw json.RawMessage) View {
	addresses := NodeAddresses(hosts)
	return func(_, raw json.RawMessage) View {
		v := addresses(nil, raw)
		if nodes != nil {
			v.Wide = nodeTable(nodes())
			v.Err = cmp.Or(v.Err, unread(nodes()))
		}
		return v
	}
}

// unread returns an error about what a roster lacks as it could not be read, or nil.
func unread(r *roster.Roster) error {
	if r.Errors == nil {
		return nil
	}
	return Missing(strings.Join(r.Errors, "; "))
}

func nodeTable(r *roster.Roster) terminal.Table {
	t := terminal.Table{
		Noun: "nodes", Head: []string{"NODE", "ROLE", "PRIMARY IP", "SECONDARY IP", "GROUP", "FLAGS", "TAGS", "UUID"},
		Spare: []string{"UUID", "TAGS", "SECONDARY IP", "FLAGS", "GROUP"},
	}
	for _, n := range r.Nodes {
		role := roleTones[n.Role].Cell(n.Role.String())
		if !n.Known {
			if n.PrimaryIP == "" {
				role = terminal.Cell{Text: "-"}
			}
			t.Row(n.Name, role, cmp.Or(n.PrimaryIP, "-"), "-", "-", "-", "-", "-")
			continue
		}
		var flags []string
		for _, flag := range []struct {
			text string
			set  bool
		}{{"drained", n.Drained && n.Role != client.RoleDrained}, {"offline", n.Offline && n.Role != client.RoleOffline},
			{"no master", !n.MasterCapable}, {"no instances", !n.VMCapable}} {
			if flag.set {
				flags = append(flags, flag.text)
			}
		}
		t.Row(n.Name, role, n.PrimaryIP, cmp.Or(n.SecondaryIP, "-"), cmp.Or(r.GroupName(n), "-"),
			cmp.Or(strings.Join(flags, ", "), "-"), cmp.Or(strings.Join(n.Tags, " "), "-"), n.UUID)
	}
	return t
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

// Disks shows the disks of an instance.
func Disks(disks []object.Disk, raw json.RawMessage) View {
	v := View{
		Value: raw,
		Table: terminal.Table{Noun: "disks", Head: []string{"DISK", "NAME", "TYPE", "SIZE", "MODE", "STORAGE"}, Spare: []string{"MODE"}},
		Wide:  terminal.Table{Noun: "disks", Head: []string{"DISK", "NAME", "TYPE", "SIZE", "MODE", "STORAGE", "UUID"}},
	}
	for _, d := range disks {
		cells := []any{cmp.Or(d.IVName, "-"), cmp.Or(d.Name, "-"), cmp.Or(string(d.DevType), "-"), mebibytes(d.Size),
			cmp.Or(string(d.Mode), "-"), storage(d)}
		v.Table.Row(cells...)
		v.Wide.Row(append(cells, d.UUID)...)
	}
	return v
}

// storage returns the location of a disk.
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

// mebibytes formats a size in the largest unit that gives a short number.
func mebibytes(n int64) string {
	size, unit := float64(n), "MiB"
	for _, larger := range []string{"GiB", "TiB"} {
		if size >= 1024 {
			size, unit = size/1024, larger
		}
	}
	return fmt.Sprintf("%.4g %s", size, unit)
}

// Milliseconds formats a duration in milliseconds.
func Milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}

// Zone is the time zone in which times are shown. Set it before anything is shown.
var Zone = time.Local

// Date formats a time.
func Date(t time.Time) string { return t.In(Zone).Format(time.DateTime) }

// Age formats a duration in its one or two largest units.
func Age(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(d, 0)/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
