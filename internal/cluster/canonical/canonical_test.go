package canonical

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"gntconfd/gen/form"
)

// text returns the canonical text of raw, and fails the test when there is none.
func text(t *testing.T, f *Form, raw string) string {
	t.Helper()
	got, err := f.Append(nil, []byte(raw))
	if err != nil {
		t.Fatalf("canonical text of %.80q: %v", raw, err)
	}
	return string(got)
}

type conversion struct{ raw, want string }

func checkConversions(t *testing.T, f *Form, conversions []conversion) {
	t.Helper()
	for _, c := range conversions {
		if got := text(t, f, c.raw); got != c.want {
			t.Errorf("canonical text of %.80q is %.200q, want %.200q", c.raw, got, c.want)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	checkConversions(t, &Form{kind: form.Value}, []conversion{
		{`null`, `null`},
		{` [ true , {"b" : [ ] , "a":{ }, "b":null} , "x  y" ] `, `[true,{"b":[],"a":{},"b":null},"x  y"]`},
		{`0`, `0`}, {`-0`, `0`}, {`0.0`, `0`}, {`-0.0`, `0`}, {`0e5`, `0`},
		{`1.0`, `1`}, {`-1.50e1`, `-15`}, {`12e-1`, `1.2`}, {`10e-1`, `1`},
		{`1e22`, `10000000000000000000000`},
		{`123456789012345678901234567890`, `123456789012345678901234567890`},
		{`100000000000000000000000.5`, `1.0000000000000001e23`},
		{`0.1`, `0.1`}, {`0.09999999`, `9.999999e-2`}, {`0.01`, `1.0e-2`}, {`-0.05`, `-5.0e-2`},
		{`9999999.5`, `9999999.5`}, {`12345678.5`, `1.23456785e7`},
		{`9007199254740992.5`, `9.007199254740992e15`},
		{`5e-324`, `5.0e-324`}, {`1e-400`, `0.0`},
		{`1e1000000000`, `1e1000000000`}, {`1e99999999999999999999`, `1e99999999999999999999`},
		{`1e-99999999999999999999`, `0.0`},
		{`1e61439`, `1` + strings.Repeat("0", 61439)}, {`1e61440`, `1e61440`},
		{`0.01e2`, `1`}, {`9999999.99999999999999999`, `1.0e7`}, {`[0.50, 9.0, 1.0, -3.0]`, `[0.5,9,1,-3]`},
	})
}

func TestStrings(t *testing.T) {
	t.Parallel()
	checkConversions(t, &Form{kind: form.Value}, []conversion{
		{`"\u0041\/\b\f\n\r\t\u0000\u001F\"\\"`, `"A/\u0008\u000c\n\r\t\u0000\u001f\"\\"`},
		{`"\u00e9\u20AC\ud83d\ude00 é"`, `"é€😀 é"`},
		{`"\ud83d"`, `"\ud83d"`}, {`"\ude00\ud83dx"`, `"\ude00\ud83dx"`}, {`"\ud83d\u0041"`, `"\ud83dA"`},
		{`"\udfff\udbff\udc00"`, `"\udfff` + "\U0010fc00" + `"`},
		{`{"\u0061":1}`, `{"a":1}`},
		// What is not UTF-8 is copied.
		{`"\t` + "\xed\xa0" + `"`, `"\t` + "\xed\xa0" + `"`}, {`"\tx` + "\xed" + `"`, `"\tx` + "\xed" + `"`},
	})
}

func TestIntegers(t *testing.T) {
	t.Parallel()
	both := []conversion{
		{`12`, `12`}, {`-0`, `0`}, {`1e2`, `100`}, {`12.0`, `12`},
		{`0.5`, `0`}, {`1.5`, `2`}, {`2.5`, `2`}, {`2.50000001`, `3`}, {`-2.5`, `-2`}, {`-3.5`, `-4`},
		{`0.05`, `0`}, {`0.95`, `1`}, {`99.5`, `100`}, {`9e-100000000000`, `0`},
		{`123456789012345678`, `123456789012345678`}, {`1e1000000000`, `1e1000000000`}, {`0.01e2`, `1`}, {`1e61440`, `1e61440`},
	}
	checkConversions(t, &Form{kind: form.Int64}, append(both,
		conversion{`9223372036854775807`, `9223372036854775807`},
		conversion{`9223372036854775808`, `-9223372036854775808`},
		conversion{`18446744073709551619`, `3`},
		conversion{`-18446744073709551619`, `-3`},
		conversion{`1e30`, `5076944270305263616`},
		conversion{`"12"`, `"12"`},
	))
	checkConversions(t, &Form{kind: form.Integer}, append(both,
		conversion{`18446744073709551619`, `18446744073709551619`},
		conversion{`1e30`, `1000000000000000000000000000000`},
		conversion{`1e61439`, `1` + strings.Repeat("0", 61439)},
	))
}

func TestDoubles(t *testing.T) {
	t.Parallel()
	checkConversions(t, &Form{kind: form.Double}, []conversion{
		{`1`, `1`}, {`32.0`, `32`}, {`4.5`, `4.5`}, {`0.05`, `5.0e-2`}, {`1e-400`, `0`}, {`-0.0`, `0`},
		{`1e23`, `99999999999999991611392`}, {`9007199254740993`, `9007199254740992`},
		{`1e400`, `1` + strings.Repeat("0", 400)},
	})
}

func TestTimes(t *testing.T) {
	t.Parallel()
	checkConversions(t, &Form{kind: form.Time}, []conversion{
		{`0`, `0`}, {`-0.0`, `0`},
		{`1599980000`, `1.5999800000000002e9`},
		{`1600000001.123456`, `1.6000000011234562e9`},
		{`1600000106.25`, `1.6000001062499998e9`},
		{`1600000021`, `1600000021`},
		{`-9007199254740992`, `-9007199254740992`}, {`9007199254740992`, `9007199254740992`},
		{`1.5`, `1.5`}, {`-1.5`, `-1.5`}, {`-0.25`, `-0.25`}, {`-1`, `-1`},
		{`4e-13`, `0`}, {`6e-13`, `1.0e-12`},
		{`9.9e18`, `9900000000000000000`}, {`1e400`, `1` + strings.Repeat("0", 400)},
		{`"now"`, `"now"`},
	})
}

func TestText(t *testing.T) {
	t.Parallel()
	checkConversions(t, &Form{kind: form.Mebibytes}, []conversion{
		{`128`, `128`}, {`1.5`, `2`},
		{`"512"`, `512`}, {`"512m"`, `512`}, {`" 512 MiB"`, `512`}, {`"5 "`, `5`}, {`"-5g"`, `-5120`},
		{`"2GB"`, `2048`}, {`"1t"`, `1048576`}, {`"007"`, `7`},
		{`"5 m "`, `"5 m "`}, {`"1.5g"`, `"1.5g"`}, {`"5k"`, `"5k"`}, {`""`, `""`}, {`"m"`, `"m"`},
		{`null`, `null`},
	})
	checkConversions(t, &Form{kind: form.JobID}, []conversion{
		{`17`, `17`}, {`"17"`, `17`}, {`"017"`, `17`}, {`1e2`, `100`}, {`"x"`, `"x"`}, {`"-1"`, `"-1"`},
	})
	checkConversions(t, &Form{kind: form.IPv4}, []conversion{
		{`"192.0.2.1"`, `"192.0.2.1"`}, {`"05.0.02.256"`, `"5.0.2.0"`},
		{`"1.2.3"`, `"1.2.3"`}, {`"1.2.3.x"`, `"1.2.3.x"`}, {`"1.2.3.4.5"`, `"1.2.3.4.5"`}, {`""`, `""`},
	})
	checkConversions(t, &Form{kind: form.IPv4Network}, []conversion{
		{`"192.0.2.5/28"`, `"192.0.2.5/28"`}, {`"192.0.2.256/028"`, `"192.0.2.0/28"`}, {`"1.2.3.4/256"`, `"1.2.3.4/0"`},
		{`"01.2.3.4/32"`, `"1.2.3.4/32"`}, {`"01.2.3.4/33"`, `"01.2.3.4/33"`}, {`"1.2.3.4"`, `"1.2.3.4"`}, {`"1.2.3/8"`, `"1.2.3/8"`}, {`"1.2.3.4/"`, `"1.2.3.4/"`},
	})
}

func TestSet(t *testing.T) {
	t.Parallel()
	checkConversions(t, &Form{kind: form.Set}, []conversion{
		{`[]`, `[]`}, {`["b","a","b"]`, `["a","b"]`},
		{`["\u0062","b","a\"","a\\","a]","a","~","é"]`, `["a","a\"","a\\","a]","b","~","é"]`},
		{`["b", 1.0, "a"]`, `["b",1,"a"]`},
	})
}

func TestTuple(t *testing.T) {
	t.Parallel()
	checkConversions(t, &Form{kind: form.Tuple, tuple: []*Form{{kind: form.JobID}, {kind: form.Mebibytes}}}, []conversion{
		{`[]`, `[]`}, {`["17"]`, `[17]`}, {`["17", "1g"]`, `[17,1024]`}, {`["17", "1g", "1g", 1.0]`, `[17,1024,"1g",1]`},
		{`{"a":1.0}`, `{"a":1}`},
	})
}

func TestFilter(t *testing.T) {
	t.Parallel()
	checkConversions(t, Of("FilterExpression"), []conversion{
		{`null`, `null`}, {`[]`, `[]`}, {`["|"]`, `["|"]`},
		{`["=", "a", 1.0]`, `["==","a",1]`},
		{`["!=", "a", "\/"]`, `["!",["==","a","/"]]`},
		{`["&", ["=","a","b"], ["!", ["|", null, ["!=","a",2]]]]`, `["&",["==","a","b"],["!",["|",null,["!",["==","a",2]]]]]`},
		{`["?", "!="]`, `["?","!="]`}, {`["==", "=", "!="]`, `["==","=","!="]`}, {`["=", "a"]`, `["=","a"]`},
		{`[["=","a","b"]]`, `[["=","a","b"]]`},
	})
}

func TestObjects(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, definition, raw, want string }{
		{"nulls of a NIC", "NIC",
			`{"mac":"m","ip":null,"network":null,"nicparams":{"link":null,"mode":"pool"},"uuid":"u"}`,
			`{"mac":"m","nicparams":{"mode":"pool"},"uuid":"u"}`},
		{"unknown members", "NIC",
			`{"mac":"m","new":{"a":[1]},"nicparams":{"new":1},"uuid":"u"}`,
			`{"mac":"m","nicparams":{},"uuid":"u"}`},
		{"required members missing or null", "NIC", `{"uuid":null}`, `{"uuid":null}`},
		{"wrong kinds", "NIC", `{"mac":[1.0],"ip":5e0,"nicparams":"x","uuid":{}}`, `{"mac":[1],"ip":5,"nicparams":"x","uuid":{}}`},
		{"doubled members", "NIC", `{"ip":"a","\u0069p":"b","network":"n","network":null}`, `{"ip":"b"}`},
		{"not an object", "NIC", `[1.0]`, `[1]`},
		{"defaults", "Disk",
			`{"uuid":"u","serial_no":1,"size":2.5,"dev_type":"plain","logical_id":["vg","lv"],"mode":null,"children":null}`,
			`{"logical_id":["vg","lv"],"dev_type":"plain","children":[],"nodes":[],"iv_name":"","size":2,"mode":"rw","uuid":"u","serial_no":1,"ctime":0,"mtime":0}`},
		{"children", "Disk",
			`{"dev_type":"drbd","logical_id":["a","b",1.0,2,3,"s"],"children":[{"uuid":"c"}],"nodes":["n"],"iv_name":"i","mode":"ro","ctime":1,"mtime":2}`,
			`{"logical_id":["a","b",1,2,3,"s"],"dev_type":"drbd","children":[{"children":[],"nodes":[],"iv_name":"","mode":"rw","uuid":"c","ctime":0,"mtime":0}],"nodes":["n"],"iv_name":"i","mode":"ro","ctime":1,"mtime":2}`},
		{"half an identity", "Disk",
			`{"dev_type":"plain","logical_id":null,"children":[],"nodes":[],"iv_name":"","mode":"rw","ctime":1,"mtime":1,"forthcoming":true}`,
			`{"forthcoming":true,"children":[],"nodes":[],"iv_name":"","mode":"rw","ctime":1,"mtime":1}`},
		{"not forthcoming", "Disk",
			`{"children":[],"nodes":[],"iv_name":"","mode":"rw","ctime":1,"mtime":1,"forthcoming":"yes"}`,
			`{"children":[],"nodes":[],"iv_name":"","mode":"rw","ctime":1,"mtime":1}`},
		{"bare instance", "Instance",
			`{"uuid":"u","serial_no":8,"forthcoming":true,"name":null,"beparams":null}`,
			`{"forthcoming":true,"hvparams":{},"beparams":{},"osparams":{},"osparams_private":{},"nics":[],"disks":[],"ctime":0,"mtime":0,"uuid":"u","serial_no":8,"tags":[]}`},
		{"parameters", "Instance",
			`{"hvparams":{"a":null,"b":1.0},"beparams":{"minmem":null,"maxmem":"1g","vcpus":2.5},"osparams":{"a":"b"},"osparams_private":{},"nics":[],"disks":["d","d"],"ctime":0,"mtime":0,"tags":["b","a"]}`,
			`{"hvparams":{"a":null,"b":1},"beparams":{"maxmem":1024,"vcpus":2},"osparams":{"a":"b"},"osparams_private":{},"nics":[],"disks":["d","d"],"ctime":0,"mtime":0,"tags":["a","b"]}`},
		{"empty state", "Node",
			`{"ndparams":{"cpu_speed":1.0},"hv_state_static":{},"disk_state_static":null,"ctime":0,"mtime":0,"tags":[]}`,
			`{"ndparams":{"cpu_speed":1},"ctime":0,"mtime":0,"tags":[]}`},
		{"state", "Node",
			`{"hv_state_static":{"kvm":null},"ctime":0,"mtime":0,"tags":[]}`,
			`{"hv_state_static":{"kvm":null},"ctime":0,"mtime":0,"tags":[]}`},
		{"root without containers", "Config",
			`{"version":3000000,"serial_no":7,"mtime":null}`,
			`{"version":3000000,"ctime":0,"mtime":0,"serial_no":7}`},
		{"map", "ClusterData", `{"a":{"active":true,"interval":2.5},"b":{"interval":1e20,"x":1}}`,
			`{"a":{"active":true,"interval":2},"b":{"interval":100000000000000000000}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			form := Of("Cluster").Member("data_collectors")
			if test.definition != "ClusterData" {
				form = Of(test.definition)
			}
			checkConversions(t, form, []conversion{
				{test.raw, test.want},
				{test.want, test.want},
			})
		})
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	root := Of("Config")
	if got, want := root.Member("disks").Elem(), Of("Disk"); got != want {
		t.Errorf("the disks' form is %p, want that of a disk, %p", got, want)
	}
	for _, name := range []string{"cluster", "version", "no such member"} {
		if root.Member(name).Elem() != nil {
			t.Errorf("%s is a map from keys to objects", name)
		}
	}
	if got := Of("Cluster").Member("osparams").Elem(); got != nil {
		t.Error("a map of maps is a map from keys to objects")
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for an unknown definition")
		}
	}()
	Of("NoSuchThing")
}

// The forms of older objects keep what they do not know and add what is missing,
// with all that belongs to it.
func TestClassicForms(t *testing.T) {
	t.Parallel()
	forms := newForms(form.Table{
		Forms: []form.Form{
			{},
			{Kind: form.Object, Open: true, Members: []form.Member{
				{Name: "b", Form: 2, Default: "{}", Needs: -1}, {Name: "c", Form: 2, Needs: -1}}},
			{Kind: form.Object, Open: true, Members: []form.Member{{Name: "d", Form: 3, Default: "{}", Needs: -1}}},
			{Kind: form.Object, Members: []form.Member{{Name: "e", Default: "1.50", Needs: -1}}},
		},
		Definitions: map[string]int{"A": 1},
	})
	checkConversions(t, forms.of("A"), []conversion{
		{`{}`, `{"b":{"d":{"e":1.5}}}`},
		{` { "x" : [ 1.0 ] , "b" : { "y" : 2 } } `, `{"x":[ 1.0 ],"b":{"y":2,"d":{"e":1.5}}}`},
		{`{"b":{"d":{"y":2}}}`, `{"b":{"d":{"e":1.5}}}`},
		{`{"c":"text"}`, `{"b":{"d":{"e":1.5}},"c":"text"}`},
		{`{"c":{"d":{}}}`, `{"b":{"d":{"e":1.5}},"c":{"d":{"e":1.5}}}`},
	})
	needy := newForms(form.Table{
		Forms: []form.Form{{}, {Kind: form.Object, Members: []form.Member{
			{Name: "a", Needs: -1}, {Name: "b", Needs: 0}, {Name: "c", Needs: 1}}}},
		Definitions: map[string]int{"A": 1},
	})
	checkConversions(t, needy.of("A"), []conversion{
		{`{"a":1,"b":2,"c":3}`, `{"a":1,"b":2,"c":3}`}, {`{"b":2}`, `{}`}, {`{"a":null,"b":2}`, `{"a":null}`},
		{`{"a":1,"c":3}`, `{"a":1}`}, {`{"b":2,"c":3}`, `{"c":3}`},
	})
	checkConversions(t, Classic("NICParams"), []conversion{
		{`{"link":"br0","new":null}`, `{"new":null,"mode":"bridged","link":"br0","vlan":""}`},
	})
}

func TestBrokenJSON(t *testing.T) {
	t.Parallel()
	form := Of("Instance")
	for _, raw := range []string{``, ` `, `{`, `{"a":1`, `{"a" 1}`, `[1,]`, `{} {}`, `{}x`, `01`, `1.`, `tru`, `"a`, `"\x"`, `"\u12"`, "\"\x01\"", `nul`} {
		got, err := form.Append([]byte("dst"), []byte(raw))
		if err == nil || string(got) != "dst" {
			t.Errorf("%q makes %q and the error %v", raw, got, err)
		}
	}
}

// FuzzAppend checks that any JSON at all makes JSON, and nothing else does.
func FuzzAppend(f *testing.F) {
	for _, raw := range []string{
		`{"name":"a","nics":[{"ip":"1.2.3.4","nicparams":{}}],"hvparams":{"a":1.0,"a":[null]},"beparams":{"minmem":"1g"},"tags":["b","a"]}`,
		`{"children":[{"logical_id":["a","b",1e3,2,3,"s"],"dev_type":"drbd"}],"forthcoming":true,"ctime":-1.5e-3}`,
		`{"predicates":[["jobid",["!=","id",1]]],"watermark":"7","network":"1.2.3.4/5"}`,
		`"\ud83d\u0041" {}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for name := range form.Config.Definitions {
			got, err := Of(name).Append(nil, raw)
			if err == nil && !json.Valid(raw) {
				t.Errorf("%s: %q is not JSON and makes %q", name, raw, got)
			}
			if err == nil && !json.Valid(got) {
				t.Errorf("%s: %q makes %q, which is not JSON", name, raw, got)
			}
		}
	})
}

const instance = `{"name": "inst1.example.com", "primary_node": "e4355950-d491-54fc-b6aa-92705856cb20", "os": "debootstrap+default", "hypervisor": "kvm", "admin_state": "up", "admin_state_source": "admin", "disks_active": true, "uuid": "efb0a6d3-3789-521c-a79c-1019d7a0bd7e", "serial_no": 42, "hvparams": {"acpi": true, "kernel_path": "/boot/vmlinuz", "migration_downtime": 30.5}, "beparams": {"minmem": 128, "maxmem": 1024, "vcpus": 2, "auto_balance": false}, "osparams": {"dhcp": "no", "filesystem": "ext4"}, "osparams_private": {}, "nics": [{"mac": "aa:00:00:00:00:01", "nicparams": {"mode": "bridged", "link": "br0", "vlan": ".100"}, "uuid": "5eac894f-aa79-5e13-b910-0c1cf8ce6b3a", "ip": "203.0.113.10", "network": "e593c437-b6aa-58a6-8b8d-661478aeb5c8", "name": "eth0"}, {"mac": "aa:00:00:00:00:02", "nicparams": {"link": "br1"}, "uuid": "be161cbf-cebd-5cc9-bf18-539e9b317115", "ip": "203.0.113.9"}], "disks": ["7fb99d4c-8205-5f99-8c28-4d5498b6923d", "e59739a3-df30-5786-8ab7-4b3794280cc3"], "network_port": 11010, "ctime": 1600000020.5, "mtime": 1600000021, "tags": ["web", "db"]}`

func BenchmarkAppendInstance(b *testing.B) {
	form, raw := Of("Instance"), []byte(instance)
	var dst []byte
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = form.Append(dst[:0], raw); err != nil {
			b.Fatal(err)
		}
	}
}

// Defaults do not multiply a text: what they would is refused before it is made.
func TestDefaultsDoNotMultiply(t *testing.T) {
	text := []byte(`{"children":[{}` + strings.Repeat(`,{}`, 100_000) + `]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := Of("Disk").Append([]byte("x"), text)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLarge) || string(got) != "x" {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 32*uint64(len(text)) {
		t.Errorf("%d bytes allocated for %d", took, len(text))
	}
}

// A value may become a few times as long as its text, whatever stands before it.
func TestRoom(t *testing.T) {
	t.Parallel()
	value := &Form{kind: form.Value}
	before := strings.Repeat("x", 3*maxDigits)
	for raw, fits := range map[string]bool{
		`[1e61439]`: true,
		// With the brackets and the comma there is room for 54 digits beside the first number.
		`[1e61439,1e53]`: true,
		`[1e61439,1e54]`: false,
		`[1` + strings.Repeat(`,1e10`, 4_000) + `]`:          true,
		`[1` + strings.Repeat(`,1e60`, 4_000) + `]`:          false,
		`{"a":1e61439,"b":"` + strings.Repeat("b", 9) + `"}`: true,
	} {
		got, err := value.Append([]byte(before), []byte(raw))
		if (err == nil) != fits || err != nil && (!errors.Is(err, ErrTooLarge) || string(got) != before) {
			t.Errorf("%.30s: %d bytes, error %v", raw, len(got)-len(before), err)
		}
	}
}

// The error about a value that is too large names the member that is, if one alone is.
func TestPlaced(t *testing.T) {
	t.Parallel()
	children := `[{}` + strings.Repeat(`,{}`, 5_000) + `]`
	disk := `{"children":` + children + `}`
	for name, test := range map[string]struct {
		form      *Form
		raw, want string
	}{
		"member":           {Of("Disk"), ` {"uuid":"u","children":` + children + `}`, "/children: "},
		"unknown member":   {Of("Disk"), `{"x":` + children + `,"children":` + children + `}`, "/children: "},
		"object of a map":  {Of("Config").Member("disks"), `{"a":{},"d/1":` + disk + `}`, "/d~11: "},
		"map in an object": {Of("Config"), `{"version":1,"disks":{"a":{},"d/1":` + disk + `}}`, "/disks/d~11: "},
		"no object alone":  {Of("Config"), `{"networks":{"a":{"ctime":1e61000},"b":{"ctime":1e61000}}}`, "/networks: "},
		"none of the root": {Of("Config"), `{"ctime":1e61000,"mtime":1e61000}`, ""},
	} {
		_, err := test.form.Append(nil, []byte(test.raw))
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: error %v", name, err)
			continue
		}
		placed := test.form.Placed([]byte(test.raw), err)
		if !errors.Is(placed, ErrTooLarge) || placed.Error() != test.want+ErrTooLarge.Error() {
			t.Errorf("%s: %v, want it at %q", name, placed, test.want)
		}
	}
	other := errors.New("another error")
	if got := Of("Disk").Placed([]byte(disk), other); got != other {
		t.Errorf("another error becomes %v", got)
	}
}
