package client

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"testing"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
)

// waiting is a client without a socket. One question waits for the replies of two peers,
// with the salt "rs".
func waiting() (*Client, *call) {
	ring := protocol.NewKeyring(key)
	c := &Client{options: Options{Logger: slog.New(slog.DiscardHandler)}, keys: &keys{ring: ring}, calls: make(map[string]*call)}
	k := &call{client: c, salt: "rs", wake: make(chan struct{}, 1)}
	for _, name := range []string{"192.0.2.1:1814", "192.0.2.2:1814", "192.0.2.3:1814"} {
		k.targets = append(k.targets, &target{peer: &peer{name: name}, addrs: []netip.AddrPort{netip.MustParseAddrPort(name)}})
	}
	k.asked = 2
	c.peers.Store(new([]*peer))
	c.calls[k.salt] = k
	return c, k
}

// everyQuestion has one question of each kind.
var everyQuestion = []question{
	Ping().question, NodeRole("a").question, Locate("", ip("192.0.2.9")).question, LocateAll("", ip("192.0.2.9"), ip("2001:db8::9")).question,
	Master().question, MasterDetails().question, NodeIPs().question, CandidateIPs().question, InstanceIPs("").question,
	Minors("a").question, Instances("a").question, Disks("a").question, Config("").question, ConfigValue[[]string]("").question, Collectors().question, Raw(3, nil).question,
}

