package classic_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-faster/jx"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/internal/cluster"
	"gntconfd/internal/cluster/canonical"
	"gntconfd/internal/cluster/classic"
	"gntconfd/internal/testing/specfiles"
)

func TestOlder(t *testing.T) {
	for _, tt := range []struct {
		version    int64
		sshKeyType bool
		want       bool
	}{
		{2_000_000, false, true},
		{2010000, false, true},
		{2060000, false, true},
		{2150001, false, true},
		{2150000, true, false}, // the present layout under an old version
		{2160000, false, false},
		{2160000, true, false},
		{3000000, false, false},
		{3000000, true, false},
		{-1, false, false},
		{0, false, false},
		{1_990_000, false, false},
	} {
		if got := classic.Older(tt.version, tt.sshKeyType); got != tt.want {
			t.Errorf("version %d, ssh_key_type %v: %v", tt.version, tt.sshKeyType, got)
		}
	}
}

// releases returns the configuration of each release line, by line.
func releases(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../../spec/vectors/configs/release-*.json")
	if err != nil || len(files) != 18 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	configs := make(map[string][]byte)
	for _, file := range files {
		config, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		configs[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "release-"), ".json")] = config
	}
	return configs
}

// validate checks a configuration against a schema of the spec.
func validate(t *testing.T, schema string, text []byte) {
	t.Helper()
	if err := specfiles.Schema(t, schema).Validate(decode(t, text)); err != nil {
		t.Errorf("against %s: %v", schema, err)
	}
}

