package fuzz

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/answer/classic"
	"gntconfd/internal/cluster"
	"gntconfd/internal/cluster/canonical"
	"gntconfd/internal/jsontext"
	"gntconfd/internal/protocol"
)

// station is a daemon without sockets: keys, and the answers of one cluster.
type station struct {
	codec   *protocol.Codec
	book    *answer.Book
	model   model
	scratch answer.Scratch
}

func newStation(f *testing.F) *station {
	c := clusters().Example(1)
	snapshot, err := cluster.Parse(slices.Clone(c.file))
	if err != nil {
		f.Fatal(err)
	}
	return &station{codec: newCodec(secret), book: answer.Prepare(snapshot), model: model{c.doc}}
}

// receive passes a datagram through all steps and checks each of them. It returns how far
// the datagram got.
func (s *station) receive(t *testing.T, datagram []byte) protocol.Refusal {
	request, refusal := s.codec.Open(slices.Clone(datagram), noon)
	if (request == nil) == (refusal == protocol.Accepted) {
		t.Fatalf("request %v with refusal %v", request, refusal)
	}
	// Earlier datagrams of a codec make no difference.
	first, same := newCodec(secret).Open(datagram, noon)
	if same != refusal || request != nil && string(encoded(first)) != string(encoded(request)) {
		t.Fatalf("refusal %v, but at first %v", refusal, same)
	}
	if request == nil {
		return refusal
	}
	text := encoded(request)
	if err := schemas.validate("wire.json#/definitions/Request", decode(text)); err != nil {
		t.Fatalf("accepted against the schema: %v\n%s", err, text)
	}
	got, ok := checkReply(t, s.codec, s.book, request, &s.scratch)
	if !ok {
		return refusal
	}
	checkShape(t, request.Type, got)
	query := decode(text).(object)["query"]
	if want := s.model.answer(request.Type, query); got.Status != want.Status || !equal(got.Answer, want.Answer) || !equal(got.Serial, want.Serial) {
		t.Fatalf("%s\n got %d %s serial %s\nwant %d %s serial %s", text,
			got.Status, encode(got.Answer), got.Serial, want.Status, encode(want.Answer), want.Serial)
	}
	return refusal
}

// FuzzDatagram takes the envelope's text, in which @HMAC@ stands for the right signature of
// the rest.
func FuzzDatagram(f *testing.F) {
	ping := `{\"protocol\":1,\"type\":0,\"rsalt\":\"rs\"}`
	for _, envelope := range []string{
		`{"msg":"` + ping + `","salt":"1600000000","hmac":"@HMAC@"}`,
		"\t{ \"x\":[{}],\"salt\":\"+1600000300\",\"hmac\":\"@HMAC@\",\n\"msg\":\"" + ping + "\"} ",
		`{"msg":"","msg":"` + ping + `","salt":"-1","salt":" 1600000000","hmac":"@HMAC@"}`,
		`{"msg":"\u007b\"protocol\":1,\"type\":3,\"rsalt\":\"\ud83d\ude00\u20ac\"}","salt":"1600000000","hmac":"@HMAC@"}`,
		`{"msg":"` + ping + `","salt":"(1600000000)","hmac":"@HMAC@"}`,
		`{"msg":"` + ping + `","salt":"1600000000","hmac":"@HMAC"}`,
		`{"msg":"\ud800","salt":"1600000000","hmac":"@HMAC@"}`,
		`[{"msg":"` + ping + `","salt":"1600000000","hmac":"@HMAC@"}]`,
		`{"msg":"` + ping + `","salt":"1600000000","hmac":"@HMAC@"}x`,
		`{"msg":"` + ping + `","salt":"1600000000","hmac":"@HMAC@","x":"` + "\xe9" + `"}`,
		`{"msg":"` + strings.Replace(ping, "rs", "\xc0\x80", 1) + `","salt":"1600000000","hmac":"@HMAC@"}`,
	} {
		f.Add([]byte(envelope))
	}
	s := newStation(f)
	f.Fuzz(func(t *testing.T, envelope []byte) {
		var parts struct{ Msg, Salt string }
		isJSON := json.Unmarshal(envelope, &parts) == nil
		signature := hex.EncodeToString(mac(secret, parts.Salt+parts.Msg))
		datagram := append([]byte("plj0"), strings.ReplaceAll(string(envelope), "@HMAC@", signature)...)
		refusal := s.receive(t, datagram)
		switch {
		case len(datagram) > wire.MaxDatagramSize:
			if refusal != protocol.RefusedSize {
				t.Fatalf("refusal %v of %d bytes", refusal, len(datagram))
			}
		case !json.Valid(envelope) || !utf8.Valid(envelope):
			if refusal != protocol.RefusedJSON {
				t.Fatalf("refusal %v for invalid JSON", refusal)
			}
		case !isJSON && refusal == protocol.Accepted:
			t.Fatal("accepted with a wrong type")
		case refusal == protocol.Accepted || refusal == protocol.RefusedClock || refusal == protocol.RefusedRequest:
			if !strings.Contains(string(envelope), "@HMAC@") {
				t.Fatalf("refusal %v for an unsigned datagram", refusal)
			}
		}
	})
}

