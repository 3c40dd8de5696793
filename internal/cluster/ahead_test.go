package cluster

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// What is decoded while the file is being split is what is decoded afterwards, and counts
// only if it is all there as it stands.
func TestAhead(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	instance := func(i int) string {
		return fmt.Sprintf(`"i%03d":{"uuid":"i%03d","name":"x%d","primary_node":"n1","serial_no":1,"disks":["d%03d"]}`, i, i, i, i)
	}
	disk := func(i int) string {
		return fmt.Sprintf(`"d%03d":{"dev_type":"drbd","logical_id":["n1","n2",1,2,3,"s"]}`, i)
	}
	nodes := `,"nodes":{` + node("n1", "a") + `,` + node("n2", "b") + `}`
	object := func(one func(i int) string, from, to int) string {
		var list strings.Builder
		for i := from; i < to; i++ {
			list.WriteString("," + one(i))
		}
		return `{` + list.String()[1:] + `}`
	}
	const many = 3 * patience
	disks, instances := `,"disks":`+object(disk, 0, many), `,"instances":`+object(instance, 0, many)
	end := func(text, more string) string { return strings.TrimSuffix(text, "}") + more + "}" }
	for _, test := range []struct {
		name, text       string
		disks, instances bool
	}{
		{"as Ganeti writes it", nodes + instances + disks, true, true},
		{"sorted", disks + instances + nodes, true, true},
		{"doubled object", nodes + end(instances, ","+instance(many-1)) + disks, true, false},
		{"no order", nodes + end(instances, ","+instance(5)) + disks, true, false},
		{"broken object", nodes + end(instances, `,"j":{"uuid":7}`) + disks, true, false},
		{"doubled container", nodes + `,"disks":` + object(disk, 0, 3) + instances + disks, true, true},
		{"null at the end", nodes + instances + disks + `,"disks":null`, false, true},
	} {
		x := indexer{Snapshot: new(Snapshot), ctx: t.Context(), former: new(Snapshot), crew: newCrew(1)}
		x.document.ahead = x.ahead
		err := x.document.load(strings.NewReader(root(test.text)), &x.former.document)
		x.crew.finish()
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		gotDisks, haveDisks := x.aheadDisks.of(x.document.objects("disks"))
		gotInstances, haveInstances := x.aheadInstances.of(x.document.objects("instances"))
		if haveDisks != test.disks || haveInstances != test.instances {
			t.Errorf("%s: disks are there: %v, instances: %v", test.name, haveDisks, haveInstances)
		}
		want, err := Load(t.Context(), strings.NewReader(root(test.text)), Options{Former: parsed(t, root(``))})
		if err != nil {
			continue
		}
		if haveDisks && !reflect.DeepEqual(gotDisks, want.disks) || haveInstances && !reflect.DeepEqual(gotInstances, want.Instances) {
			t.Errorf("%s: others than those decoded afterwards", test.name)
		}
		if got := parsed(t, root(test.text)); !reflect.DeepEqual(withoutCache(got), withoutCache(want)) {
			t.Errorf("%s: another snapshot as the first", test.name)
		}
	}
}