// present returns the canonical text of a configuration in the present layout.
func present(t *testing.T, config []byte) []byte {
	t.Helper()
	text, err := canonical.Of("Config").Append(nil, config)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decode returns a JSON text's value; numbers stay json.Number.
func decode(t *testing.T, text []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// plainFault returns the error of a decoder unchanged.
func plainFault(err error, _ *jx.Decoder, _ []byte) error { return err }

func lift(t *testing.T, config []byte) []byte {
	t.Helper()
	lifted, _, err := classic.Lift(t.Context(), config, plainFault)
	if err != nil {
		t.Fatal(err)
	}
	return lifted
}

// Each release's configuration follows the schema of its layout, and its conversion is complete,
// down to the last member that Ganeti 3.0 requires.
func TestReleasesBySchema(t *testing.T) {
	for line, config := range releases(t) {
		t.Run(line, func(t *testing.T) {
			if slices.Contains([]string{"2.16", "3.0", "3.1"}, line) {
				validate(t, "config.json", config)
				return
			}
			validate(t, "classic.json", config)
			validate(t, "config.json", present(t, lift(t, config)))
		})
	}
}

// Lifting does not change what already has the present layout.
func TestLiftTwice(t *testing.T) {
	for line, config := range releases(t) {
		t.Run(line, func(t *testing.T) {
			once := lift(t, config)
			same(t, present(t, once), present(t, lift(t, once)))
		})
	}
	current := releases(t)["3.0"]
	same(t, present(t, current), present(t, lift(t, current)))
}

// same compares the values of two JSON texts.
func same(t *testing.T, want, got []byte) {
	t.Helper()
	a, b := decode(t, want), decode(t, got)
	if !reflect.DeepEqual(a, b) {
		t.Error(cmp.Diff(a, b))
	}
}

// The clusters of all releases are alike: the same questions get the same answers.
func TestReleasesLoad(t *testing.T) {
	for line, config := range releases(t) {
		t.Run(line, func(t *testing.T) {
			s, err := cluster.Parse(config)
			if err != nil {
				t.Fatal(err)
			}
			var major, minor int64
			fmt.Sscanf(line, "%d.%d", &major, &minor)
			if s.Version != major*1_000_000+minor*10_000 {
				t.Errorf("version %d", s.Version)
			}
			if s.ConfigSerial != 400+11*minor || s.Serial != 21+minor {
				t.Errorf("serial numbers %d and %d", s.ConfigSerial, s.Serial)
			}
			master, match := s.FindNode(s.MasterNode)
			if match != cluster.Found || !strings.HasPrefix(s.Nodes[master].Name, "node1.") {
				t.Errorf("the master is %q", s.MasterNode)
			}
			names := func(indexes []int32) (out []string) {
				for _, i := range indexes {
					name, _, _ := strings.Cut(s.Instances[i].Name, ".")
					if slices.Contains([]string{"web1", "web2", "db1", "db2", "db3", "old"}, name) {
						out = append(out, name)
					}
				}
				slices.Sort(out)
				return out
			}
			for node, want := range map[string]struct {
				primary, secondary []string
				minors             int
			}{
				"node1": {[]string{"web1"}, []string{"db3"}, 3},
				"node2": {[]string{"web2"}, []string{"web1"}, 4},
				"node3": {[]string{"db1", "old"}, []string{"web2"}, 3},
				"node7": {nil, []string{"old"}, 1},
			} {
				i, match := s.FindNode(node)
				if match != cluster.Found {
					t.Fatalf("%s is not found", node)
				}
				if diff := cmp.Diff(want.primary, names(s.PrimaryInstances(&s.Nodes[i]))); diff != "" {
					t.Errorf("instances of %s: %s", node, diff)
				}
				if diff := cmp.Diff(want.secondary, names(s.SecondaryInstances(&s.Nodes[i]))); diff != "" {
					t.Errorf("mirrors on %s: %s", node, diff)
				}
				minors := 0
				of, _ := s.Minors(&s.Nodes[i])
				for _, minor := range of {
					if name := minor.Instance; !strings.HasPrefix(name, "soon.") {
						minors++
					}
				}
				if minors != want.minors {
					t.Errorf("%d minors on %s, want %d", minors, node, want.minors)
				}
			}
			if n, ok := s.Links["br1"].Node("10.0.0.10"); !ok || !strings.HasPrefix(s.Nodes[n].Name, "node1.") {
				t.Errorf("10.0.0.10 on br1 is on node %d, %v", n, ok)
			}
			if s.DefaultLink != "br0" {
				t.Errorf("default link %q", s.DefaultLink)
			}
		})
	}
}

// An older configuration may follow another one, and a present one may follow it.
func TestReleasesFollowEachOther(t *testing.T) {
	configs := releases(t)
	former := new(cluster.Snapshot)
	for _, line := range []string{"2.6", "2.6", "2.13", "2.16", "2.8"} {
		next, err := cluster.Load(t.Context(), bytes.NewReader(configs[line]), cluster.Options{Former: former})
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		alone, err := cluster.Parse(configs[line])
		if err != nil {
			t.Fatal(err)
		}
		for _, container := range []string{"/nodes", "/instances", "/disks"} {
			got, err := next.AppendValue(nil, container, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			want, err := alone.AppendValue(nil, container, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s after %d: %s: %s", line, former.Version, container, diff)
			}
		}
		former = next
	}
}

// older returns an older configuration with a cluster object, and with a test's additions to the
// object and to the whole.
func older(clusterMembers, members string) string {
	return `{"version":2050000,"cluster":{"uuid":"c","serial_no":7,"master_node":"a.example.com","master_ip":"192.0.2.254",` +
		`"enabled_hypervisors":["kvm"]` + clusterMembers + `}` + members + `}`
}

const twoNodes = `,"nodes":{"a.example.com":{"name":"a.example.com","uuid":"ua","primary_ip":"192.0.2.1","serial_no":1},` +
	`"b.example.com":{"name":"b.example.com","uuid":"ub","primary_ip":"192.0.2.2","serial_no":1,"group":"g"}}`

// instance returns an instance that runs on node a.
func instance(members string) string {
	return twoNodes + `,"instances":{"i.example.com":{"name":"i.example.com","uuid":"ui","primary_node":"a.example.com","serial_no":1,"ctime":5` + members + `}}`
}

// at returns the value at a pointer in a loaded configuration.
func at(t *testing.T, config, pointer string) string {
	t.Helper()
	s, err := cluster.Parse([]byte(config))
	if err != nil {
		t.Fatalf("%v\n%s", err, config)
	}
	value, err := s.AppendValue(nil, pointer, 100000)
	if err != nil {
		return err.Error()
	}
	return string(value)
}

func TestLift(t *testing.T) {
	const none = "no such value"
	drbd := `{"dev_type":"drbd8","logical_id":["a.example.com","gone.example.com",11000,0,1,"s"],"size":9,"uuid":"d0",` +
		`"children":[{"dev_type":"lvm","logical_id":["vg","lv"],"size":9,"physical_id":["vg","lv"]}],"iv_name":"sda"}`
	inside := instance(`,"disks":[` + drbd + `,{"dev_type":"lvm","logical_id":["vg","x"],"size":3,"uuid":"d1"},` +
		`{"dev_type":"file","logical_id":["loop","/x"],"size":3,"uuid":"d2"},{"dev_type":"rbd","logical_id":["rbd","x"],"size":3,"uuid":"d3","name":"n"}]`)
	ranges := `"min":{"memory-size":1,"disk-size":2,"disk-count":3,"cpu-count":4},"max":{"memory-size":10,"disk-size":20,"disk-count":30,"cpu-count":40,"nic-count":50}`
	for name, tt := range map[string]struct{ config, pointer, want string }{
		"version":                {older("", ""), "/version", "2050000"},
		"nodes by UUID":          {older("", twoNodes), "/nodes/ub/name", `"b.example.com"`},
		"nodes not by name":      {older("", twoNodes), "/nodes/b.example.com", none},
		"master by UUID":         {older("", twoNodes), "/cluster/master_node", `"ua"`},
		"unknown master":         {older("", ""), "/cluster/master_node", `"a.example.com"`},
		"flags":                  {older("", twoNodes), "/nodes/ua/drained", "false"},
		"no nodes":               {older("", `,"nodes":null`), "/nodes", "{}"},
		"no networks":            {older("", ""), "/networks", "{}"},
		"no filters":             {older("", ""), "/filters", "{}"},
		"the group stays":        {older("", twoNodes), "/nodes/ub/group", `"g"`},
		"groups stay":            {older("", `,"nodegroups":{"g":{"name":"own","uuid":"g"}}`+twoNodes), "/nodegroups/g/alloc_policy", `"preferred"`},
		"no second group":        {older("", `,"nodegroups":{"g":{"name":"own","uuid":"g"}}`+twoNodes), "/nodes/ua/group", `""`},
		"IPv4 netmask":           {older("", ""), "/cluster/master_netmask", "32"},
		"IPv6 netmask":           {older(`,"primary_ip_family":10`, ""), "/cluster/master_netmask", "128"},
		"own netmask":            {older(`,"master_netmask":20`, ""), "/cluster/master_netmask", "20"},
		"nested defaults":        {older("", ""), "/cluster/ipolicy/std/cpu-count", "1"},
		"collectors":             {older(`,"data_collectors":{"lv":{"active":false,"interval":1}}`, ""), "/cluster/data_collectors/lv/active", "false"},
		"more collectors":        {older(`,"data_collectors":{"lv":{"active":false,"interval":1}}`, ""), "/cluster/data_collectors/drbd/interval", "5000000"},
		"default link":           {older(`,"nicparams":{"default":{"link":"br7"}}`, ""), "/cluster/nicparams/default", `{"mode":"bridged","link":"br7","vlan":""}`},
		"cluster memory":         {older(`,"beparams":{"default":{"memory":256}}`, ""), "/cluster/beparams/default/maxmem", "256"},
		"own policy":             {older(`,"ipolicy":{`+ranges+`}`, ""), "/cluster/ipolicy/minmax/0/min/disk-count", "3"},
		"filled policy":          {older(`,"ipolicy":{`+ranges+`}`, ""), "/cluster/ipolicy/minmax/0/min/nic-count", "1"},
		"one range":              {older(`,"ipolicy":{`+ranges+`}`, ""), "/cluster/ipolicy/minmax/1", none},
		"group policy":           {older(`,"ipolicy":{`+ranges+`}`, `,"nodegroups":{"g":{"ipolicy":{"min":{},"max":{"cpu-count":41},"std":{}}}}`), "/nodegroups/g/ipolicy", `{"minmax":[{"min":{"memory-size":1,"disk-size":2,"disk-count":3,"cpu-count":4,"nic-count":1,"spindle-use":1},"max":{"memory-size":10,"disk-size":20,"disk-count":30,"cpu-count":41,"nic-count":50,"spindle-use":12}}]}`},
		"empty policy":           {older(`,"ipolicy":{"minmax":[]}`, ""), "/cluster/ipolicy/minmax", `[]`},
		"group's policy alone":   {older(`,"ipolicy":{"minmax":[]}`, `,"nodegroups":{"g":{"ipolicy":{"min":{"cpu-count":1},"max":{},"std":{}}}}`), "/nodegroups/g/ipolicy", `{}`},
		"no group policy":        {older("", `,"nodegroups":{"g":{"ipolicy":{"min":{},"max":{},"std":{}}}}`), "/nodegroups/g/ipolicy", `{}`},
		"inferred templates":     {older(`,"volume_group_name":"xenvg"`, inside), "/cluster/enabled_disk_templates", `["drbd","file","plain","rbd"]`},
		"diskless template":      {older("", instance("")), "/cluster/enabled_disk_templates", `["diskless"]`},
		"own templates":          {older(`,"enabled_disk_templates":["ext"]`, inside), "/cluster/enabled_disk_templates", `["ext"]`},
		"allowed templates":      {older(`,"enabled_disk_templates":["ext"]`, ""), "/cluster/ipolicy/disk-templates", `["ext"]`},
		"DRBD helper":            {older("", inside), "/cluster/drbd_usermode_helper", `"/bin/true"`},
		"no DRBD helper":         {older("", ""), "/cluster/drbd_usermode_helper", none},
		"instances by UUID":      {older("", instance("")), "/instances/ui/primary_node", `"ua"`},
		"up":                     {older("", instance(`,"admin_up":true`)), "/instances/ui/admin_state", `"up"`},
		"down":                   {older("", instance(`,"admin_up":false`)), "/instances/ui/admin_state", `"down"`},
		"offline":                {older("", instance(`,"admin_state":"offline"`)), "/instances/ui/admin_state", `"offline"`},
		"active disks":           {older("", instance(`,"admin_up":true`)), "/instances/ui/disks_active", "true"},
		"inactive disks":         {older("", instance(`,"admin_state":"offline"`)), "/instances/ui/disks_active", "false"},
		"active disks when down": {older("", instance(`,"admin_state":"down","disks_active":true`)), "/instances/ui/disks_active", "true"},
		"instance memory":        {older("", instance(`,"beparams":{"memory":512,"vcpus":2}`)), "/instances/ui/beparams", `{"minmem":512,"maxmem":512,"vcpus":2}`},
		"no instance memory":     {older("", instance(`,"beparams":{"vcpus":2}`)), "/instances/ui/beparams", `{"vcpus":2}`},
		"no disk template":       {older("", instance(`,"disk_template":"plain"`)), "/instances/ui/disk_template", none},
		"disks by UUID":          {older("", inside), "/instances/ui/disks", `["d0","d1","d2","d3"]`},
		"DRBD nodes":             {older("", inside), "/disks/d0/logical_id", `["ua","gone.example.com",11000,0,1,"s"]`},
		"DRBD with nodes alone":  {older("", `,"disks":{"d":{"uuid":"d","dev_type":"drbd","logical_id":["b.example.com","a.example.com"]}}`+twoNodes), "/disks/d/logical_id", `["ub","ua"]`},
		"renamed kind":           {older("", inside), "/disks/d0/dev_type", `"drbd"`},
		"renamed kind of a part": {older("", inside), "/disks/d0/children/0/dev_type", `"plain"`},
		"no physical id":         {older("", inside), "/disks/d0/children/0/physical_id", none},
		"place of a disk":        {older("", inside), "/disks/d0/iv_name", `"disk/0"`},
		"age of a disk":          {older("", inside), "/disks/d0/ctime", "5"},
		"serial of a part":       {older("", inside), "/disks/d0/children/0/serial_no", "1"},
		"nodes of DRBD":          {older("", inside), "/disks/d0/nodes", `["gone.example.com","ua"]`},
		"nodes of its parts":     {older("", inside), "/disks/d0/children/0/nodes", `["gone.example.com","ua"]`},
		"nodes of a volume":      {older("", inside), "/disks/d1/nodes", `["gone.example.com","ua"]`},
		"nodes of a file":        {older("", inside), "/disks/d2/nodes", `["gone.example.com","ua"]`},
		"nodes of an image":      {older("", inside), "/disks/d3/nodes", `[]`},
		"name of a disk":         {older("", inside), "/disks/d3/name", `"n"`},
		"disks outside stay":     {older("", `,"disks":{"d":{"uuid":"d","dev_type":"plain","logical_id":["vg","x"],"size":3,"nodes":["n"],"serial_no":4}}`), "/disks/d/nodes", `["n"]`},
		"a mixture of disks":     {older("", instance(`,"disks":["d",{"dev_type":"lvm","logical_id":["vg","x"],"size":3,"uuid":"e"}]`)), "/instances/ui/disks", `["d","e"]`},
		"bridge":                 {older("", instance(`,"nics":[{"mac":"m","bridge":"br5"}]`)), "/instances/ui/nics/0/nicparams", `{"mode":"bridged","link":"br5"}`},
		"bridge and link":        {older("", instance(`,"nics":[{"bridge":"br5","nicparams":{"mode":"routed","link":"100"}}]`)), "/instances/ui/nics/0/nicparams", `{"mode":"routed","link":"100"}`},
		"no bridge":              {older("", instance(`,"nics":[{"bridge":null,"nicparams":{}}]`)), "/instances/ui/nics/0/nicparams", `{}`},
		"network by name":        {older("", `,"networks":{"un":{"name":"lan"}}`+instance(`,"nics":[{"network":"lan"}]`)), "/instances/ui/nics/0/network", `"un"`},
		"network by UUID":        {older("", `,"networks":{"un":{"name":"lan"}}`+instance(`,"nics":[{"network":"un"}]`)), "/instances/ui/nics/0/network", `"un"`},
		"no network":             {older("", `,"networks":{"un":{"name":""}}`+instance(`,"nics":[{}]`)), "/instances/ui/nics/0/network", none},
	} {
		if got := at(t, tt.config, tt.pointer); got != tt.want {
			t.Errorf("%s: %s is %s, want %s", name, tt.pointer, got, tt.want)
		}
	}
}

var uuid = regexp.MustCompile(`^"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"$`)

// An object without a UUID gets its own UUID, and the same one every time.
func TestDerivedUUIDs(t *testing.T) {
	bare := `,"nodes":{"a":{"name":"a","primary_ip":"","serial_no":1},"b":{"name":"b","primary_ip":"","serial_no":1}},` +
		`"instances":{"i":{"name":"i","uuid":"ui","serial_no":1,"primary_node":"a","nics":[{},{}],"disks":[` +
		`{"dev_type":"drbd8","logical_id":["a","b",1,2,3,"s"],"children":[{"dev_type":"lvm"},{"dev_type":"lvm"}]},{"dev_type":"lvm"}]}}`
	config := older("", bare)
	seen := make(map[string]string)
	keep := func(what, value string) {
		if !uuid.MatchString(value) {
			t.Errorf("%s is %s", what, value)
		}
		if other, ok := seen[value]; ok {
			t.Errorf("%s has the UUID of %s", what, other)
		}
		seen[value] = what
	}
	for _, pointer := range []string{"/instances/ui/nics/0/uuid", "/instances/ui/nics/1/uuid", "/instances/ui/disks/0", "/instances/ui/disks/1", "/instances/ui/primary_node"} {
		value := at(t, config, pointer)
		keep(pointer, value)
		if again := at(t, config, pointer); again != value {
			t.Errorf("%s is %s, then %s", pointer, value, again)
		}
	}
	disk := "/disks/" + strings.Trim(at(t, config, "/instances/ui/disks/0"), `"`)
	for _, pointer := range []string{disk + "/children/0/uuid", disk + "/children/1/uuid", disk + "/logical_id/1"} {
		keep(pointer, at(t, config, pointer))
	}
	node := strings.Trim(at(t, config, "/instances/ui/primary_node"), `"`)
	group := at(t, config, "/nodes/"+node+"/group")
	keep("group", group)
	if got := at(t, config, "/nodegroups/"+strings.Trim(group, `"`)+"/name"); got != `"default"` {
		t.Errorf("the group is called %s", got)
	}
	keep("the same group of another cluster", at(t, strings.Replace(config, `"uuid":"c"`, `"uuid":"other"`, 1), "/nodes/"+derivedNode(t, config)+"/group"))
	keep("a cluster", at(t, strings.Replace(config, `"uuid":"c",`, ``, 1), "/cluster/uuid"))
}

// derivedNode returns the key of node a in the same configuration of a cluster with another
// UUID.
func derivedNode(t *testing.T, config string) string {
	t.Helper()
	return strings.Trim(at(t, strings.Replace(config, `"uuid":"c"`, `"uuid":"other"`, 1), "/instances/ui/primary_node"), `"`)
}

// A configuration that cannot be converted is refused with the place of the fault.
func TestLiftErrors(t *testing.T) {
	for config, want := range map[string]string{
		older("", `,"nodes":7`):                       `/nodes: unexpected number`,
		older("", `,"nodes":{"a":[]}`):                `/nodes/a: unexpected array`,
		older("", `,"nodes":{"a":{"name":7}}`):        `/nodes/a/name: unexpected number`,
		older("", instance(`,"disks":[7]`)):           `/disks/0: unexpected number`,
		older("", instance(`,"disks":[{"uuid":[]}]`)): `/disks/0/uuid: unexpected array`,
		older("", instance(`,"admin_up":"yes"`)):      `/admin_up: unexpected text`,
		older("", instance(`,"nics":[{"bridge":7}]`)): `/nics/0/bridge: unexpected number`,
		older(`,"master_netmask":"wide"`, ""):         `/cluster/master_netmask: unexpected text`,
		older(`,"ipolicy":{"min":7}`, ""):             `/cluster/ipolicy/min: unexpected number`,
		older("", `,"nodes":{"a":{"name":"a"}}`):      `/nodes/a: key 'primary_ip' not found, object contains only ["name"]`,
	} {
		s, err := cluster.Parse([]byte(config))
		if err == nil || s != nil {
			t.Errorf("%s: loaded", config)
			continue
		}
		if !strings.HasPrefix(err.Error(), "parsing configuration: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q does not tell of %s", config, err, want)
		}
	}
}

// The present layout is loaded unchanged, whatever version it claims.
func TestPresentLayoutUnderAnyVersion(t *testing.T) {
	var config map[string]any
	if err := json.Unmarshal(releases(t)["3.0"], &config); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int{-1, 0, 2010000, 2060000, 2150000, 2160000, 3000000, 3010000, 9999999} {
		config["version"] = version
		// A conversion would give other answers about a disk that is on no node.
		for _, disk := range config["disks"].(map[string]any) {
			delete(disk.(map[string]any), "nodes")
		}
		text, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		s, err := cluster.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if s.Version != int64(version) {
			t.Errorf("version %d has become %d", version, s.Version)
		}
		for _, instance := range s.Instances {
			for _, disk := range instance.Disks {
				if nodes := at(t, string(text), "/disks/"+disk+"/nodes"); nodes != "[]" {
					t.Errorf("version %d: lifted, with nodes %s", version, nodes)
				}
			}
		}
	}
}

// Disks do not multiply the nodes of their instances: converting a file allocates no more than
// for an ordinary file of its size, or refuses it.
func TestLiftPlacesFewNodes(t *testing.T) {
	list := func(n int, item func(i int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return strings.Join(items, ",")
	}
	drbd := func(a, b string) string {
		return fmt.Sprintf(`{"dev_type":"drbd8","size":1,"logical_id":[%q,%q,1,2,3,"s"]}`, a, b)
	}
	config := func(instances, disks string) []byte {
		return []byte(`{"version":2060000,"cluster":{"serial_no":1},"instances":{` + instances + `},"disks":{` + disks + `}}`)
	}
	instance := func(disks string) []byte {
		return config(`"i":{"name":"i","primary_node":"n","disks":[`+disks+`]}`, "")
	}
	// The file with few nodes is compared with the others.
	ordinary := liftAllocates(t, instance(list(1000, func(int) string { return drbd("node1.example.org", "node2.example.org") })), "")
	long := strings.Repeat("n", 50_000)
	for name, text := range map[string][]byte{
		"many nodes":  instance(list(1000, func(i int) string { return drbd(fmt.Sprint("node1.", i), fmt.Sprint("node2.", i)) })),
		"a long name": instance(drbd(long, "n") + "," + list(500, func(int) string { return drbd("n", "m") })),
		"one disk in many instances": config(
			list(500, func(i int) string { return fmt.Sprintf(`"%d":{"name":"%d","disks":["d"]}`, i, i) }),
			`"d":{"dev_type":"file","children":[`+list(500, func(i int) string { return drbd(fmt.Sprint(i), fmt.Sprint("m", i)) })+`]}`),
	} {
		if got, most := liftAllocates(t, text, "/disks: "), 4*ordinary; got > most {
			t.Errorf("%s: %d bytes allocated for %d, at most %d are right", name, got, len(text), most)
		}
	}
}

// liftAllocates returns how many bytes a conversion allocates. If want is not empty, the
// conversion must fail with an error that contains it.
func liftAllocates(t *testing.T, config []byte, want string) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := classic.Lift(t.Context(), config, plainFault)
	runtime.ReadMemStats(&after)
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%.100s: error %.300v, want %q", config, err, want)
	}
	return after.TotalAlloc - before.TotalAlloc
}

// A large file may repeat more texts than a small one.
func TestRoomOfALargeFile(t *testing.T) {
	disk := `,{"dev_type":"plain","logical_id":["vg","lv"],"size":1}`
	node := strings.Repeat("n", 40)
	liftAllocates(t, []byte(`{"version":2060000,"cluster":{"serial_no":1},"instances":{"i":{"name":"i","primary_node":"`+node+`",`+
		`"disks":[`+strings.Repeat(disk, 8000)[1:]+`]}}}`), "")
}
