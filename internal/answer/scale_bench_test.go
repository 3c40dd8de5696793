package answer

import (
	"bytes"
	"fmt"
	"testing"

	"gntconfd/internal/cluster"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/question"
)

// BenchmarkAnswerByClusterSize sends the same queries to a small cluster and to a large
// one: no answer may cost more because the cluster is larger. That includes lists, because
// their replies are prepared.
func BenchmarkAnswerByClusterSize(b *testing.B) {
	sizes := []struct{ nodes, instances int }{{3, 10}, {1000, 10000}}
	var books []*Book
	for _, size := range sizes {
		var text bytes.Buffer
		if err := sample.Generate(&text, size.nodes, size.instances, 1); err != nil {
			b.Fatal(err)
		}
		snapshot, err := cluster.Parse(text.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		books = append(books, Prepare(snapshot))
	}
	// Everything queried exists in both clusters. Instance 1 has the first address.
	for _, asked := range []struct {
		name     string
		question question.Question
	}{
		{"ping", `"type":0`},
		{"role-by-name", `"type":1,"query":"node2.example.org"`},
		{"role-by-short-name", `"type":1,"query":"node2"`},
		{"role-of-nobody", `"type":1,"query":"nobody"`},
		{"node-by-address", `"type":2,"query":{"1":"10.0.0.16"}`},
		{"node-by-addresses", `"type":2,"query":{"2":["10.0.0.16","10.0.0.17","10.0.0.18"]}`},
		{"master", `"type":3`},
		{"master-by-fields", `"type":3,"query":{"3":[0,1,2]}`},
		{"all-nodes", `"type":4`},
		{"candidates", `"type":5`},
		{"default-link", `"type":6`},
		{"link-by-name", `"type":6,"query":"br1"`},
	} {
		request := asked.question.Request(b)
		for i, size := range sizes {
			b.Run(fmt.Sprintf("%s/%d-%d", asked.name, size.nodes, size.instances), func(b *testing.B) {
				b.ReportAllocs()
				var s Scratch
				for b.Loop() {
					if _, ok := books[i].Answer(request, &s); !ok {
						b.Fatal("silence")
					}
				}
			})
		}
	}
}