// FuzzRequest takes the signed text; the rest is valid.
func FuzzRequest(f *testing.F) {
	for _, request := range []string{
		`{"protocol":1,"type":0,"rsalt":"rs"}`,
		` { "rsalt" : "" , "query" : null , "type" : 3 , "protocol" : -1 } `,
		`{"protocol":1,"type":1,"rsalt":"rs","query":"a"}`,
		`{"protocol":1,"type":2,"rsalt":"rs","query":{"0":"br0","1":null,"2":["10.0.0.1",""],"3":null}}`,
		`{"protocol":1,"type":2,"rsalt":"rs","query":{"1":"10.0.0.1"}}`,
		`{"protocol":1,"type":3,"rsalt":"rs","query":{"3":[0,"1",2]}}`,
		`{"protocol":1,"type":6,"rsalt":"rs","query":""}`,
		`{"protocol":1,"type":7,"rsalt":"rs","query":{"0":"\u000eH\u007f1","1":"\u00e91\ud83d\ude00"}}`,
		`{"protocol":1,"type":8,"rsalt":"rs","query":"a.x"}`,
		`{"protocol":1,"type":9,"rsalt":"rs","query":"u1"}`,
		`{"protocol":1,"type":10,"rsalt":"rs","query":"/cluster/hvparams/kvm/deep/list/1/1/~0"}`,
		`{"protocol":1,"type":11,"rsalt":"rs"}`,
		`{"protocol":1,"type":12,"rsalt":"rs"}`,
		`{"protocol":1,"type":1,"type":0,"rsalt":"rs"}`,
	} {
		f.Add(request)
	}
	s := newStation(f)
	f.Fuzz(func(t *testing.T, request string) {
		datagram := sign(secret, strconv.FormatInt(noon.Unix(), 10), request)
		refusal := s.receive(t, datagram)
		if !utf8.ValidString(request) || len(datagram) > wire.MaxDatagramSize {
			return
		}
		if refusal != protocol.Accepted && refusal != protocol.RefusedRequest {
			t.Fatalf("refusal %v for a signed datagram", refusal)
		}
		value, err := tryDecode([]byte(request))
		if valid := err == nil && schemas.validate("wire.json#/definitions/Request", value) == nil; refusal == protocol.Accepted && !valid {
			t.Fatalf("accepted against the schema: %s", request)
		}
	})
}

