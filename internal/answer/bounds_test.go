package answer_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/answer/classic"
	"gntconfd/internal/cluster"
	"gntconfd/internal/testing/question"
)

// hostile returns configurations whose answers should be expensive, by name. In each of
// them the nodes a and b, the instance i0, its disk d0 and the address 0 exist.
func hostile() map[string]string {
	long := strings.Repeat("x", 1<<20)
	return map[string]string{
		"long names":      made(long, "", 10, 1, ""),
		"control names":   made(strings.Repeat("\\u0001", 60_000), "", 10, 1, ""),
		"control texts":   made("", strings.Repeat("\\u0001", 60_000), 10, 1, ""),
		"long addresses":  made("", strings.Repeat("\\u0001", 1<<18), 10, 1, ""),
		"many instances":  made("", "", 20_000, 1, ""),
		"many disks":      made("", "", 200, 300, ""),
		"long members":    withMembers(made("", "", 1, 1, "")),
		"many tags":       made("", "", 1, 1, strings.Repeat(`"long tag",`, 1_000_000)),
		"one large tag":   made("", "", 1, 1, `"`+long+`",`),
		"large instances": made("", "", 100, 1, strings.Repeat(`"long tag",`, 30_000)),
	}
}

// made returns a configuration with two nodes and a number of instances, each with as many
// disks on both nodes. Names and addresses end in a tail, and the cluster and each instance
// have tags.
func made(nameTail, addressTail string, instances, disks int, tags string) string {
	tags = strings.TrimSuffix(tags, ",")
	var b strings.Builder
	fmt.Fprintf(&b, `{"version":3000000,"serial_no":1,"cluster":{"serial_no":7,"master_node":"a","master_ip":"192.0.2.1%s","enabled_hypervisors":[],`+
		`"nicparams":{"default":{"link":"br0","mode":"bridged"}},"tags":[%s]},"nodes":{`, addressTail, tags)
	for i, node := range []string{"a", "b"} {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%[1]s":{"uuid":"%[1]s","name":"node-%[1]s%[2]s","primary_ip":"%[1]s%[3]s","secondary_ip":"x","serial_no":1,"master_candidate":true,`+
			`"offline":false,"drained":false}`, node, nameTail, addressTail)
	}
	b.WriteString(`},"instances":{`)
	for i := range instances {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"i%[1]d":{"uuid":"i%[1]d","name":"instance-%[1]d%[2]s","primary_node":"a","serial_no":1,"tags":[%[3]s],`+
			`"nics":[{"ip":"%[1]d","nicparams":{},"uuid":"n%[1]d"}],"disks":[`, i, nameTail, tags)
		for disk := range disks {
			if disk > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"d%d"`, i*disks+disk)
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`},"disks":{`)
	for i := range instances * disks {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"d%[1]d":{"uuid":"d%[1]d","dev_type":"drbd","logical_id":["a","b",1,%[1]d,%[1]d,"s"],"size":1,"iv_name":"","children":[]}`, i)
	}
	b.WriteString(`}}`)
	return b.String()
}

// withMembers returns a configuration whose cluster has two long names in osparams.
func withMembers(config string) string {
	long := `"\n` + strings.Repeat("a", 1<<20)
	return strings.Replace(config, `"tags":[`, `"osparams":{`+long+`":{"x":"1"},`+long+`b":{}},"tags":[`, 1)
}

