package server

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/question"
)

// BenchmarkLargeCluster measures the whole path of a datagram without the sockets, for
// queries whose replies are not prepared. Each is about many objects of a cluster that does
// not fit into the CPU caches.
func BenchmarkLargeCluster(b *testing.B) {
	var text bytes.Buffer
	if err := sample.Generate(&text, 1000, 10000, 1); err != nil {
		b.Fatal(err)
	}
	snapshot, err := cluster.Parse(text.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	var responder Responder = answer.Prepare(snapshot)
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	now := time.Now()
	var scratch answer.Scratch
	buffer := make([]byte, 0, wire.MaxDatagramSize)
	for _, test := range []struct {
		name string
		ask  func(node *cluster.Node, instance *cluster.Instance) string
	}{
		{"node-drbd", func(n *cluster.Node, _ *cluster.Instance) string {
			return fmt.Sprintf(`"type":7,"query":%q`, n.Name)
		}},
		{"node-instances", func(n *cluster.Node, _ *cluster.Instance) string {
			return fmt.Sprintf(`"type":8,"query":%q`, n.Name)
		}},
		{"instance-disks", func(_ *cluster.Node, in *cluster.Instance) string {
			return fmt.Sprintf(`"type":9,"query":%q`, in.Name)
		}},
		{"config-instance", func(_ *cluster.Node, in *cluster.Instance) string {
			return fmt.Sprintf(`"type":10,"query":"/instances/%s/name"`, in.UUID)
		}},
		{"config-disk", func(_ *cluster.Node, in *cluster.Instance) string {
			return fmt.Sprintf(`"type":10,"query":"/disks/%s/size"`, in.Disks[0])
		}},
	} {
		b.Run(test.name, func(b *testing.B) {
			datagrams := make([][]byte, len(snapshot.Nodes))
			for i := range datagrams {
				asked := test.ask(&snapshot.Nodes[i], snapshot.Instances[i*len(snapshot.Instances)/len(datagrams)])
				datagrams[i] = asking(b, codec, question.Question(asked), now)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				codec.Authenticate(datagrams[i%len(datagrams)], now)
				response, refusal := responder.Respond(codec, now, &scratch)
				if refusal != protocol.Accepted {
					b.Fatal("no answer")
				}
				reply := response.Reply
				if _, err := codec.Seal(buffer, response.Rsalt, reply.Text, reply.Escaped); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
