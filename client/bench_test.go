package client

import (
	"testing"

	"gntconfd/internal/protocol"
)

// BenchmarkQuery measures a query to one peer on the same host that answers at once: the
// cost of client and server together. The server allocates a dozen times.
func BenchmarkQuery(b *testing.B) {
	codec, text := protocol.NewCodec(protocol.NewKeyring(key)), []byte(replyText(0, `"node1.example.com"`, 7))
	var buffer []byte
	c, _ := start(b, Options{}, func(r *request) {
		buffer, _ = codec.Seal(buffer[:0], r.Rsalt, text, nil)
		r.write(buffer)
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Query(b.Context(), c, Master()); err != nil {
			b.Fatal(err)
		}
	}
}