// costly are the queries to send. All fit into a datagram.
var costly = []string{
	`"type":0`, `"type":1,"query":"a"`, `"type":1,"query":"node-a"`, `"type":1,"query":"` + strings.Repeat("\x7f", 50_000) + `"`,
	`"type":2,"query":{"1":"0"}`, `"type":2,"query":{"2":[` + strings.Repeat(`"0",`, wire.MaxListElements-1) + `"0"]}`,
	`"type":2,"query":{"2":"` + strings.Repeat("a", 60_000) + `"}`, `"type":2,"query":{"2":"` + strings.Repeat("é", 9_000) + `"}`,
	`"type":2,"query":{"2":{"":0` + strings.Repeat(`,"":0`, 900) + `}}`,
	`"type":3`, `"type":3,"query":{"3":[` + strings.Repeat(`0,1,2,`, wire.MaxListElements/3-1) + `0]}`,
	`"type":3,"query":{"3":["0","1","2"]}`,
	`"type":4`, `"type":4,"query":"x"`, `"type":5`, `"type":6`, `"type":6,"query":"br0"`, `"type":6,"query":{"2":[` + strings.Repeat(`"\u0001",`, 4_000) + `""]}`,
	`"type":7,"query":"a"`, `"type":7,"query":"b"`, `"type":7,"query":"` + strings.Repeat(`\\`, 14_000) + `"`, `"type":7`,
	`"type":8,"query":"a"`, `"type":8,"query":"b"`, `"type":8,"query":"` + strings.Repeat(`\"`, 14_000) + `"`,
	`"type":9,"query":"i0"`, `"type":9,"query":"none"`, `"type":9,"query":{"2":[` + strings.Repeat(`"\u0001",`, 4_000) + `""]}`,
	`"type":10,"query":"/cluster"`, `"type":10,"query":"/cluster/tags"`, `"type":10,"query":"/cluster/tags/0"`, `"type":10,"query":"/cluster/tags/999999"`,
	`"type":10,"query":"/cluster/tags/x"`, `"type":10,"query":"/cluster/osparams/x"`, `"type":10,"query":"/nodes"`, `"type":10,"query":"/instances"`, `"type":10,"query":"/instances/i0"`,
	`"type":10,"query":"/instances/i0/tags/29999"`, `"type":10,"query":"/disks/d0"`, `"type":10,"query":"` + strings.Repeat("/~0", 15_000) + `"`,
	`"type":10,"query":"` + strings.Repeat("/", 50_000) + `"`, `"type":11`,
}

// Every answer allocates less than a megabyte, whatever the query and the configuration
// are: building stops once the answer cannot fit.
func TestAnswersAreBounded(t *testing.T) {
	for name, config := range hostile() {
		snapshot, err := cluster.Parse([]byte(config))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		book, classicBook := answer.Prepare(snapshot), classic.Prepare(snapshot)
		for _, members := range costly {
			var request wire.Request
			modern := request.Decode(jx.DecodeStr(question.Question(members).Text())) == nil // some queries are for the other dialect
			classicRequest := question.Question(members).Classic(t)
			for dialect, respond := range map[string]func(*answer.Scratch) (answer.Reply, bool){
				"3.0": func(s *answer.Scratch) (answer.Reply, bool) {
					if !modern {
						return answer.Reply{}, false
					}
					return book.Answer(&request, s)
				},
				"2.6": func(s *answer.Scratch) (answer.Reply, bool) { return classicBook.Answer(classicRequest, s) },
			} {
				var s answer.Scratch
				var reply answer.Reply
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				reply, _ = respond(&s)
				runtime.ReadMemStats(&after)
				if size := after.TotalAlloc - before.TotalAlloc; size > 1<<20 {
					t.Errorf("%s: %.100s in dialect %s: %d bytes allocated for a reply of %d", name, members, dialect, size, len(reply.Text))
				}
				// A longer text would also be too large, and would have to be sealed.
				if len(reply.Text) > 4*wire.MaxDatagramSize {
					t.Errorf("%s: %.100s in dialect %s: a reply of %d bytes", name, members, dialect, len(reply.Text))
				}
			}
		}
	}
}

// BenchmarkCostly measures the most expensive queries.
func BenchmarkCostly(b *testing.B) {
	for name, config := range hostile() {
		snapshot, err := cluster.Parse([]byte(config))
		if err != nil {
			b.Fatal(err)
		}
		book := answer.Prepare(snapshot)
		for i, members := range costly {
			var request wire.Request
			if request.Decode(jx.DecodeStr(question.Question(members).Text())) != nil {
				continue // a query for the other dialect
			}
			b.Run(fmt.Sprintf("%s/%d-%.24s", strings.ReplaceAll(name, " ", "-"), i, members), func(b *testing.B) {
				var s answer.Scratch
				for b.Loop() {
					book.Answer(&request, &s)
				}
			})
		}
	}
}
