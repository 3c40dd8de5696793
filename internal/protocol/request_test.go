package protocol

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-faster/jx"
	"pgregory.net/rapid"

	"gntconfd/gen/wire"
	"gntconfd/internal/testing/vectors"
	specvectors "gntconfd/spec/vectors"
)

// requests returns the texts of all requests in the vectors.
func requests(tb testing.TB) []string {
	tb.Helper()
	var texts []string
	codec := NewCodec(NewKeyring([]byte(testKey)))
	for _, dialect := range []string{"2.6", "3.0"} {
		files, err := vectors.Load(specvectors.Files, dialect)
		if err != nil {
			tb.Fatal(err)
		}
		for _, file := range files {
			for _, vector := range file.Vectors {
				datagram, err := vector.Build([]byte(testKey), time.Now())
				if err != nil {
					tb.Fatalf("%s: %v", vector.ID, err)
				}
				body, _ := bytes.CutPrefix(datagram, []byte(wire.Magic))
				if codec.openEnvelope(body) == nil {
					texts = append(texts, string(codec.envelope.Msg))
				}
			}
		}
	}
	return texts
}

// compareRequests checks that a request of a common form is decoded as the long way decodes
// it. It reports whether the form is common.
func compareRequests(t interface{ Fatalf(string, ...any) }, text string) bool {
	var got, want wire.Request
	if !got.DecodeCommon([]byte(text)) {
		return false
	}
	bounds := requestBounds
	bounds.Names = requestNames
	if !new(wire.Scanner).Valid([]byte(text), bounds) {
		t.Fatalf("%q: decoded against the bounds", text)
	}
	if err := want.Decode(jx.DecodeStr(text)); err != nil {
		t.Fatalf("%q: decoded, but %v", text, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: %+v, but %+v", text, got, want)
	}
	return true
}

// The requests that clients usually send are of a common form. Decoding them allocates no
// more often than the long way.
func TestCommonRequests(t *testing.T) {
	for _, text := range []string{
		`{"protocol":1,"type":0,"rsalt":"rs"}`,
		`{"protocol": 1, "type": 0, "query": null, "rsalt": "2b7e9d5c-9a3f-4f0e-8f5d-0c6a5b1d2e3f"}`,
		`{"rsalt":"rs","query":"node2.example.org","type":1,"protocol":1}`,
		`{"protocol":1,"type":2,"rsalt":"rs","query":{"0":"br1","1":"198.51.100.21"}}`,
		`{"protocol": 1, "type": 2, "rsalt": "rs", "query": {"0": null, "1": null, "2": ["203.0.113.10", "203.0.113.11"]}}`,
		` {"protocol":1,"type":2,"rsalt":"rs","query":{"2":null}}` + "\n",
		`{"protocol":1,"type":2,"rsalt":"rs","query":{"2":["1"` + strings.Repeat(`,"1"`, 63) + `]}}`,
		`{"protocol":1,"type":3,"rsalt":"rs","query":{"3":[0,1,"2"]}}`,
		`{"protocol":123456789,"type":10,"rsalt":"é","query":"/cluster/cluster_name"}`,
	} {
		if !compareRequests(t, text) {
			t.Errorf("%s: not decoded", text)
		}
		var request wire.Request
		decoder, bytes := jx.DecodeBytes(nil), []byte(text)
		got := testing.AllocsPerRun(10, func() {
			request = wire.Request{}
			request.DecodeCommon(bytes)
		})
		most := testing.AllocsPerRun(10, func() {
			request = wire.Request{}
			decoder.ResetBytes(bytes)
			_ = request.Decode(decoder)
		})
		if got > most {
			t.Errorf("%s: %v allocations, but only %v the long way", text, got, most)
		}
	}
}

// What is of a common form is decoded as the long way decodes it: the vectors' requests, and
// what is left of them after a few bytes have changed.
func TestCommonRequestsAreTheSame(t *testing.T) {
	texts := requests(t)
	common := 0
	for _, text := range texts {
		if compareRequests(t, text) {
			common++
		}
	}
	if common < len(texts)/2 {
		t.Errorf("of %d requests in the vectors, only %d are of a common form", len(texts), common)
	}
	for _, test := range costly {
		compareRequests(t, `{"protocol":1,"rsalt":"x",`+test.members+`}`)
	}
	piece := rapid.SampledFrom([]string{
		"", " ", "\t", ",", ":", "{", "}", "[", "]", `"`, `\`, "\x00", "\x1f", "\x7f", "é", "\xff", "0", "1", "9", "-", ".", "e", "null", "nul", "true",
		`{}`, `[]`, `""`, `"a"`, `["a"]`, `["a","b" , "c"]`, `[null]`, `["a",]`, `["a"`, `"\u0061"`, `"\""`, "\"\n\"", `01`, `1.0`, `1e0`, `12`, `999999999`, `1000000000`, `2147483648`,
		`"0":null,`, `"1":"a",`, `"2":["a"],`, `"3":[0],`, `"3":["0",7,"x"],`, `"4":1,`, `"protocol":1,`, `"type":1,`, `"rsalt":"",`, `"query":{},`, `"query":{"0":"a"},`, `"query":null,`, `"Query":1,`,
		`["` + strings.Repeat(`","`, 63) + `"]`, `["` + strings.Repeat(`","`, 64) + `"]`,
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(texts).Draw(t, "text")
		if len(text) > 1000 {
			text = text[:1000]
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			from := rapid.IntRange(0, len(text)).Draw(t, "from")
			to := min(len(text), from+rapid.IntRange(0, 9).Draw(t, "length"))
			text = text[:from] + piece.Draw(t, "piece") + text[to:]
		}
		compareRequests(t, text)
	})
	tokens := rapid.SliceOfN(piece, 0, 12)
	rapid.Check(t, func(t *rapid.T) {
		inner := strings.Join(tokens.Draw(t, "query"), "")
		compareRequests(t, `{"protocol":1,"type":2,"rsalt":"rs","query":`+inner+`}`)
		compareRequests(t, `{"protocol":1,"type":2,"rsalt":"rs","query":{`+strings.TrimSuffix(inner, ",")+`}}`)
	})
}

func FuzzCommonRequests(f *testing.F) {
	for _, text := range requests(f) {
		if len(text) < 1000 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) { compareRequests(t, text) })
}
