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
			if !bytes.Equal(o.raw(), networks[o.key]) {
				t.Fatalf("%s: %s is %s, want %s", step.name, o.key, o.raw(), networks[o.key])
			}
			if i, ok := former.document.containers["networks"].find(o.key); ok {
				if former.document.objects("networks")[i].samePlace(&o) {
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

// A changed object has few others copied, and yet the memory that texts are in stays
// little more than the texts, and in few pieces, however many writes there are.
func TestArenasCopyLittleAndWasteLittle(t *testing.T) {
	const objects, writes, each = 4000, 60, 40
	texts := make([]string, objects)
	set := func(i, write int) {
		texts[i] = fmt.Sprintf(`{"name":"%d","x":"%s"}`, write, strings.Repeat("x", i%300))
	}
	for i := range texts {
		set(i, 0)
	}
	load := func(former *Snapshot) *Snapshot {
		var networks strings.Builder
		for i, text := range texts {
			fmt.Fprintf(&networks, `,"key%04d":%s`, i, text)
		}
		s, err := Load(t.Context(), strings.NewReader(root(`,"networks":{`+networks.String()[1:]+`}`)), Options{Former: former})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pieces := func(s *Snapshot) map[*[]byte]bool {
		all := make(map[*[]byte]bool)
		for _, o := range s.document.objects("networks") {
			all[o.piece] = true
		}
		return all
	}
	former, copied, changed := load(nil), 0, 0
	for write := range writes {
		for i := range each {
			at := (write*7919 + i*objects/each) % objects
			set(at, write+1)
			changed += len(texts[at])
		}
		next := load(former)
		before, size := pieces(former), 0
		for _, text := range texts {
			size += len(text)
		}
		held := 0
		for piece := range pieces(next) {
			if held += len(*piece); !before[piece] {
				copied += len(*piece)
			}
		}
		if n := len(pieces(next)); held > size+size/arenaWaste || n > objects/4 {
			t.Errorf("after %d writes: %d bytes in %d pieces for texts of %d bytes", write+1, held, n, size)
		}
		former = next
	}
	if copied > 15*changed {
		t.Errorf("%d bytes were copied for %d new ones", copied, changed)
	}
}
