package fuzz

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
)

var (
	secret = []byte("secret\n")
	noon   = time.Unix(1_600_000_000, 0)
)

func newCodec(key []byte) *protocol.Codec { return protocol.NewCodec(protocol.NewKeyring(key)) }

// drawRequest generates a request, and returns its JSON value too.
func drawRequest(t *rapid.T) (*wire.Request, any) {
	value := values("wire.json#/definitions/Request").Draw(t, "request")
	request := new(wire.Request)
	if err := decodeInto(request, encode(value)); err != nil {
		t.Fatal(err)
	}
	return request, value
}

// TestRequestsComeThrough: opening a sealed request gives the same request, close enough to
// its time and only with its key.
func TestRequestsComeThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request, value := drawRequest(t)
		key := []byte(texts().Draw(t, "key"))
		datagram, err := newCodec(key).SealRequest([]byte("before"), request, noon)
		if err != nil {
			t.Fatal(err)
		}
		datagram = bytes.TrimPrefix(datagram, []byte("before"))
		if msg, _, err := openReply(key, datagram); err != nil || !equal(decode([]byte(msg)), value) {
			t.Fatalf("sealed as %s: %v", datagram, err)
		}
		away := rapid.OneOf(rapid.SampledFrom([]int64{0, 300, -300, 301, -301}), rapid.Int64Range(-1e6, 1e6)).Draw(t, "seconds away")
		opened, refusal := newCodec(key).Open(datagram, noon.Add(time.Duration(away)*time.Second))
		if max(away, -away) > wire.ClockSkew {
			if refusal != protocol.RefusedClock {
				t.Fatalf("%d seconds away: %v", away, refusal)
			}
			return
		}
		if refusal != protocol.Accepted || !equal(decode(encoded(opened)), value) {
			t.Fatalf("refusal %v of %s", refusal, datagram)
		}
		other := append(bytes.Clone(key), texts().Filter(func(s string) bool { return strings.Trim(s, "\x00") != "" }).Draw(t, "more of the key")...)
		if _, refusal := newCodec(other).Open(datagram, noon); refusal != protocol.RefusedHMAC {
			t.Fatalf("with key %q instead of %q: %v", other, key, refusal)
		}
	})
}

// TestOneBit: a datagram with one flipped bit is refused, or means the same.
func TestOneBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request, value := drawRequest(t)
		codec := newCodec(secret)
		datagram, err := codec.SealRequest(nil, request, noon)
		if err != nil {
			t.Fatal(err)
		}
		bit := rapid.IntRange(0, len(datagram)*8-1).Draw(t, "bit")
		datagram[bit/8] ^= 1 << (bit % 8)
		opened, refusal := codec.Open(datagram, noon)
		switch {
		case bit < 8*len(wire.Magic):
			if refusal != protocol.RefusedMagic {
				t.Fatalf("bit %d of %s: %v", bit, datagram, refusal)
			}
		case refusal == protocol.Accepted:
			// Hexadecimal digits may be upper or lower case.
			if !equal(decode(encoded(opened)), value) {
				t.Fatalf("bit %d of %s: read as %s", bit, datagram, encoded(opened))
			}
		case refusal != protocol.RefusedJSON && refusal != protocol.RefusedHMAC:
			t.Fatalf("bit %d of %s: %v", bit, datagram, refusal)
		}
	})
}

// TestRepliesComeThrough: opening a sealed reply gives its text and salt, and the datagram
// is the same whether its text was escaped in advance or not.
func TestRepliesComeThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := values("wire.json#/definitions/Reply").Draw(t, "reply")
		value.(map[string]any)["protocol"] = json.Number("1") // others are rejected
		salt := texts().Draw(t, "salt")
		text := encode(value)
		codec := newCodec(secret)
		datagram, err := codec.Seal(nil, salt, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		prepared, err := codec.Seal(nil, salt, text, encode(string(text)))
		if err != nil || !bytes.Equal(prepared, datagram) {
			t.Fatalf("%v\nprepared %s\n     not %s", err, prepared, datagram)
		}
		if msg, gotSalt, err := openReply(secret, datagram); err != nil || msg != string(text) || gotSalt != salt {
			t.Fatalf("%v, salt %q, text %s", err, gotSalt, msg)
		}
		reply, gotSalt, err := codec.OpenReply(datagram)
		if err != nil || gotSalt != salt || !equal(decode(encoded(reply)), value) {
			t.Fatalf("%v, salt %q, %s", err, gotSalt, datagram)
		}
	})
}

// TestSize: a datagram of the maximum size can be sealed and opened, one byte more cannot.
func TestSize(t *testing.T) {
	codec := newCodec(secret)
	request := &wire.Request{Protocol: 1}
	empty, err := codec.SealRequest(nil, request, noon)
	if err != nil {
		t.Fatal(err)
	}
	request.Rsalt = strings.Repeat("x", wire.MaxDatagramSize-len(empty))
	datagram, err := codec.SealRequest(nil, request, noon)
	if err != nil || len(datagram) != wire.MaxDatagramSize {
		t.Fatal(len(datagram), err)
	}
	if _, refusal := codec.Open(datagram, noon); refusal != protocol.Accepted {
		t.Error(refusal)
	}
	if _, refusal := codec.Open(append(datagram, ' '), noon); refusal != protocol.RefusedSize {
		t.Error(refusal)
	}
	request.Rsalt += "x"
	if datagram, err := codec.SealRequest([]byte("before"), request, noon); err != protocol.ErrTooLarge || string(datagram) != "before" {
		t.Error(len(datagram), err)
	}
}