// FuzzReceive takes the text of an envelope, in which @HMAC@ stands for the right signature
// of the rest, and a reply, which is then signed. A datagram that is not signed for the
// question never becomes an opinion; one that is becomes exactly the opinion that it
// contains.
func FuzzReceive(f *testing.F) {
	ok := `{\"protocol\":1,\"status\":0,\"answer\":\"a\",\"serial\":7}`
	for _, envelope := range []string{
		`{"msg":"` + ok + `","salt":"rs","hmac":"@HMAC@"}`,
		" {\"x\":[{}], \"salt\":\"r\\u0073\",\"hmac\":\"@HMAC@\",\n\"msg\":\"" + ok + "\"} ",
		`{"msg":"` + ok + `","salt":"other","hmac":"@HMAC@"}`,
		`{"msg":"` + ok + `","salt":"","hmac":"@HMAC@"}`,
		`{"msg":"` + ok + `","salt":"rs","hmac":"@HMAC"}`,
		`{"msg":"` + ok + `","salt":"rs","hmac":"0000000000000000000000000000000000000000"}`,
		`{"msg":"` + ok + `","salt":"x","salt":"rs","hmac":"@HMAC@"}`,
		`{"msg":"` + ok + `","salt":"rs","hmac":"@HMAC@"}x`,
		`{"msg":"","salt":"rs","hmac":"@HMAC@"}`,
		`[]`, ``, `{`,
	} {
		f.Add([]byte(envelope), `{"protocol":1,"status":0,"answer":0,"serial":7}`)
	}
	for _, reply := range []string{
		`{"protocol":1,"status":0,"answer":[[0,"192.0.2.3",77],[1,0,0]],"serial":77}`,
		`{"protocol":1,"status":0,"answer":[[0,"192.0.2.3"],[1,1]],"serial":77}`,
		`{"protocol":1,"status":0,"answer":["node1","192.0.2.1",null],"serial":77}`,
		`{"protocol":1,"status":0,"answer":["192.0.2.1","2001:db8::1"],"serial":77}`,
		`{"protocol":1,"status":0,"answer":[["node1",0,"inst1","disk/0","primary","node2"]],"serial":77}`,
		`{"protocol":1,"status":0,"answer":{"lv":{"active":true,"interval":5000000}},"serial":9223372036854775807}`,
		`{"protocol":1,"status":0,"answer":"ok","serial":-1}`,
		`{"protocol":1,"status":1,"answer":2,"serial":0}`,
		`{"protocol":1,"status":1,"answer":1,"serial":5}`,
		`{"protocol":1,"status":1,"answer":"text"}`,
		`{"protocol":1,"status":2,"serial":5}`,
		`{"protocol":1,"status":0}`,
		`{"protocol":1,"status":99,"answer":[],"serial":5,"more":{}}`,
		`{"protocol":2,"status":0,"answer":1,"serial":5}`,
		`{"protocol":1,"status":1,"answer":1,"serial":5}{}`,
	} {
		f.Add([]byte(`{}`), reply)
	}
	peers := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1814"), netip.MustParseAddrPort("192.0.2.2:1814")}
	notAsked := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.3:1814"), netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("[::1]:1814")}
	f.Fuzz(func(t *testing.T, envelope []byte, reply string) {
		c, k := waiting()
		codec := protocol.NewCodec(c.keys.ring)
		var parts map[string]json.RawMessage
		var msg, salt string
		json.Unmarshal(envelope, &parts)
		json.Unmarshal(parts["msg"], &msg)
		json.Unmarshal(parts["salt"], &salt)
		mac := hmac.New(sha1.New, key)
		mac.Write([]byte(salt + msg))
		isSigned := bytes.Contains(envelope, []byte("@HMAC@"))
		signed := append([]byte("plj0"), bytes.ReplaceAll(envelope, []byte("@HMAC@"), []byte(hex.EncodeToString(mac.Sum(nil))))...)

		for _, datagram := range [][]byte{envelope, signed} {
			c.open(codec, datagram, peers[0])
		}
		if o := k.next(); o != nil {
			if !isSigned || salt != "rs" {
				t.Fatalf("taken with the salt %q, signed %v: %s", salt, isSigned, envelope)
			}
			k.judge(t, o)
		}

		// The same, from a peer and as a signed reply.
		second, err := codec.Seal(nil, "rs", []byte(reply), nil)
		if err != nil {
			return
		}
		for _, from := range notAsked {
			c.open(codec, second, from)
		}
		if k.next() != nil {
			t.Fatal("accepted from an address that was not asked")
		}
		for range 2 { // the second is a duplicate
			c.open(codec, second, peers[1])
		}
		if o := k.next(); o != nil {
			var members map[string]json.RawMessage
			if err := json.Unmarshal([]byte(reply), &members); err != nil {
				t.Fatalf("taken: %q: %v", reply, err)
			}
			if c.Stats().Of(Duplicate) == 0 {
				t.Fatal("the second was not counted as a duplicate")
			}
			for name, got := range map[string]any{"protocol": int64(wire.ProtocolVersion), "status": int64(o.status), "serial": o.serial} {
				var want int64
				if text := members[name]; text != nil && json.Unmarshal(text, &want) != nil || want != got {
					t.Fatalf("%s is %d in %s", name, got, reply)
				}
			}
			if answer := members["answer"]; answer != nil && !equalJSON(false, answer, o.json) {
				t.Fatalf("answer %s in %s", o.json, reply)
			}
			k.judge(t, o)
		}
		if k.next() != nil {
			t.Fatal("taken twice")
		}
	})
}

// judge interprets an opinion for each question.
func (k *call) judge(t *testing.T, o *opinion) {
	t.Helper()
	for _, q := range everyQuestion {
		one := *o
		q.interpret(&one)
		var status *StatusError
		switch {
		case one.status != wire.StatusOK:
			if !errors.As(one.err, &status) || one.value != nil || one.err.Error() == "" {
				t.Fatalf("type %d: %v, %v of status %d", q.typ, one.value, one.err, one.status)
			}
		case one.err != nil && (!errors.Is(one.err, ErrAnswer) || one.value != nil):
			t.Fatalf("type %d: %v, %v", q.typ, one.value, one.err)
		}
		v := votes{question: &q}
		v.add(&one)
		v.add(&one)
		if v.best != &one || v.agreeing != 2 || !v.consistent {
			t.Fatalf("type %d: %d agree with it", q.typ, v.agreeing)
		}
	}
}
