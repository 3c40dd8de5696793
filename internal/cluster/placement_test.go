package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// placed is a configuration in which keys, UUIDs and references differ: node n3 has the UUID
// u3, by which disks refer to it, and the instances i4 and i5 that of i1 and of none.
const placed = `{"version":3000000,"cluster":{"serial_no":7,"master_node":"n0","master_ip":"192.0.2.254",
"enabled_hypervisors":["kvm"],"nicparams":{"default":{"link":"br0"}}},
"nodes":{
"n0":{"uuid":"n0","serial_no":1,"name":"a.x","primary_ip":"192.0.2.1","master_candidate":true,"offline":false,"drained":false},
"n1":{"uuid":"n1","serial_no":1,"name":"b.x","primary_ip":"192.0.2.2","master_candidate":true,"offline":false,"drained":false},
"n2":{"uuid":"n2","serial_no":1,"name":"c.x","primary_ip":"192.0.2.3","master_candidate":true,"offline":false,"drained":false},
"n3":{"uuid":"u3","serial_no":1,"name":"d.x","primary_ip":"192.0.2.4","master_candidate":true,"offline":false,"drained":false}},
"instances":{
"i0":{"uuid":"i0","serial_no":1,"name":"zero","primary_node":"n1","disks":["d0","d1","d5"],"nics":[{"ip":"10.0.0.1","nicparams":{}}]},
"i1":{"uuid":"i1","serial_no":1,"name":"one","primary_node":"n0","disks":["d2","d3"],"nics":[{"ip":"10.0.0.2","nicparams":{}},{"ip":"10.0.0.9","nicparams":{}}]},
"i2":{"uuid":"i2","serial_no":1,"name":"two","primary_node":"none","disks":[],"nics":[{"ip":"10.0.0.3","nicparams":{}},{"ip":"10.0.0.9","nicparams":{}}]},
"i3":{"uuid":"i3","serial_no":1,"forthcoming":true,"disks":["d4"],"nics":[{"ip":"10.0.0.4","nicparams":{}},{"ip":"10.0.0.2","nicparams":{"link":"br1"}}]},
"i4":{"uuid":"i1","serial_no":1,"name":"four","primary_node":"n2","disks":["d0"],"nics":[{"ip":"10.0.0.5","nicparams":{"link":"br1"}},{"ip":"10.0.0.1","nicparams":{"link":"br1"}},{"ip":"10.0.0.1","nicparams":{"link":"br1"}}]},
"i5":{"uuid":"gone","serial_no":1,"name":"four","primary_node":"n1","disks":["d0"],"nics":[{"ip":"10.0.0.6","nicparams":{"link":"br2"}}]},
"i6":{"uuid":"i6","serial_no":1,"name":"six","primary_node":"n0","disks":["d2","missing"],"nics":[]}},
"disks":{
"d0":{"uuid":"d0","dev_type":"drbd","logical_id":["n1","n0",11000,10,11,"s"]},
"d1":{"uuid":"d1","dev_type":"drbd","logical_id":["n0","n1",11001,12,13,"s"]},
"d2":{"uuid":"d2","dev_type":"drbd","logical_id":["n0","n0",11002,14,15,"s"]},
"d3":{"uuid":"d3","dev_type":"plain","logical_id":["vg","lv"],"children":[{"dev_type":"drbd","logical_id":["n2","u3",11003,16,17,"s"]}]},
"d4":{"uuid":"d4","dev_type":"drbd","logical_id":["n2","n1",11004,18,19,"s"]},
"d5":{"uuid":"d5","dev_type":"drbd","logical_id":["n2","u3",11005,20,21,"s"]}}}`

// Instances are on the nodes that they and their disks refer to.
func TestPlacement(t *testing.T) {
	s := parsed(t, placed)
	for node, want := range map[string]struct {
		primaries, secondaries []int32
	}{
		"n0": {[]int32{1, 6}, []int32{0, 1, 5, 6}}, // of d2 both ends are here, of d0 and d1 one
		"n1": {[]int32{0, 5}, []int32{4}},
		"n2": {[]int32{4}, []int32{0}},
		"n3": {nil, nil},
	} {
		i, _ := s.FindNode(node)
		got := []any{s.PrimaryInstances(&s.Nodes[i]), s.SecondaryInstances(&s.Nodes[i])}
		if diff := cmp.Diff([]any{want.primaries, want.secondaries}, got); diff != "" {
			t.Errorf("instances of %s (-want +got):\n%s", node, diff)
		}
	}
}

