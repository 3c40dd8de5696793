package protocol

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gntconfd/gen/wire"
)

// hostile returns unsigned datagrams by name, each of about the given size in bytes, that
// should be expensive before the signature is checked. The first is an ordinary forged
// datagram, for comparison.
func hostile(size int) []struct{ name, datagram string } {
	size -= len(wire.Magic)
	fill := func(start, middle, end string) string {
		return start + strings.Repeat(middle, max(0, (size-len(start)-len(end))/len(middle))) + end
	}
	const signature = `,"salt":"1700000000","hmac":"` + "0123456789012345678901234567890123456789" + `"}`
	list := []struct{ name, datagram string }{
		{"forged", fill(`{"msg":"`, `{\"a\":0}`, `"`+signature)},
		{"arrays opened", fill(`{"x":`, `[`, "")},
		{"objects opened", fill(``, `{"":[`, "")},
		{"arrays after the envelope", fill(`{"msg":""`+signature, `[`, "")},
		{"name of control characters", fill(`{"`, "\x7f", `":[}`)},
		{"name of escapes", fill(`{"`, `\u0001`, `":[}`)},
		{"long name and no value", fill(`{"`, `a`, `"}`)},
		{"many names", fill(`{`, `"a":0,`, `"b"}`)},
		{"msg of escapes", fill(`{"msg":"`, `\u00e9`, `"`+signature)},
		{"surrogates", fill(`{"msg":"`, `\ud800`, `"`+signature)},
		{"msg again and again", fill(`{`, `"msg":"\n",`, `"msg":""`+signature)},
		{"number", fill(`{"x":`, `9`, `e`)},
		{"not UTF-8 at the end", fill(`{"msg":"`, `é`, "\xff\"")},
		{"salt of digits", fill(`{"msg":"","hmac":"`+strings.Repeat("0", 40)+`","salt":"`, `1`, `"}`)},
		{"white space", fill(`{`, " ", `}`)},
	}
	// The branch predictor is wrong here every other time.
	random := rand.New(rand.NewPCG(1, 2))
	for name, pieces := range map[string][]string{
		"escapes at random": {`\n`, `a`}, "lengths at random": {`a`, `é`, `€`, `😀`, `\n`},
	} {
		datagram := `{"msg":"`
		for len(datagram)+len(signature)+len(`😀"`) < size {
			datagram += pieces[random.IntN(len(pieces))]
		}
		list = append(list, struct{ name, datagram string }{name, datagram + `"` + signature})
	}
	depth := min(size/3, 9_990)
	list = append(list, struct{ name, datagram string }{"containers closed",
		`{"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `,"msg":""` + signature})
	for i := range list {
		list[i].datagram = wire.Magic + list[i].datagram
	}
	return list
}

// Until the signature is verified, no datagram makes the codec allocate.
func TestStrangersAllocateNothing(t *testing.T) {
	codec := NewCodec(NewKeyring([]byte("key")))
	for _, size := range []int{100, 1_400, 10_000, wire.MaxDatagramSize} {
		for _, test := range hostile(size) {
			datagram, now := []byte(test.datagram), time.Now()
			if refusal := codec.Authenticate(datagram, now); refusal != RefusedJSON && refusal != RefusedHMAC {
				t.Errorf("%s: refused as %v", test.name, refusal)
			}
			if n := testing.AllocsPerRun(10, func() { codec.Authenticate(datagram, now) }); n > 0 {
				t.Errorf("%s of %d bytes: %v allocations", test.name, size, n)
			}
			if cause := codec.Cause(); cause != nil && len(cause.Error()) > 100 {
				t.Errorf("%s: a cause of %d bytes", test.name, len(cause.Error()))
			}
		}
	}
}

// BenchmarkStranger measures the cost of an unsigned datagram up to its signature.
func BenchmarkStranger(b *testing.B) {
	codec := NewCodec(NewKeyring([]byte("key")))
	for _, size := range []int{1_400, 10_000, wire.MaxDatagramSize} {
		for _, test := range hostile(size) {
			b.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(test.name, " ", "-"), size), func(b *testing.B) {
				datagram, now := []byte(test.datagram), time.Now()
				b.ReportAllocs()
				for b.Loop() {
					codec.Authenticate(datagram, now)
				}
			})
		}
	}
}
