package cluster

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"gntconfd/internal/sample"
)

// BenchmarkLoadBySize shows what loading costs as clusters grow. live-MB is what a
// snapshot keeps in memory, the texts of the objects among it.
func BenchmarkLoadBySize(b *testing.B) {
	for _, size := range []struct{ nodes, instances int }{{100, 1000}, {1000, 10000}} {
		b.Run(fmt.Sprintf("%d-%d", size.nodes, size.instances), func(b *testing.B) {
			before := liveHeap()
			var text bytes.Buffer
			if err := sample.Generate(&text, size.nodes, size.instances, 1); err != nil {
				b.Fatal(err)
			}
			data := bytes.Clone(text.Bytes())
			text = bytes.Buffer{}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var snapshot *Snapshot
			for b.Loop() {
				var err error
				if snapshot, err = Parse(data); err != nil {
					b.Fatal(err)
				}
			}
			data = nil
			b.ReportMetric(float64(liveHeap()-before)/1e6, "live-MB")
			runtime.KeepAlive(snapshot)
		})
	}
}

// liveHeap returns how many bytes of the heap are in use.
func liveHeap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
