package server

import (
	"strings"
	"testing"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/question"
)

// questions has at least one question per request type, about the sample cluster.
var questions = []struct {
	name string
	question.Question
}{
	{"ping", `"type":0`},
	{"role", `"type":1,"query":"node2.example.org"`},
	{"role-by-prefix", `"type":1,"query":"node2"`},
	{"address", `"type":2,"query":{"1":"203.0.113.10"}`},
	{"address-on-link", `"type":2,"query":{"0":"br1","1":"198.51.100.21"}`},
	{"addresses", `"type":2,"query":{"2":["203.0.113.10","203.0.113.11","203.0.113.99"]}`},
	{"master", `"type":3`},
	{"master-fields", `"type":3,"query":{"3":[0,1,2]}`},
	{"nodes", `"type":4`},
	{"candidates", `"type":5`},
	{"default-link", `"type":6`},
	{"link", `"type":6,"query":"br1"`},
	{"minors", `"type":7,"query":"node2.example.org"`},
	{"instances", `"type":8,"query":"node2.example.org"`},
	{"disks", `"type":9,"query":"www1.example.org"`},
	{"pointer", `"type":10,"query":"/cluster/cluster_name"`},
	{"collectors", `"type":11`},
}

// asking returns a question as a datagram, signed at a time.
func asking(tb testing.TB, codec *protocol.Codec, q question.Question, now time.Time) []byte {
	tb.Helper()
	datagram, err := codec.SealRequest(nil, q.Request(tb), now)
	if err != nil {
		tb.Fatal(err)
	}
	return datagram
}

func sampleBook(tb testing.TB) *answer.Book {
	tb.Helper()
	snapshot, err := cluster.Parse(sample.Config)
	if err != nil {
		tb.Fatal(err)
	}
	return answer.Prepare(snapshot)
}

// Handling a datagram of types 0 to 6 allocates nothing except the strings and lists that
// the generated decoders return.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	var responder Responder = sampleBook(t)
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	now := time.Now()
	var scratch answer.Scratch
	buffer := make([]byte, 0, wire.MaxDatagramSize)
	for _, q := range questions {
		if strings.HasPrefix(string(q.Question), `"type":7`) {
			break // from here on answers are not prepared
		}
		t.Run(q.name, func(t *testing.T) {
			datagram := asking(t, codec, q.Question, now)
			request, refusal := codec.Open(datagram, now)
			if refusal != protocol.Accepted {
				t.Fatalf("refusal %d", refusal)
			}
			way := testing.AllocsPerRun(100, func() {
				codec.Authenticate(datagram, now)
				response, refusal := responder.Respond(codec, now, &scratch)
				if refusal != protocol.Accepted {
					t.Fatal("no answer")
				}
				if _, err := codec.Seal(buffer, response.Rsalt, response.Text, response.Escaped); err != nil {
					t.Fatal(err)
				}
			})

			var envelope wire.EnvelopeBuffer
			decoder := jx.DecodeBytes(nil)
			body := datagram[len(wire.Magic):]
			decoders := testing.AllocsPerRun(100, func() {
				if err := envelope.Decode(body); err != nil {
					t.Fatal(err)
				}
				*request = wire.Request{}
				decoder.ResetBytes(envelope.Msg)
				if err := request.Decode(decoder); err != nil {
					t.Fatal(err)
				}
			})
			if way != decoders {
				t.Errorf("%v allocations, of which the decoders make %v", way, decoders)
			}
		})
	}
}

// BenchmarkOpen, BenchmarkAnswer and BenchmarkSeal measure the steps for a datagram, by
// request type.
func BenchmarkOpen(b *testing.B) {
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	now := time.Now()
	for _, q := range questions {
		b.Run(q.name, func(b *testing.B) {
			datagram := asking(b, codec, q.Question, now)
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := codec.Open(datagram, now); refusal != protocol.Accepted {
					b.Fatalf("refusal %d", refusal)
				}
			}
		})
	}
}

func BenchmarkAnswer(b *testing.B) {
	book := sampleBook(b)
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	now := time.Now()
	var scratch answer.Scratch
	for _, q := range questions {
		b.Run(q.name, func(b *testing.B) {
			request, _ := codec.Open(asking(b, codec, q.Question, now), now)
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := book.Answer(request, &scratch); !ok {
					b.Fatal("no answer")
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	book := sampleBook(b)
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	now := time.Now()
	var scratch answer.Scratch
	buffer := make([]byte, 0, wire.MaxDatagramSize)
	for _, q := range questions {
		b.Run(q.name, func(b *testing.B) {
			request, _ := codec.Open(asking(b, codec, q.Question, now), now)
			rsalt := request.Rsalt
			reply, _ := book.Answer(request, &scratch)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.Seal(buffer, rsalt, reply.Text, reply.Escaped); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
