package cluster

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gntconfd/internal/sample"
)

// large is a configuration of some hundred objects.
func large(t *testing.T) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := sample.Generate(&text, 20, 300, 1); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func after(t *testing.T, former *Snapshot, text []byte) *Snapshot {
	t.Helper()
	s, err := Load(t.Context(), bytes.NewReader(text), Options{Former: former})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What stands in the file as it stood before is not looked into: were it, this would be
// refused, as in the former snapshot it has been made invalid.
func TestKnownObjectsAreNotLookedInto(t *testing.T) {
	text := large(t)
	const valid, invalid = `"serial_no":`, `"serial_no"?`
	former := parsed(t, string(text))
	spoiled := 0
	for _, c := range former.document.containers {
		for i, o := range c.objects {
			if i == 7 {
				continue // this one changes
			}
			spoiled += bytes.Count(o.raw(), []byte(valid))
			copy(o.raw(), bytes.ReplaceAll(o.raw(), []byte(valid), []byte(invalid)))
		}
	}
	if spoiled < 500 {
		t.Fatalf("only %d objects are invalid", spoiled)
	}
	var changed []byte
	for _, name := range []string{"nodes", "nodegroups", "instances", "networks", "disks", "filters"} {
		var object strings.Builder
		for i, o := range former.document.objects(name) {
			raw := o.raw()
			if i == 7 {
				raw = bytes.Replace(raw, []byte(valid), []byte(valid+"1"), 1)
			}
			fmt.Fprintf(&object, ` ,%q : %s`, o.key, raw)
		}
		changed = fmt.Appendf(changed, `,"%s":{%s}`, name, strings.TrimPrefix(object.String(), " ,"))
	}
	after(t, former, []byte(root(string(changed))))
}

// What does not depend on the one object that has changed is that of the former snapshot,
// and little is allocated.
func TestChangesCostTheirSize(t *testing.T) {
	text := large(t)
	former := parsed(t, string(text))
	instance := bumped(text, []byte(`"instances":{`), 1)
	next := after(t, former, instance)
	for name, c := range next.document.containers {
		if same := c == former.document.containers[name]; same != (name != "instances") {
			t.Errorf("%s: the same container is %v", name, same)
		}
	}
	changed := 0
	for i := range next.Instances {
		if next.Instances[i] != former.Instances[i] {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d instances were read, want 1", changed)
	}
	if !sameList(next.Nodes, former.Nodes) || !sameList(next.disks, former.disks) ||
		!sameList(next.instanceNames.sorted, former.instanceNames.sorted) || !sameList(next.placement.nodes, former.placement.nodes) {
		t.Error("nodes, disks, names or placement were made again")
	}
	for name := range former.Links {
		if next.Links[name] != former.Links[name] {
			t.Errorf("link %s was made again", name)
		}
	}

	// Of an instance that moves, the nodes that it leaves and comes to have other lists.
	moved := after(t, former, moved(text))
	others := 0
	for node, list := range moved.placement.primaries {
		if !sameList(list, former.placement.primaries[node]) {
			others++
		}
	}
	if others != 2 {
		t.Errorf("%d nodes have other instances, want 2", others)
	}
	for name, link := range former.Links {
		if !sameList(moved.Links[name].IPs, link.IPs) {
			t.Errorf("the addresses of link %s were made again", name)
		}
	}

	allocations := func(text []byte) float64 {
		return testing.AllocsPerRun(5, func() {
			if _, err := Load(t.Context(), bytes.NewReader(text), Options{Former: former}); err != nil {
				t.Fatal(err)
			}
		})
	}
	none, one := allocations(text), allocations(instance)
	if one > none+40 {
		t.Errorf("%.0f allocations for one changed instance, %.0f for none", one, none)
	}
	var small bytes.Buffer
	if err := sample.Generate(&small, 20, 30, 1); err != nil {
		t.Fatal(err)
	}
	former = parsed(t, small.String())
	if few := allocations(small.Bytes()); none > few+40 {
		t.Errorf("%.0f allocations where nothing changes in a large file, %.0f in a small one", none, few)
	}
}

// A file that holds too much is refused with the same words whatever was loaded before.
func TestCrowdsAfterOthers(t *testing.T) {
	objects := func(n int, text string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":%s`, i, text)
		}
		return b.String()[1:]
	}
	for _, value := range []string{`{}`, `{"a":[` + strings.TrimPrefix(strings.Repeat(`,""`, 200), ",") + `]}`} {
		former := parsed(t, root(`,"filters":{`+objects(300, value)+`}`))
		text := root(`,"filters":{` + objects(6000, value) + `}`)
		_, want := Parse([]byte(text))
		_, got := Load(t.Context(), strings.NewReader(text), Options{Former: former})
		if want == nil || got == nil || got.Error() != want.Error() || !strings.Contains(got.Error(), "up to here there are more than") {
			t.Errorf("%.20s: %v after another, %v as the first", value, got, want)
		}
	}
	for name, test := range strange() {
		_, err := Load(t.Context(), strings.NewReader(test.text), Options{Former: parsed(t, string(large(t)))})
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", name, err, test.err)
		}
	}
}
