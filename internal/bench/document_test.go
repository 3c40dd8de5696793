package bench

import (
	"bytes"
	"strings"
	"testing"

	"gntconfd/internal/cluster"
	"gntconfd/internal/sample"
)

// TestDocument: what is written again without a change is the same, and each change makes
// a configuration with so many instances and changed objects, and the next serial number.
func TestDocument(t *testing.T) {
	var config bytes.Buffer
	if err := sample.Generate(&config, 20, 50, 1); err != nil {
		t.Fatal(err)
	}
	d, err := parseDocument(config.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.bytes(), config.Bytes()) {
		t.Fatal("written again it differs")
	}
	changes, err := ParseChanges("one, 1%,10%,100%,added,removed")
	if err != nil {
		t.Fatal(err)
	}
	first, before := load(t, d), load(t, d)
	objects := len(first.Instances) + len(d.member("disks").objects) + len(first.Nodes)
	instances := 50
	var last int64
	for i, change := range changes {
		was := textsOf(d)
		serial, changed, err := d.apply(change)
		if err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		after := load(t, d)
		instances += change.count
		if len(after.Instances) != instances || after.Serial != before.Serial || i > 0 && serial != last+1 {
			t.Errorf("%s: %d instances, serials %d and %d after %d", change.name, len(after.Instances), after.Serial, serial, last)
		}
		if !bytes.Contains(d.bytes(), []byte(`"serial_no":`+string(d.member("serial_no").text))) {
			t.Errorf("%s: not the serial number %d", change.name, serial)
		}
		different := 0
		is := textsOf(d)
		for key, text := range is {
			if was[key] != text {
				different++
			}
		}
		for key := range was {
			if is[key] == "" {
				different++
			}
		}
		want := max(1, int(change.share*float64(objects)))
		if change.count != 0 {
			want = changed // an instance has one disk or two
		}
		if different != changed || changed != want || change.count != 0 && (changed < 2 || changed > 3) {
			t.Errorf("%s: %d objects differ, said to be %d, want %d", change.name, different, changed, want)
		}
		last, before = serial, after
	}
	if names := strings.Count(string(d.bytes()), `"name":"added`); names < 1 {
		t.Error("nothing is added")
	}
}

// load loads what is written.
func load(t *testing.T, d *document) *cluster.Snapshot {
	t.Helper()
	c, err := cluster.Parse(d.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// textsOf returns the texts of all objects that can change.
func textsOf(d *document) map[string]string {
	texts := map[string]string{}
	for _, name := range changing {
		for _, o := range d.member(name).objects {
			texts[o.key] = string(o.text)
		}
	}
	return texts
}

func TestNothingToChange(t *testing.T) {
	var config bytes.Buffer
	if err := sample.Generate(&config, 1, 0, 1); err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{added, removed} {
		d, err := parseDocument(config.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		changes, err := ParseChanges(change)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.apply(changes[0]); err == nil || !strings.Contains(err.Error(), change) {
			t.Errorf("%s: %v", change, err)
		}
	}
	for _, text := range []string{"", "two", "0%", "101%", "x%", "one,"} {
		if _, err := ParseChanges(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
