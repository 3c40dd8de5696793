package fuzz

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-faster/jx"
	"pgregory.net/rapid"

	"gntconfd/internal/cluster/canonical"
	"gntconfd/internal/cluster/classic"
)

// liftAndLoad converts arbitrary bytes as an old configuration twice, which must give the
// same result, and then loads it.
func liftAndLoad(t rapid.TB, data []byte) error {
	loadAndAsk(t, data)
	form := canonical.Of("Config")
	fault := func(err error, _ *jx.Decoder, _ []byte) error { return err }
	lifted, _, err := classic.Lift(context.Background(), data, fault)
	again, _, errAgain := classic.Lift(context.Background(), data, fault)
	if (err == nil) != (errAgain == nil) {
		t.Fatalf("error %v, then %v", err, errAgain)
	}
	if err != nil {
		return err
	}
	one, err := form.Append(nil, lifted)
	if err != nil {
		t.Fatalf("%v in what was lifted: %s", err, lifted)
	}
	other, err := form.Append(nil, again)
	if err != nil {
		t.Fatalf("%v in what was lifted: %s", err, again)
	}
	if want, got := decode(one), decode(other); !equal(want, got) {
		t.Fatalf("lifted twice:\n%s", difference(want, got))
	}
	return nil
}

// older sets the version of a generated configuration to an older release.
func older(t *rapid.T, config any) object {
	doc := config.(object)
	doc["version"] = number(t, "version", 2010000, 2159999)
	return doc
}

// TestOlderConfigurations: what spec/classic.json allows can be converted.
func TestOlderConfigurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := older(t, values("classic.json").Draw(t, "configuration"))
		if err := liftAndLoad(t, encode(doc)); err != nil {
			t.Fatalf("%v\n%s", err, encode(doc))
		}
	})
}

// TestMutatedOlderConfigurations: what the releases wrote, with changes to some values.
func TestMutatedOlderConfigurations(t *testing.T) {
	files, err := filepath.Glob("../spec/vectors/configs/release-2.*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	configs := make([][]byte, len(files))
	for i, file := range files {
		if configs[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		value := decode(rapid.SampledFrom(configs).Draw(t, "configuration"))
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			value = mutate(t, value)
		}
		liftAndLoad(t, encode(value))
	})
}

// FuzzLift converts an older release's configuration file.
func FuzzLift(f *testing.F) {
	cluster := `"cluster":{"uuid":"c","serial_no":7,"master_node":"a","master_ip":"192.0.2.254","enabled_hypervisors":["kvm"],"nicparams":{"default":{"link":"br0"}},` +
		`"volume_group_name":"vg","beparams":{"default":{"memory":128}},"ipolicy":{"min":{"cpu-count":2},"max":{},"std":{}}}`
	for _, config := range []string{
		`{"version":2010000,` + cluster + `,"nodes":{"a":{"name":"a","primary_ip":"192.0.2.1","serial_no":1}},"instances":{"i":{"name":"i","uuid":"ui","serial_no":1,"primary_node":"a",` +
			`"admin_up":true,"beparams":{"memory":1},"nics":[{"bridge":"br1","ip":"10.0.0.1"},{}],"disk_template":"drbd","disks":[{"dev_type":"drbd8","logical_id":["a","b",1,2,3,"s"],` +
			`"physical_id":[1],"children":[{"dev_type":"lvm","logical_id":["vg","lv"]}]},{"dev_type":"file","iv_name":"sda"}]}}}`,
		`{"version":2080000,` + cluster + `,"nodes":{"a":{"name":"a","uuid":"u","primary_ip":"192.0.2.1","serial_no":1,"group":"g"}},"nodegroups":{"g":{"ipolicy":{"max":{"cpu-count":1}}}},` +
			`"networks":{"n":{"name":"lan"}},"instances":{"i":{"name":"i","uuid":"ui","serial_no":1,"primary_node":"a","admin_state":"offline","nics":[{"network":"lan","nicparams":{}}],"disks":[]}}}`,
		`{"version":2130000,` + cluster + `,"nodes":{"u":{"name":"a","uuid":"u","primary_ip":"192.0.2.1","serial_no":1}},"disks":{"d":{"uuid":"d","dev_type":"drbd",` +
			`"logical_id":["u","v",1,2,3,"s"],"children":[{"dev_type":"plain"}]}},"instances":{"ui":{"name":"i","uuid":"ui","serial_no":1,"primary_node":"u","disks":["d","e",{"uuid":"f"}]}}}`,
		`{"version":2159999,"cluster":{},"nodes":null,"instances":null,"disks":null}`,
	} {
		f.Add([]byte(config))
	}
	f.Fuzz(func(t *testing.T, data []byte) { liftAndLoad(t, data) })
}
