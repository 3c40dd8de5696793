package protocol

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"gntconfd/gen/wire"
)

// costly has requests, by name, that should be expensive to decode, each with its outcome
// in the dialects of Ganeti 3.0 and 2.6.
var costly = []struct {
	name, members   string
	modern, classic Refusal
}{
	{"all field codes", `"type":3,"query":{"3":[0` + strings.Repeat(",0", wire.MaxListElements-1) + `]}`, Accepted, Accepted},
	{"too many field codes", `"type":3,"query":{"3":[0` + strings.Repeat(",0", 29_000) + `]}`, RefusedRequest, RefusedRequest},
	{"codes of no fields", `"type":3,"query":{"3":[9` + strings.Repeat(",9", wire.MaxListElements-1) + `]}`, RefusedRequest, Accepted},
	{"field codes as text", `"type":3,"query":{"3":["0"` + strings.Repeat(`,"0"`, wire.MaxListElements-1) + `]}`, Accepted, Accepted},
	{"as many addresses as fit", `"type":2,"query":{"2":[""` + strings.Repeat(`,"1.1.1.1"`, wire.MaxListElements-1) + `]}`, Accepted, Accepted},
	{"two lists", `"type":2,"query":{"2":["","",""],"2":[""` + strings.Repeat(`,""`, wire.MaxListElements+30) + `]}`, RefusedRequest, RefusedRequest},
	{"many lists", `"type":2,"query":{"2":[]` + strings.Repeat(`,"2":[""]`, 700) + `}`, Accepted, Accepted},
	{"arrays opened", `"type":2,"query":{"2":` + strings.Repeat(`[`, 50_000), RefusedRequest, RefusedRequest},
	{"arrays closed", `"type":2,"query":{"2":` + strings.Repeat(`[`, 3_900) + strings.Repeat(`]`, 3_900) + `}`, RefusedRequest, Accepted},
	{"a long name", `"type":2,"` + strings.Repeat("\x7f", 50_000) + `":1`, RefusedRequest, RefusedRequest},
	{"a long name in the query", `"type":2,"query":{"` + strings.Repeat("\x7f", 50_000) + `":1}`, RefusedRequest, Accepted},
	{"a name escaped", `"type":2,"qu\u0065ry":null`, Accepted, Accepted},
	{"a name of nothing but escapes", `"\u0070\u0072\u006f\u0074\u006f\u0063\u006f\u006c":1,"type":2`, Accepted, Accepted},
	{"members again and again", `"type":2` + strings.Repeat(`,"query":{}`, 900), Accepted, Accepted},
	{"very many members", `"type":2,"query":{"2":{"":0` + strings.Repeat(`,"":0`, 3_000) + `}}`, RefusedRequest, RefusedRequest},
	{"a long number", `"type":` + strings.Repeat("9", 50_000), RefusedRequest, RefusedRequest},
	{"a long text", `"type":1,"query":"` + strings.Repeat("x", 50_000) + `"`, Accepted, Accepted},
}

// Decoding a request allocates less than a megabyte, whatever it contains.
func TestRequestsAreBounded(t *testing.T) {
	codec := NewCodec(NewKeyring([]byte(testKey)))
	for _, test := range costly {
		request := `{"protocol":1,"rsalt":"x",` + test.members + `}`
		datagram, err := codec.seal(nil, codec.currentKey(), strconv.FormatInt(testNow.Unix(), 10), []byte(request), nil)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		for dialect, want := range map[string]Refusal{"3.0": test.modern, "2.6": test.classic} {
			refusal := codec.Authenticate(datagram, testNow)
			if refusal != Accepted {
				t.Fatalf("%s: refusal %d before the request", test.name, refusal)
			}
			size := allocated(func() {
				if dialect == "3.0" {
					_, refusal = codec.Request()
				} else {
					_, refusal = codec.ClassicRequest(testNow)
				}
			})
			if refusal != want {
				t.Errorf("%s, dialect %s: refusal %d, want %d: %v", test.name, dialect, refusal, want, codec.Cause())
			}
			if size > 1<<20 {
				t.Errorf("%s, dialect %s: %d bytes allocated", test.name, dialect, size)
			}
			if cause := codec.Cause(); cause != nil && len(cause.Error()) > 300 {
				t.Errorf("%s, dialect %s: a cause of %d bytes", test.name, dialect, len(cause.Error()))
			}
		}
	}
}

// So does decoding a reply, which a client accepts from anyone who has the key.
func TestRepliesAreBounded(t *testing.T) {
	codec := NewCodec(NewKeyring([]byte(testKey)))
	for _, text := range []string{
		strings.Repeat("[", 50_000), `{"answer":` + strings.Repeat("[", 50_000), `{"` + strings.Repeat("\x01", 8_000) + `":1}`,
		`{"status":` + strings.Repeat("9", 50_000), `{"status":[` + strings.Repeat("9,", 20_000),
	} {
		datagram, err := codec.seal(nil, codec.currentKey(), "salt", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		size := allocated(func() { _, _, err = codec.OpenReply(datagram) })
		if err == nil || len(err.Error()) > 300 {
			t.Errorf("%.30s: %.400v", text, err)
		}
		if size > 1<<20 {
			t.Errorf("%.30s: %d bytes allocated", text, size)
		}
	}
}

// allocated returns how many bytes work allocates: the minimum of several tries, because
// other goroutines allocate too.
func allocated(work func()) uint64 {
	least := ^uint64(0)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		work()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
