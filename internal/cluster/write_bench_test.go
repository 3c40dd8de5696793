package cluster

import (
	"bytes"
	"fmt"
	"regexp"
	"syscall"
	"testing"
	"time"

	"gntconfd/internal/sample"
)

// BenchmarkWrite shows what it takes to load a configuration after it was written anew,
// by how much of it has changed. cpu-ms/op is the time of all threads, the collector's
// among it.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []struct{ nodes, instances int }{{100, 1_000}, {1_000, 10_000}} {
		var text bytes.Buffer
		if err := sample.Generate(&text, size.nodes, size.instances, 1); err != nil {
			b.Fatal(err)
		}
		before := text.Bytes()
		for _, change := range []struct {
			name  string
			after []byte
		}{
			{"nothing", before},
			{"serial-of-one-instance", bumped(before, []byte(`"instances":{`), 1)},
			{"node-of-one-instance", moved(before)},
			{"1-percent", bumped(before, nil, 100)},
			{"everything", bumped(before, nil, 1)},
			{"white-space", bytes.ReplaceAll(before, []byte(`"serial_no":`), []byte(`"serial_no": `))},
			{"first-instance-gone", withoutFirst(before)},
		} {
			b.Run(fmt.Sprintf("%d/%s", size.instances, change.name), func(b *testing.B) {
				texts := [][]byte{before, change.after}
				s, err := Parse(texts[0])
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				began, n := processorTime(), 0
				for b.Loop() {
					n++
					if s, err = Load(b.Context(), bytes.NewReader(texts[n%2]), Options{Former: s}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(processorTime()-began)/1e6/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

var serialNumber = regexp.MustCompile(`("serial_no":)[0-9]+`)

// bumped returns a text with other serial numbers: with the first after a mark, or with
// one in so many.
func bumped(text, after []byte, oneIn int) []byte {
	if after != nil {
		at := bytes.Index(text, after)
		where := serialNumber.FindSubmatchIndex(text[at:])
		return bytes.Join([][]byte{text[:at+where[3]], text[at+where[1]:]}, []byte("12345"))
	}
	n := 0
	return serialNumber.ReplaceAllFunc(text, func(match []byte) []byte {
		if n++; n%oneIn > 0 {
			return match
		}
		return []byte(`"serial_no":54321`)
	})
}

// moved returns a text with the first instance on the node of the last.
func moved(text []byte) []byte {
	node := regexp.MustCompile(`"primary_node":"[^"]*"`)
	all := node.FindAll(text, -1)
	return bytes.Replace(text, all[0], all[len(all)-1], 1)
}

// withoutFirst returns a text without the first instance.
func withoutFirst(text []byte) []byte {
	start := bytes.Index(text, []byte(`"instances":{`)) + len(`"instances":{`)
	next := regexp.MustCompile(`},"[^"]*":{"name":`).FindIndex(text[start:])
	return bytes.Join([][]byte{text[:start], text[start+next[0]+2:]}, nil)
}

// processorTime returns how much of the processors' time this process has had.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
