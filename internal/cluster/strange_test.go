package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"gntconfd/gen/wire"
	"gntconfd/internal/sample"
)

// strange has files that are meant to cost much to load, by name, and what the error says
// of those that are refused.
func strange() map[string]struct{ text, err string } {
	list := func(n int, item func(i int) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(item(i))
		}
		return b.String()
	}
	instance := func(key, members string) string {
		return fmt.Sprintf(`%q:{"uuid":%q,"serial_no":1,"name":"n%s","primary_node":"n1"%s}`, key, key, key, members)
	}
	drbd := func(i int) string {
		return fmt.Sprintf(`{"dev_type":"drbd","logical_id":["n1","n%d",1,%d,%d,"s"]}`, i, i, i)
	}
	always := func(text string) func(int) string { return func(int) string { return text } }
	return map[string]struct{ text, err string }{
		"large exponents": {text: root(`,"instances":{` + instance("i", `,"x":[`+list(10_000, always("1.5e61439"))+`]`) + `}`)},
		"large exponents in times": {text: root(`,"instances":{` + list(500, func(i int) string {
			return instance(fmt.Sprint(i), `,"ctime":1.5e300,"mtime":2e61000,"beparams":{"maxmem":1e61000,"vcpus":9e60000}`)
		}) + `}`)},
		"large exponents at the root":    {text: root(`,"x":[` + list(10_000, always("1.5e61439")) + `]`)},
		"large exponents of the cluster": {strings.Replace(root(""), `"serial_no"`, `"tags":[`+list(10_000, always("1.5e61439"))+`],"serial_no"`, 1), "/cluster: too large"},
		"long numbers":                   {text: root(`,"instances":{` + instance("i", `,"x":[`+list(20, always(strings.Repeat("9", 60_000)+".5"))+`]`) + `}`)},
		"a disk many times": {root(`,"instances":{` + instance("i", `,"disks":[`+list(20_000, always(`"d"`))+`]`) +
			`},"disks":{"d":{"children":[` + list(1_000, drbd) + `]}}`), "/instances/i: "},
		"instances with one uuid": {root(`,"instances":{"0":{"uuid":"0","serial_no":1,"name":"a","disks":[` + list(5_000, always(`"d"`)) + `]},` + list(5_000, func(i int) string {
			return fmt.Sprintf(`"%d":{"uuid":"0","serial_no":1,"name":"n%d"}`, i+1, i)
		}) + `},"disks":{"d":` + drbd(1) + `}`), "/instances/"},
		"many disks of an instance": {text: root(`,"instances":{` + instance("i", `,"disks":[`+list(20_000, func(i int) string { return fmt.Sprintf(`"d%d"`, i) })+`]`) +
			`},"disks":{` + list(20_000, func(i int) string { return fmt.Sprintf(`"d%d":`, i) + drbd(i) }) + `}`)},
		"doubled keys": {text: root(`,"instances":{` + list(10_000, always(instance("i", ""))) + `}`)},
		"one name":     {text: root(`,"nodes":{` + list(5_000, func(i int) string { return node(fmt.Sprintf("n%d", i), "a") }) + `}`)},
		"one address":  {text: root(`,"instances":{` + list(5_000, func(i int) string { return instance(fmt.Sprint(i), `,"nics":[{"ip":"1","nicparams":{}}]`) }) + `}`)},
		"many links": {text: root(`,"instances":{` + list(5_000, func(i int) string {
			return instance(fmt.Sprint(i), fmt.Sprintf(`,"nics":[{"ip":"1","nicparams":{"link":"%d"}}]`, i))
		}) + `}`)},
		"brackets":             {root(`,"x":` + strings.Repeat("[", 1_000_000)), "levels"},
		"brackets in a node":   {root(`,"nodes":{"n":` + strings.Repeat(`{"":`, 200_000)), "levels"},
		"as deep as it may be": {text: root(`,"x":[` + list(3_000, always(strings.Repeat("[", wire.ConfigLevels-2)+strings.Repeat("]", wire.ConfigLevels-2))) + `]`)},
		"deep disks": {text: root(`,"disks":{"d":{"children":[` + list(500, func(i int) string {
			return strings.Repeat(`{"children":[`, wire.ConfigLevels/2-3) + strings.Repeat(`]}`, wire.ConfigLevels/2-3)
		}) + `]}}`)},
		"times of an instance, for its disks": {older(`,"instances":{"i":{"name":"i","serial_no":1,"ctime":"` + strings.Repeat("a", 15_000) +
			`","nics":[],"disks":[` + list(500, always(`{}`)) + `]}}`), "/instances/i: "},
		"UUID of an instance, for its disks": {older(`,"instances":{"i":{"name":"i","serial_no":1,"uuid":"` + strings.Repeat("a", 400_000) +
			`","nics":[],"disks":[` + list(300, always(`{}`)) + `]}}`), "/instances/i: "},
		"key of an instance, for its disks": {older(`,"instances":{"` + strings.Repeat("a", 30_000) + `":{"name":"i","serial_no":1,"nics":[],"disks":[` +
			list(300, always(`{}`)) + `]}}`), "/instances/aaa"},
		"UUID of a node, for its instances": {older(`,"nodes":{"n":{"name":"n","uuid":"` + strings.Repeat("a", 30_000) + `","primary_ip":"1","serial_no":1}},"instances":{` +
			list(300, func(i int) string {
				return fmt.Sprintf(`"i%d":{"name":"i%d","serial_no":1,"primary_node":"n","nics":[],"disks":[]}`, i, i)
			}) + `}`), "/instances/i"},
		"policy of the cluster, for its groups": {strings.Replace(older(`,"nodegroups":{`+list(300, func(i int) string {
			return fmt.Sprintf(`"g%d":{"uuid":"g%d","name":"g%d","serial_no":1,"ipolicy":{"min":{"x":1},"max":{"x":2}}}`, i, i, i)
		})+`}`), `"serial_no":7`, `"ipolicy":{"min":{`+list(2_000, func(i int) string { return fmt.Sprintf(`"spec%d":%d`, i, i) })+`},"max":{}},"serial_no":7`, 1), "/nodegroups/g"},
		"empty disks":          {root(`,"disks":{` + list(100_000, func(i int) string { return fmt.Sprintf(`"%d":{}`, i) }) + `}`), "/disks/5000: up to here there are more than 4096 objects"},
		"empty children":       {root(`,"disks":{"d":{"children":[` + list(300_000, always(`{}`)) + `]}}`), "/disks/d: up to here there are more than 4096 objects"},
		"small children":       {text: root(`,"disks":{"d":{"children":[` + list(10_000, always(`{"size":1,"params":null,"uuid":""}`)) + `]}}`)},
		"children of children": {root(`,"disks":{"d":{"children":[` + list(5_000, always(strings.Repeat(`{"children":[`, 9)+strings.Repeat("]}", 9))) + `]}}`), "/disks/d: up to here"},
		"empty nics":           {root(`,"instances":{` + instance("i", `,"nics":[`+list(100_000, always(`{}`))+`]`) + `}`), "/instances/i: up to here"},
		"empty policies":       {root(`,"nodegroups":{` + list(30_000, func(i int) string { return fmt.Sprintf(`"%d":{"ipolicy":{"minmax":[{}]}}`, i) }) + `}`), "/nodegroups/2000: up to here"},
		"empty collectors":     {root(`,"x":1,"cluster":{"data_collectors":{` + list(100_000, func(i int) string { return fmt.Sprintf(`"%d":{}`, i) }) + `}}`), "/cluster: up to here"},
		"empty tags":           {root(`,"instances":{` + instance("i", `,"tags":[`+list(300_000, always(`""`))+`]`) + `}`), "/instances/i: up to here there are more than 65536 elements"},
		"disks of no name":     {root(`,"instances":{` + instance("i", `,"disks":[`+list(300_000, always(`""`))+`]`) + `}`), "/instances/i: up to here there are more than 65536 elements"},
		"short tags":           {text: root(`,"instances":{` + instance("i", `,"tags":[`+list(300_000, always(`"a tag"`))+`]`) + `}`)},
		"deep filters":         {root(`,"filters":{"a":{"predicates":[` + list(20_000, always(`["jobid",`+strings.Repeat(`["|",`, 10)+`["=","id",1]`+strings.Repeat(`]`, 10)+`]`)) + `]}}`), "/filters/a: up to here there are more than 65536 elements"},
		"zeros":                {strings.Repeat("\x00", 1_000_000), "not a JSON object"},
	}
}