// Minors go by the UUIDs of nodes and instances, and of a device with both ends on one node
// the first counts.
func TestMinors(t *testing.T) {
	s := parsed(t, placed)
	for node, want := range map[string]struct {
		minors  []Minor
		unknown int // position of the first with an unknown peer; -1 for none
	}{
		"n0": {[]Minor{
			{11, "zero", 0, 1, "n1", false, 0}, {12, "zero", 1, 1, "n1", false, 0},
			{14, "one", 0, 0, "n0", true, 1},
			// The disks of i4 are those of i1, to which its UUID leads.
			{14, "four", 0, 0, "n0", false, 4},
		}, -1},
		"n1": {[]Minor{{10, "zero", 0, 0, "n0", true, 0}, {13, "zero", 1, 0, "n0", true, 0}, {19, "", 0, 2, "n2", false, 3}}, -1},
		"n2": {[]Minor{
			{20, "zero", 2, -1, "u3", false, 0}, {16, "one", 1, -1, "u3", false, 1}, {18, "", 0, 1, "n1", false, 3}, {16, "four", 1, -1, "u3", true, 4},
		}, 0},
		"n3": {[]Minor{{21, "zero", 2, 2, "n2", false, 0}, {17, "one", 1, 2, "n2", false, 1}, {17, "four", 1, 2, "n2", false, 4}}, -1},
	} {
		i, _ := s.FindNode(node)
		minors, unknown := s.Minors(&s.Nodes[i])
		if diff := cmp.Diff(want.minors, minors, cmp.AllowUnexported(Minor{})); diff != "" {
			t.Errorf("minors of %s (-want +got):\n%s", node, diff)
		}
		if want.unknown < 0 && unknown != nil || want.unknown >= 0 && (unknown == nil || unknown != &minors[want.unknown]) {
			t.Errorf("%s: unknown peer %+v", node, unknown)
		}
	}
	// i0 has three disks and devices, i1 and i4 two of each, i3 one; i5 has none, i6 too few.
	if got := s.placement.devices; got != 6+4+4+2+2 {
		t.Errorf("%d disks and devices", got)
	}
}

// All instances together may have so many disks and devices, and no more.
func TestMostDevices(t *testing.T) {
	s := parsed(t, placed)
	x := indexer{Snapshot: s, ctx: t.Context(), former: new(Snapshot), devices: 5}
	if got, want := x.mostDevices(), 3*(7+6+5); got != want {
		t.Errorf("at most %d devices, want %d", got, want)
	}
	for most, fits := range map[int]bool{18: true, 17: false} {
		if _, err := x.place(s, slices.Values([]int32{0, 1, 2, 3, 4, 5, 6}), most); (err == nil) != fits {
			t.Errorf("at most %d devices: %v", most, err)
		}
	}
}

