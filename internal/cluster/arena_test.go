package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Objects keep their texts wherever the file is cut when it is read, and those of a
// former snapshot that have not changed are in the same memory again, but for those
// in an arena with one that has.
func TestArenas(t *testing.T) {
	networks := make(map[string]json.RawMessage)
	set := func(i int, text string) {
		networks[fmt.Sprintf("key%04d", i)] = fmt.Appendf(nil, `{"name":"%s%d"}`, text, i)
	}
	for i := range 5000 {
		set(2*i, strings.Repeat("x", i%100))
	}
	former := new(Snapshot)
	for _, step := range []struct {
		name   string
		change func()
		shared bool // at least some texts are where they were
	}{
		{"first", func() {}, false},
		{"same", func() {}, true},
		{"one changed", func() { set(4000, "y") }, true},
		{"one longer, one shorter", func() { set(2000, "yyyy"); set(8000, "") }, true},
		{"some gone", func() { delete(networks, "key0000"); delete(networks, "key7000") }, true},
		{"some new", func() { set(1, "z"); set(4001, "z"); set(9999, "z") }, true},
		{"others", func() {
			clear(networks)
			set(5, "only")
		}, false},
		{"none", func() { clear(networks) }, false},
	} {
		step.change()
		text, err := json.Marshal(networks)
		if err != nil {
			t.Fatal(err)
		}
		next, err := Load(t.Context(), strings.NewReader(root(`,"networks":`+string(text))), Options{Former: former})
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		objects, shared := next.document.objects("networks"), 0
		if len(objects) != len(networks) {
			t.Errorf("%s: %d objects, want %d", step.name, len(objects), len(networks))
		}
		for _, o := range objects {
			if !bytes.Equal(o.raw, networks[o.key]) {
				t.Fatalf("%s: %s is %s, want %s", step.name, o.key, o.raw, networks[o.key])
			}
			if i, ok := former.document.containers["networks"].find(o.key); ok {
				if &former.document.objects("networks")[i].raw[0] == &o.raw[0] {
					shared++
				}
			}
		}
		if step.name == "same" && shared < len(objects) || step.shared != (shared > 0) {
			t.Errorf("%s: %d of %d texts are where they were", step.name, shared, len(objects))
		}
		former = next
	}
}