// FuzzClassicRequest takes the signed text in the dialect of Ganeti 2.6.
func FuzzClassicRequest(f *testing.F) {
	for _, request := range []string{
		`{"protocol":1,"type":0,"rsalt":"rs"}`,
		`{"protocol":1,"type":1,"rsalt":"rs","query":[]}`,
		`{"protocol":1,"type":2,"rsalt":"rs","query":{"0":[],"1":null,"2":["10.0.0.1",""],"3":null}}`,
		`{"protocol":1,"type":2,"rsalt":"rs","query":{"0":-0.0e9,"2":{"10.0.0.1":1,"10.0.0.1":2}}}`,
		`{"protocol":1,"type":2,"rsalt":"rs","query":{"2":"\ud83d\ude00\ud800"}}`,
		`{"protocol":1,"type":3,"rsalt":"rs","query":{"3":[0,"1",[],{},"0"]}}`,
		`{"protocol":1,"type":6,"rsalt":"rs","query":1e999}`,
		`{"protocol":1,"type":7,"rsalt":"rs","query":{"3":["2",0]}}`,
		`{"protocol":1,"type":7,"rsalt":"rs","query":"a"}`,
		`{"protocol":1,"type":11,"rsalt":"\u007f","query":null,"query":[[[]]]}`,
	} {
		f.Add(request)
	}
	c := clusters().Example(1)
	snapshot, err := cluster.Parse(slices.Clone(c.file))
	if err != nil {
		f.Fatal(err)
	}
	codec, book := newCodec(secret), classic.Prepare(snapshot)
	f.Fuzz(func(t *testing.T, text string) {
		datagram := sign(secret, strconv.FormatInt(noon.Unix(), 10), text)
		if codec.Authenticate(datagram, noon) != protocol.Accepted {
			return
		}
		request, refusal := codec.ClassicRequest(noon)
		if refusal != protocol.Accepted {
			return
		}
		if err := schemas.validate("wire.json#/definitions/ClassicRequest", decode([]byte(text))); err != nil {
			t.Fatalf("accepted against the schema: %v\n%s", err, text)
		}
		reply, ok := book.Answer(request, new(answer.Scratch))
		if !ok {
			return
		}
		if err := schemas.validate("wire.json#/definitions/ClassicReply", decode(reply.Text)); err != nil {
			t.Fatalf("reply against the schema: %v\n%s\n%s", err, text, reply.Text)
		}
		if again, _ := book.Answer(request, new(answer.Scratch)); string(again.Text) != string(reply.Text) {
			t.Fatalf("%s\n%s, then\n%s", text, reply.Text, again.Text)
		}
	})
}

// FuzzConfig takes the configuration file.
func FuzzConfig(f *testing.F) {
	f.Add(smallestCluster)
	for seed := range 3 {
		f.Add(clusters().Example(seed).file)
	}
	f.Add([]byte(`{"version":1,"cluster":{"serial_no":1,"master_node":"","master_ip":"","nicparams":{}},"nodes":{},"instances":{},"disks":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) { loadAndAsk(t, data) })
}

// FuzzPointer takes a value, and a pointer into it.
func FuzzPointer(f *testing.F) {
	value := `{"a":{"":[1.50,[true,null,"é"],{"~":"tilde","/":{}}],"m~n":1e2},"a":{"b":"last"},"0":[0,1,2,3,4,5,6,7,8,9,10]}`
	for _, pointer := range []string{"", "/", "a", "/a", "/a/b", "/a//1/2", "/a//2/~0", "/a//2/~1/", "/a/m~0n", "/~01", "/~", "/~2", "/0/10", "/0/01", "/0/-", "/0/-1", "/0/+1", "/0/11", "/0/18446744073709551617", "/0/1e0", "/a/\xff"} {
		f.Add(value, pointer)
	}
	f.Add(`{"a":{"":[1.5,[true,null,"é"],{"~":"tilde","/":{}}],"m~n":1e2}}`, "/a//2/~1")
	form := canonical.Of("Parameters")
	f.Fuzz(func(t *testing.T, value, pointer string) {
		text, err := form.Append(nil, []byte(value))
		_, invalid := tryDecode([]byte(value))
		if err != nil {
			if invalid == nil && utf8.ValidString(value) {
				t.Fatalf("%v: %s", err, value)
			}
			return
		}
		if invalid != nil {
			t.Fatalf("%s: canonical form %s, but %v", value, text, invalid)
		}
		if strings.Contains(string(text), `\ud`) {
			return // half a surrogate pair, which Go's decoder replaces
		}
		doc := decode(text)
		want, wanted := walk(doc, pointer)
		tokens, err := jsontext.ParsePointer(pointer)
		if err != nil {
			if wanted {
				t.Fatalf("%q: %v, want %s of %s", pointer, err, encode(want), text)
			}
			return
		}
		got, found := canonical.Lookup(text, tokens)
		if found != wanted || found && !equal(decode(got), want) {
			t.Fatalf("%q: %v %s, want %v %s of %s", pointer, found, got, wanted, encode(want), text)
		}
	})
}