// An address leads to the name of an instance, and that to the first instance with it; of
// several instances with one address the last has it.
func TestLinks(t *testing.T) {
	s := parsed(t, placed)
	type owners map[string]int // the node by address, -1 for none
	want := map[string]owners{
		"br0": {"10.0.0.1": 1, "10.0.0.2": 0, "10.0.0.3": -1, "10.0.0.4": -1, "10.0.0.9": -1},
		"br1": {"10.0.0.1": 2, "10.0.0.2": -1, "10.0.0.5": 2},
		"br2": {"10.0.0.6": 2}, // i5 has the name of i4
	}
	got := make(map[string]owners)
	for name, link := range s.Links {
		got[name] = make(owners)
		for _, ip := range link.IPs {
			got[name][ip] = -1
			if node, ok := link.Node(ip); ok {
				got[name][ip] = node
			}
		}
		if !slices.IsSorted(link.IPs) {
			t.Errorf("addresses of %s: %v", name, link.IPs)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	only := parsed(t, root(`,"instances":{"i":{"uuid":"i","serial_no":1,"name":"a","nics":[{"ip":"10.0.0.1","nicparams":{"link":"br1"}}]}}`))
	if got := slices.Sorted(maps.Keys(only.Links)); !slices.Equal(got, []string{"br1"}) {
		t.Errorf("links %v", got)
	}
}

// Instances are found by key and name, nameless ones by key alone.
func TestFindInstance(t *testing.T) {
	s := parsed(t, placed)
	for query, want := range map[string]struct {
		index int
		match Match
	}{
		"i0": {0, Found}, "zero": {0, Found}, "i3": {3, Found}, "": {0, NotFound}, "gone": {0, NotFound}, "six": {6, Found}, "four": {5, Found},
	} {
		if i, match := s.FindInstance(query); match != want.match || match == Found && i != want.index {
			t.Errorf("%q: %d, match %d", query, i, match)
		}
	}
	for i, want := range []string{"i0", "i1", "i2", "i3", "i1", "gone", "i6"} {
		if got := s.Instances[i].UUID; got != want {
			t.Errorf("instance %d has the UUID %q, want %q", i, got, want)
		}
	}
}

// A disk that is another kind of device than before makes other secondaries.
func TestDiskChangesItsKind(t *testing.T) {
	const drbd, plain = `"dev_type":"drbd","logical_id":["n1","n0",11000,10,11,"s"]`,
		`"dev_type":"plain","children":[{"dev_type":"drbd","logical_id":["n1","n0",11000,10,11,"s"]}]`
	for _, change := range [][2]string{{drbd, plain}, {plain, drbd}} {
		many := func(disk string) string {
			var instances string
			for _, i := range []string{"i1", "i2", "i3", "i4", "i5"} {
				instances += `,"` + i + `":{"uuid":"` + i + `","serial_no":1,"name":"` + i + `","primary_node":"n1","disks":[]}`
			}
			return root(`,"nodes":{` + node("n0", "a") + `,` + node("n1", "b") + `},"disks":{"d":{"uuid":"d",` + disk + `}},` +
				`"instances":{"i0":{"uuid":"i0","serial_no":1,"name":"i0","primary_node":"n1","disks":["d"]}` + instances + `}`)
		}
		want := parsed(t, many(change[1]))
		got := after(t, parsed(t, many(change[0])), []byte(many(change[1])))
		if diff := cmp.Diff(want.placement, got.placement, cmp.AllowUnexported(placement{}, Minor{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%.20s becomes %.20s: placement (-want +got):\n%s", change[0], change[1], diff)
		}
	}
}

func TestHasHypervisor(t *testing.T) {
	for enabled, want := range map[string]bool{`"kvm"`: false, `"kvm","xen-pvm"`: true, `"xen-pvm","kvm"`: true, ``: false, `"lxc","chroot"`: false} {
		s := parsed(t, `{"version":3000000,"cluster":{"serial_no":7,"master_node":"n1","master_ip":"","enabled_hypervisors":[`+enabled+`]}}`)
		if got := s.HasHypervisor("xen-pvm"); got != want {
			t.Errorf("[%s]: Xen is enabled %v", enabled, got)
		}
	}
}

// As long as no more than a quarter of the instances have moved, the others stay where they
// are.
func TestMovedInstances(t *testing.T) {
	text := func(moved int) string {
		var instances strings.Builder
		for i := range 8 {
			fmt.Fprintf(&instances, `,"i%[1]d":{"uuid":"i%[1]d","serial_no":1,"name":"i%[1]d","primary_node":"n%[2]d"}`, i, max(0, min(1, moved-i)))
		}
		return root(`,"nodes":{` + node("n0", "a") + `,` + node("n1", "b") + `},"instances":{` + instances.String()[1:] + `}`)
	}
	former := parsed(t, text(0))
	for moved, few := range map[int]bool{0: true, 1: true, 2: true, 3: false, 8: false} {
		x := indexer{Snapshot: new(Snapshot), ctx: t.Context(), former: former}
		x.document.ahead = x.ahead
		if err := x.document.load(strings.NewReader(text(moved)), &former.document); err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() error{x.readCluster, x.readNodes, x.readDisks, x.readInstances} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if list, ok := x.movedInstances(); len(list) != moved || ok != few {
			t.Errorf("%d of 8 instances have moved: %v, %v", moved, list, ok)
		}
	}
}
