package answer

import (
	"strings"
	"testing"
)

// odd is a configuration in which keys, UUIDs and references differ: the nodes k4,
// k6 and k7 and the instances i2 and i3 have UUIDs that are not their keys, and d2 has both
// ends on one node.
const odd = `{"version":3000000,"cluster":{"serial_no":7,"master_node":"k1","master_ip":"192.0.2.254",
"enabled_hypervisors":["kvm"],"nicparams":{"default":{"link":"br0"}}},
"nodes":{
"k1":{"uuid":"k1","serial_no":1,"name":"a.x","primary_ip":"192.0.2.1","master_candidate":true,"offline":false,"drained":false},
"k2":{"uuid":"k2","serial_no":2,"name":"b.x","primary_ip":"192.0.2.2","master_candidate":true,"offline":true,"drained":true},
"k3":{"uuid":"k3","serial_no":3,"name":"b.y","primary_ip":"192.0.2.3","master_candidate":true,"offline":true,"drained":false},
"k4":{"uuid":"other","serial_no":4,"name":"c.x","primary_ip":"192.0.2.4","master_candidate":false,"offline":false,"drained":false},
"k5":{"uuid":"k5","serial_no":5,"name":"d.x","primary_ip":"192.0.2.5","master_candidate":false,"offline":false,"drained":false},
"k6":{"uuid":"another","serial_no":6,"name":"e.x","primary_ip":"192.0.2.6","master_candidate":false,"offline":false,"drained":false},
"k7":{"uuid":"k2","serial_no":7,"name":"f.x","primary_ip":"192.0.2.7","master_candidate":false,"offline":false,"drained":false}},
"instances":{
"i1":{"uuid":"i1","serial_no":11,"name":"one.x","primary_node":"k1","disks":["d1","d2"],"nics":[]},
"i2":{"uuid":"gone","serial_no":12,"name":"two.x","primary_node":"k1","disks":["d1"],"nics":[]},
"i3":{"uuid":"i4","serial_no":13,"name":"three.x","primary_node":"k3","disks":["d1"],"nics":[]},
"i4":{"uuid":"i4","serial_no":14,"name":"four.x","primary_node":"k3","disks":["d4"],"nics":[]},
"i5":{"uuid":"i5","serial_no":15,"name":"five.x","primary_node":"other","disks":["d5"],"nics":[]},
"i6":{"uuid":"i6","serial_no":16,"name":"two.y","primary_node":"k5","disks":["none"],"nics":[]}},
"disks":{
"d1":{"uuid":"d1","dev_type":"drbd","logical_id":["k1","k2",11000,0,5,"s"],"size":1,"iv_name":"","children":[]},
"d2":{"uuid":"d2","dev_type":"drbd","logical_id":["k1","k1",11001,2,3,"s"],"size":1,"iv_name":"","children":[]},
"d4":{"uuid":"d4","dev_type":"drbd","logical_id":["k3","nobody",11002,0,1,"s"],"size":1,"iv_name":"","children":[]},
"d5":{"uuid":"d5","dev_type":"drbd","logical_id":["other","k5",11003,7,8,"s"],"size":1,"iv_name":"","children":[]}}}`

const failed = `Failure: prerequisites not met for this operation:\nerror type: ECodeNoEnt, error details:\n`

// Nodes and instances are found by key, name or the beginning of a name, and found again by
// UUID where Ganeti does so.
func TestLookups(t *testing.T) {
	b := load(t, odd)
	for _, test := range []struct{ request, want string }{
		{`"type":1,"query":"a.x"`, `0 0 7`},
		{`"type":1,"query":"k1"`, `0 1 7`},  // the role is master only for the full name
		{`"type":1,"query":"b.x"`, `0 3 7`}, // drained before offline
		{`"type":1,"query":"b.y"`, `0 2 7`}, // offline before candidate
		{`"type":1,"query":"c"`, `0 4 7`},
		{`"type":1,"query":"other"`, `1 "` + failed + `Node name other not found" 0`},
		{`"type":1,"query":"b"`, `1 "` + failed + `Node name b has multiple matches" 0`},
		{`"type":7,"query":"b"`, `1 "OpPrereqError \"Node name b has multiple matches\" ECodeNoEnt" 0`},
		// A device with both ends on one node has one minor there.
		{`"type":7,"query":"a"`, `0 [["a.x",0,"one.x","disk/0","primary","b.x"],["a.x",2,"one.x","disk/1","primary","a.x"]` +
			`] 1`},
		{`"type":7,"query":"b.x"`, `0 [["b.x",5,"one.x","disk/0","secondary","a.x"]] 2`},
		{`"type":7,"query":"d"`, `1 "OpPrereqError \"Node name other not found\" ECodeNoEnt" 0`},
		// Minors are those of the node's UUID, by which the node is then looked up.
		{`"type":7,"query":"c"`, `1 "OpPrereqError \"Node name other not found\" ECodeNoEnt" 0`},
		{`"type":7,"query":"e"`, `0 [] 6`}, // it has none, so it is not looked up
		{`"type":7,"query":"f"`, `0 [["b.x",5,"one.x","disk/0","secondary","a.x"]] 7`},
		{`"type":7,"query":"b.y"`, `1 "OpPrereqError \"Node name nobody not found\" ECodeNoEnt" 0`},
		{`"type":7`, `1 "Invalid query type EmptyQuery" 0`},
		{`"type":8,"query":"b"`, `1 "Node not found in the configuration: OpPrereqError \"Node name b has multiple matches\" ECodeNoEnt" 0`},
		{`"type":8`, `1 "Invalid query type EmptyQuery" 0`},
		{`"type":8,"query":"d"`, `0 [[{i6}],[{i5}]] 5`},
		{`"type":8,"query":"b.x"`, `0 [[],[{i1},{i2}]] 2`},
		{`"type":9,"query":"one"`, `0 [{d1},{d2}] 11`},
		{`"type":9,"query":"two"`, `1 "Instance not found in the configuration: OpPrereqError \"Instance name two has multiple matches\" ECodeNoEnt" 0`},
		{`"type":9,"query":"two.x"`, `1 "Could not retrieve disks: OpPrereqError \"Instance name gone not found\" ECodeNoEnt" 0`},
		{`"type":9,"query":"three"`, `0 [{d4}] 13`}, // the disks of i4, with the serial number of i3
		{`"type":9,"query":"two.y"`, `1 "Could not retrieve disks: OpPrereqError \"Disk uuid none not found\" ECodeNoEnt" 0`},
		{`"type":9`, `1 "Invalid query type EmptyQuery" 0`},
	} {
		if got := brief(t, b, ask(t, b, test.request)); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.request, got, test.want)
		}
	}
}

