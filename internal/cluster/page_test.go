package cluster

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"gntconfd/internal/sample"
)

// Objects keep their texts wherever the file is cut when it is read, and those of a
// former snapshot that have not changed are in the same memory again, but for those
// beside one that has.
func TestPages(t *testing.T) {
	var file bytes.Buffer
	if err := sample.Generate(&file, 200, 2000, 1); err != nil {
		t.Fatal(err)
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal(file.Bytes(), &config); err != nil {
		t.Fatal(err)
	}
	var disks map[string]json.RawMessage
	if err := json.Unmarshal(config["disks"], &disks); err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(maps.Keys(disks))

	former := new(Snapshot)
	for _, step := range []struct {
		name   string
		change func(key string)
		keys   []string
		shared int // how many objects' texts have to be where they were
	}{
		{name: "first"},
		{name: "same", shared: len(keys)},
		{name: "changed", change: func(key string) { disks[key] = bytes.Replace(disks[key], []byte("uuid"), []byte("UUID"), 1) },
			keys: keys[1000:1001], shared: len(keys) / 2},
		{name: "gone", change: func(key string) { delete(disks, key) }, keys: keys[100:102], shared: len(keys) / 2},
		{name: "new", change: func(key string) { disks[key] = disks[keys[500]] }, keys: []string{"", "5", "z"}, shared: len(keys) / 2},
		{name: "all gone", change: func(key string) { delete(disks, key) }, keys: append([]string{"", "5", "z"}, keys...)},
	} {
		for _, key := range step.keys {
			step.change(key)
		}
		config["disks"], _ = json.Marshal(disks)
		text, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		next, err := former.Next(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		objects, shared := next.document.objects("disks"), 0
		if len(objects) != len(disks) {
			t.Errorf("%s: %d disks, want %d", step.name, len(objects), len(disks))
		}
		for _, o := range objects {
			if !bytes.Equal(o.raw, disks[o.key]) {
				t.Fatalf("%s: disk %s is %s, want %s", step.name, o.key, o.raw, disks[o.key])
			}
			if i, ok := former.document.containers["disks"].find(o.key); ok {
				if &former.document.objects("disks")[i].raw[0] == &o.raw[0] {
					shared++
				}
			}
		}
		if shared < step.shared {
			t.Errorf("%s: %d texts are in the former snapshot's memory, want %d", step.name, shared, step.shared)
		}
		former = next
	}
}