// older returns a configuration of Ganeti 2.6 with some more members.
func older(members string) string { return strings.Replace(root(members), "3000000", "2060000", 1) }

// ordinaryCost is how many bytes loading an ordinary file allocates at most, for each that
// it has.
const ordinaryCost = 7.1

// A strange file allocates no more than four times what an ordinary one of its size may,
// or is refused, but for those that are named.
func TestStrangeFilesCostTheirSize(t *testing.T) {
	var one bytes.Buffer
	if err := sample.Generate(&one, 50, 500, 1); err != nil {
		t.Fatal(err)
	}
	if ordinary := float64(loading(t, one.String(), "")) / float64(one.Len()); ordinary > ordinaryCost {
		t.Errorf("an ordinary file: %.2f bytes allocated for each, at most %.1f are right", ordinary, ordinaryCost)
	}
	for name, test := range strange() {
		const fixed = 2 << 20 // what any load may take
		times := 4.0
		switch name {
		case "many disks of an instance": // each with nodes of its own, and lists for them
			times = 5
		case "small children": // each read into a structure, and the list grows
			times = 6
		case "deep disks", "large exponents of the cluster": // small things that become large ones, with a limit
			times = 8
		}
		if got, most := float64(loading(t, test.text, test.err)), times*ordinaryCost*float64(len(test.text))+fixed; got > most {
			t.Errorf("%s: %.0f bytes allocated for %d, at most %.0f are right", name, got, len(test.text), most)
		}
	}
}

