package protocol

import (
	"errors"
	"io"
	"testing"
	"unicode/utf8"

	"github.com/go-faster/jx"
	"pgregory.net/rapid"

	"gntconfd/gen/wire"
)

// The two generated decoders of an envelope accept the same texts and decode the same
// values, which are UTF-8 if the envelope is.
func TestEnvelopeDecoders(t *testing.T) {
	var buffer wire.EnvelopeBuffer
	member := rapid.SampledFrom([]string{
		`"msg":"{\"type\":0}"`, `"msg":""`, `"msg":"é\ud83d\ude00\ud800"`, `"msg":null`, `"msg":{}`, `"m\u0073g":"x"`,
		`"salt":"1700000000"`, `"salt": "\n\t"`, `"salt":1`, "\"salt\":\"\t\"", `"salt":"a`, `"salt":"\x"`,
		`"hmac":"0123456789abcdef"`, `"hmac":[]`, `"hmac" : "\u0000"`,
		`"other":[1,{"a":null}]`, `"other":tru`, `"":""`, `other`, ``,
		`"n":[[],{},[ ],{ }, -0.5e+3 ,true,false,null,"\u00zz"]`, `"n":[-0,0.0,1E5,10]`, `"n":01`, `"n":1.`, `"n":-`, `"n":1e`,
		`"n":{"a":{"b":[{"c":1},2]},"d":""}`, `"n":{"a"}`, `"n":[1 2]`, `"n":[1}`, `"n":{"a":1]`, `"n":[,]`, `"n":{,}`, `"n":[1,]`,
		`"n":"\ud800\u0041\/\b"`, `"\ud83d\ude00":"\q"`, `"\u":1`, `"salt":"\ud800\ud800\udc00"`, `"salt":"\ud800\n\u00e9"`,
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"{", " {", "[", "", "{,"}).Draw(t, "start")
		for i, m := range rapid.SliceOfN(member, 0, 6).Draw(t, "members") {
			if i > 0 {
				text += rapid.SampledFrom([]string{",", ", ", " ,", ":", ""}).Draw(t, "comma")
			}
			text += m
		}
		text += rapid.SampledFrom([]string{"}", " }", ",}", "]", "", "}}", "} "}).Draw(t, "end")
		compareEnvelopes(t, &buffer, text)
	})
}

func FuzzEnvelopeDecoders(f *testing.F) {
	f.Add(`{"msg":"a\"b","salt":"1","hmac":"00","x":[{}]}`)
	f.Add(`{"msg":"","salt":"","hmac":"","hmac":"again"}`)
	f.Fuzz(func(t *testing.T, text string) { compareEnvelopes(t, new(wire.EnvelopeBuffer), text) })
}

func compareEnvelopes(t interface{ Fatalf(string, ...any) }, buffer *wire.EnvelopeBuffer, text string) {
	var want wire.Envelope
	d := jx.DecodeStr(text)
	wantErr := want.Decode(d)
	if wantErr == nil && d.Skip() != io.EOF {
		wantErr = errors.New("text after the envelope")
	}
	err := buffer.Decode([]byte(text))
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s: %v, but %v", text, err, wantErr)
	}
	if err != nil {
		return
	}
	if string(buffer.Msg) != want.Msg || string(buffer.Salt) != want.Salt || string(buffer.Hmac) != want.Hmac {
		t.Fatalf("%s: %q, but %+v", text, buffer, want)
	}
	if utf8.ValidString(text) {
		for _, value := range [][]byte{buffer.Msg, buffer.Salt, buffer.Hmac} {
			if !utf8.Valid(value) {
				t.Fatalf("%s: %q is not UTF-8", text, value)
			}
		}
	}
}