// brief returns a reply with the key of each object of odd in place of its text.
func brief(t *testing.T, b *Book, reply string) string {
	t.Helper()
	for _, container := range []string{"instances", "disks"} {
		for i := 1; i <= 6; i++ {
			key := container[:1] + string(rune('0'+i))
			if text, err := b.snapshot.AppendValue(nil, "/"+container+"/"+key, 1<<16); err == nil {
				reply = strings.ReplaceAll(reply, string(text), "{"+key+"}")
			}
		}
	}
	return reply
}

// A master that is no node has no role, name or address.
func TestUnknownMaster(t *testing.T) {
	for master, problem := range map[string]string{
		"other": "Node name other not found",
		"b":     "Node name b has multiple matches",
	} {
		b := load(t, strings.Replace(odd, `"master_node":"k1"`, `"master_node":"`+master+`"`, 1))
		for request, want := range map[string]string{
			`"type":1,"query":"a.x"`:     `1 "` + failed + problem + `" 0`,
			`"type":3`:                   `1 "` + failed + problem + `" 0`,
			`"type":3,"query":{"3":[0]}`: `1 "OpPrereqError \"` + problem + `\" ECodeNoEnt" 0`,
			`"type":3,"query":""`:        `1 2 0`,
		} {
			if got := ask(t, b, request); got != want {
				t.Errorf("master %q: %s\n got %s\nwant %s", master, request, got, want)
			}
		}
	}
}

// Without default NIC parameters no link is known, and what needs one gets no reply.
func TestNoDefaultLink(t *testing.T) {
	b := load(t, strings.Replace(odd, `"default":{`, `"other":{`, 1))
	for request, want := range map[string]string{
		`"type":2,"query":{"1":"192.0.2.9"}`:           `silence`,
		`"type":2,"query":{"0":"br0","1":"192.0.2.9"}`: `silence`,
		`"type":2,"query":{"2":["192.0.2.9"]}`:         `silence`,
		`"type":2,"query":{"2":[]}`:                    `0 [] 7`,
		`"type":2`:                                     `1 2 0`,
		`"type":6`:                                     `silence`,
		`"type":6,"query":"br0"`:                       `silence`,
		`"type":6,"query":{}`:                          `1 "Invalid query type" 0`,
	} {
		if got := ask(t, b, request); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

// A collector that the configuration does not mention is active, and that of the instances'
// status is so only with Xen. Intervals are rounded to whole ones, halves to even ones.
func TestCollectors(t *testing.T) {
	for name, test := range map[string]struct {
		hypervisors, collectors string
		want                    map[string]string // others are active, with the usual interval
	}{
		"none, KVM": {`"kvm"`, ``, map[string]string{"inst-status-xen": `{"active":false,"interval":5000000}`}},
		"none, Xen": {`"xen-hvm"`, ``, nil},
		"some, Xen": {`"kvm","xen-pvm"`, `"lv":{"active":false,"interval":2.5},"drbd":{"active":true,"interval":3.5},` +
			`"inst-status-xen":{"active":true,"interval":7.4},"new":{"active":true,"interval":1}`, map[string]string{
			"lv":              `{"active":false,"interval":2}`,
			"drbd":            `{"active":true,"interval":4}`,
			"inst-status-xen": `{"active":true,"interval":7}`,
		}},
		"off, Xen": {`"xen-hvm"`, `"inst-status-xen":{"active":false,"interval":5000000}`,
			map[string]string{"inst-status-xen": `{"active":false,"interval":5000000}`}},
	} {
		b := load(t, strings.Replace(odd, `["kvm"]`, `[`+test.hypervisors+`],"data_collectors":{`+test.collectors+`}`, 1))
		var states []string
		for _, collector := range []string{"cpu-avg-load", "diskstats", "drbd", "inst-status-xen", "lv", "xen-cpu-avg-load"} {
			state, ok := test.want[collector]
			if !ok {
				state = `{"active":true,"interval":5000000}`
			}
			states = append(states, `"`+collector+`":`+state)
		}
		if got, want := ask(t, b, `"type":11`), `0 {`+strings.Join(states, ",")+`} 7`; got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
}