// loading returns how many bytes loading a text allocates. It is refused with an error if
// want is not empty.
func loading(t *testing.T, text, want string) uint64 {
	t.Helper()
	least := ^uint64(0)
	var err error
	for range 3 { // other goroutines allocate, too
		runtime.GC() // twice, so that no pool holds what another load has allocated
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = Parse([]byte(text))
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%.100s: error %v, want %q", text, err, want)
	}
	return least - uint64(len(text)) // Load's copy
}

// Loading ends soon after its context has.
func TestLoadingEnds(t *testing.T) {
	for name, test := range strange() {
		for _, reads := range []int{0, 1, 3, 1000} {
			ctx := &countdown{Context: t.Context()}
			ctx.left.Store(int64(reads))
			_, err := Load(ctx, strings.NewReader(test.text), Options{})
			if ctx.left.Load() < 0 && !errors.Is(err, context.Canceled) && test.err == "" {
				t.Errorf("%s: %v after %d looks at the context", name, err, reads)
			}
		}
	}
}

// countdown is a context that ends when it has been looked at a number of times.
type countdown struct {
	context.Context
	left atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func BenchmarkStrange(b *testing.B) {
	for name, test := range strange() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			b.SetBytes(int64(len(test.text)))
			b.ReportAllocs()
			for b.Loop() {
				Parse([]byte(test.text))
			}
		})
	}
	var ordinary bytes.Buffer
	if err := sample.Generate(&ordinary, 50, 500, 1); err != nil {
		b.Fatal(err)
	}
	b.Run("ordinary", func(b *testing.B) {
		b.SetBytes(int64(ordinary.Len()))
		b.ReportAllocs()
		for b.Loop() {
			Parse(ordinary.Bytes())
		}
	})
}
