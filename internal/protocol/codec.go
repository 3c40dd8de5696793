// Package protocol opens and seals the datagrams of the confd protocol: magic, signed
// envelope, clock, request and reply, as described in spec/wire.json and spec/README.md. It
// does not use sockets.
package protocol

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/jsontext"
)

// Refusal says why a datagram was not opened, by the check that failed: size, magic,
// envelope, HMAC, clock, request. The zero value is Accepted. See "What a daemon checks" in
// spec/README.md.
type Refusal uint8

const (
	// Accepted: the datagram was opened.
	Accepted Refusal = iota
	// RefusedSize: shorter than the magic or longer than wire.MaxDatagramSize.
	RefusedSize
	// RefusedMagic: the first four bytes are not wire.Magic.
	RefusedMagic
	// RefusedJSON: the magic is not followed by a well-formed envelope.
	RefusedJSON
	// RefusedHMAC: the datagram was not signed with the cluster's key.
	RefusedHMAC
	// RefusedClock: the salt is not a timestamp, or is more than wire.ClockSkew from now.
	RefusedClock
	// RefusedRequest: the signed text is not a well-formed request.
	RefusedRequest
)

// ErrTooLarge is returned instead of a datagram of more than
// wire.MaxDatagramSize bytes.
var ErrTooLarge = errors.New("datagram too large")

// ErrText is returned instead of a request with a text that is not UTF-8, which no daemon
// would answer.
var ErrText = errors.New("a text in the request is not UTF-8")

// Errors of OpenReply, in addition to those for invalid JSON.
var (
	ErrMagic    = errors.New("datagram does not start with " + wire.Magic)
	ErrHMAC     = errors.New("signature is not valid for the key")
	ErrProtocol = fmt.Errorf("protocol is not %d", wire.ProtocolVersion)
)

// Codec opens and seals datagrams. It reuses its memory, so a datagram allocates only what
// the generated decoders allocate. Each goroutine needs its own Codec.
type Codec struct {
	ring    *Keyring
	keys    *keys       // the keys of the hashes below
	current hash.Hash   // HMAC with keys.current
	former  []hash.Hash // HMACs with keys.former
	opened  hash.Hash   // the hash for the key of the last datagram

	decoder   *jx.Decoder
	scanner   wire.Scanner
	encoder   *jx.Encoder
	writer    jx.Writer
	envelope  wire.EnvelopeBuffer
	timestamp int64 // the envelope's salt
	request   wire.Request
	classic   wire.ClassicRequest
	digest    [sha1.Size]byte
	scratch   []byte
	cause     error
}

// NewCodec returns a Codec that signs and verifies with the keys in ring.
func NewCodec(ring *Keyring) *Codec {
	return &Codec{ring: ring, decoder: jx.DecodeBytes(nil), encoder: new(jx.Encoder)}
}

// Open opens a datagram and returns its request, or why it was refused. It combines
// Authenticate and Request.
func (c *Codec) Open(datagram []byte, now time.Time) (*wire.Request, Refusal) {
	if refusal := c.Authenticate(datagram, now); refusal != Accepted {
		return nil, refusal
	}
	return c.Request()
}

// Authenticate checks a datagram up to its clock, which is the same in both dialects. It
// compares the signature in constant time, before the clock. Up to that comparison a
// datagram costs time linear in its size and allocates nothing, whatever it contains.
func (c *Codec) Authenticate(datagram []byte, now time.Time) Refusal {
	c.cause = nil
	if len(datagram) < len(wire.Magic) || len(datagram) > wire.MaxDatagramSize {
		return RefusedSize
	}
	if string(datagram[:len(wire.Magic)]) != wire.Magic {
		return RefusedMagic
	}
	if c.cause = c.openEnvelope(datagram[len(wire.Magic):]); c.cause != nil {
		return RefusedJSON
	}
	unix := now.Unix()
	if !c.verify(unix) {
		return RefusedHMAC
	}
	var ok bool
	c.timestamp, ok = parseTimestamp(c.envelope.Salt)
	if !ok || c.timestamp < unix-wire.ClockSkew || c.timestamp > unix+wire.ClockSkew {
		return RefusedClock
	}
	return Accepted
}

// Request decodes the request in the last authenticated datagram. It is valid until the
// next call.
func (c *Codec) Request() (*wire.Request, Refusal) {
	c.request, c.cause = wire.Request{}, nil
	// Texts of a common form are within requestBounds: they have only known names, each
	// once, and short lists.
	if c.request.DecodeCommon(c.envelope.Msg) && c.validateRequest() == nil {
		return &c.request, Accepted
	}
	c.request = wire.Request{}
	if c.cause = c.openMessage(c.request.Decode, c.validateRequest, requestNames); c.cause != nil {
		return nil, RefusedRequest
	}
	return &c.request, Accepted
}

// ClassicRequest is like Request in the dialect of Ganeti 2.6, which compares the clock
// including its fraction of a second: the oldest timestamp that Authenticate accepts is too
// old, unless now is a whole second.
func (c *Codec) ClassicRequest(now time.Time) (*wire.ClassicRequest, Refusal) {
	if c.timestamp == now.Unix()-wire.ClockSkew && now.Nanosecond() > 0 {
		return nil, RefusedClock
	}
	c.classic = wire.ClassicRequest{}
	if c.cause = c.openMessage(c.classic.Decode, c.classic.Validate, 1); c.cause != nil {
		return nil, RefusedRequest
	}
	if !isASCII(c.classic.Rsalt) {
		c.cause = errASCII
		return nil, RefusedRequest
	}
	return &c.classic, Accepted
}

// Cause returns the JSON decoder's error if the last datagram ended with RefusedJSON or
// RefusedRequest. It may quote the datagram, so use it only in debug logs.
func (c *Codec) Cause() error { return c.cause }

// Seal appends the datagram of a message to dst. It signs with the key of the last opened
// datagram, so that a client that does not know a new key yet can verify the reply; if none
// was opened, with the current key. The salt of a reply is the rsalt of its request. plain
// is the JSON text of the message; escaped is the same as a JSON string with its quotes, or
// nil to have it built here. The error is ErrTooLarge; dst is then returned unchanged. Seal
// panics if the keyring has no key.
func (c *Codec) Seal(dst []byte, salt string, plain, escaped []byte) ([]byte, error) {
	if c.opened == nil {
		return c.seal(dst, c.currentKey(), salt, plain, escaped)
	}
	return c.seal(dst, c.opened, salt, plain, escaped)
}

// SealRequest appends the datagram of a request to dst, with now as its timestamp. The
// datagram is ASCII, because Ganeti's own daemon reads Latin-1, not UTF-8. The error is
// ErrTooLarge or ErrText; dst is then returned unchanged. SealRequest panics if the keyring
// has no key.
func (c *Codec) SealRequest(dst []byte, request *wire.Request, now time.Time) ([]byte, error) {
	c.encoder.Reset()
	request.Encode(c.encoder)
	text := c.encoder.Bytes()
	if !validUTF8(text) {
		return dst, ErrText
	}
	return c.seal(dst, c.currentKey(), strconv.FormatInt(now.Unix(), 10), text, jsontext.QuoteASCII(text))
}

// OpenReply opens the datagram of a reply in either dialect. It returns the reply and the
// salt, which is the rsalt of the request. A daemon of Ganeti 2.6 omits null members. The
// errors are ErrTooLarge, ErrMagic, ErrHMAC, ErrProtocol, or those of a JSON decoder.
func (c *Codec) OpenReply(datagram []byte) (*wire.ClassicReply, string, error) {
	if len(datagram) > wire.MaxDatagramSize {
		return nil, "", ErrTooLarge
	}
	body, ok := bytes.CutPrefix(datagram, []byte(wire.Magic))
	if !ok {
		return nil, "", ErrMagic
	}
	if err := c.openEnvelope(body); err != nil {
		return nil, "", err
	}
	if !c.verify(time.Now().Unix()) {
		return nil, "", ErrHMAC
	}
	if !c.scanner.Valid(c.envelope.Msg, replyBounds) {
		return nil, "", errReply
	}
	reply := new(wire.ClassicReply)
	if err := c.decode(c.envelope.Msg, reply.Decode); err != nil {
		return nil, "", fmt.Errorf("reply: %w", err)
	}
	if reply.Protocol != wire.ProtocolVersion {
		return nil, "", ErrProtocol
	}
	return reply, string(c.envelope.Salt), nil
}

// envelopeFrame is an envelope as written by the generated codec, split at its three
// values, so that already escaped text can be inserted.
var envelopeFrame = func() [4][]byte {
	var e jx.Encoder
	(&wire.Envelope{Msg: "|", Salt: "|", Hmac: "|"}).Encode(&e)
	return [4][]byte(bytes.Split(e.Bytes(), []byte(`"|"`)))
}()

// seal appends a datagram signed with mac.
func (c *Codec) seal(dst []byte, mac hash.Hash, salt string, plain, escaped []byte) ([]byte, error) {
	if len(plain)+len(salt) > wire.MaxDatagramSize {
		return dst, ErrTooLarge
	}
	out := &c.writer
	out.Buf = append(dst, wire.Magic...)
	out.Raw(envelopeFrame[0])
	if escaped != nil {
		out.Raw(escaped)
	} else {
		out.Buf = jsontext.AppendQuoted(out.Buf, plain)
	}
	out.Raw(envelopeFrame[1])
	out.Str(salt)
	out.Raw(envelopeFrame[2])
	c.scratch = append(c.scratch[:0], salt...)
	sealed := append(out.Buf, '"')
	sealed = hex.AppendEncode(sealed, c.sum(mac, c.scratch, plain))
	sealed = append(append(sealed, '"'), envelopeFrame[3]...)
	if len(sealed)-len(dst) > wire.MaxDatagramSize {
		return dst, ErrTooLarge
	}
	return sealed, nil
}

// openEnvelope decodes the whole body into c.envelope.
func (c *Codec) openEnvelope(body []byte) error {
	if err := c.envelope.Decode(body); err != nil {
		return err
	}
	if !validUTF8(body) {
		return errUTF8
	}
	return nil
}

// requestBounds are limits for a request, so that decoding costs time and memory in
// proportion to its size. The decoder would build an error for each level of unclosed
// arrays, and for all bytes of an unknown name: such texts are rejected first. No known
// name is longer than this limit, even if it is completely escaped. Besides the lists there
// is room for the eight members that a request can have.
var requestBounds = wire.Bounds{Name: 64, Elements: wire.MaxListElements + 8*wire.MemberElements}

// requestNames is how many levels of objects in a request may contain only names that the
// decoder knows.
const requestNames = 2

// replyBounds are limits for a reply. Its lists may have any length.
var replyBounds = wire.Bounds{Elements: wire.MaxDatagramSize}

// openMessage decodes the whole msg of the envelope into a request and validates it. names
// is how many levels of objects may contain only names that the decoder knows.
func (c *Codec) openMessage(decode func(*jx.Decoder) error, validate func() error, names int) error {
	bounds := requestBounds
	bounds.Names = names
	if !c.scanner.Valid(c.envelope.Msg, bounds) {
		return errBounds
	}
	err := c.decode(c.envelope.Msg, decode)
	if err == nil {
		err = validate()
	}
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	return nil
}

// validateRequest returns what is wrong with the request. It stops at the first invalid
// field; the generated validator would build an error for each.
func (c *Codec) validateRequest() error {
	for _, field := range c.request.Query.Value.QueryParameters.Fields.Value {
		if err := field.Validate(); err != nil {
			return err
		}
	}
	return c.request.Validate()
}

var (
	errBounds = errors.New("request: not JSON, or a name or list is too long")
	errReply  = errors.New("reply: not JSON")
	errUTF8   = errors.New("not UTF-8")
	errASCII  = errors.New("request: rsalt is not ASCII")
)

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// decode runs a generated decoder on a text from the envelope. Those decoders accept any
// bytes inside strings and ignore what follows the value, but openEnvelope has made sure
// that the text is UTF-8, and the scanner that nothing follows.
func (c *Codec) decode(text []byte, into func(*jx.Decoder) error) error {
	c.decoder.ResetBytes(text)
	return into(c.decoder)
}

// verify reports whether the envelope was signed with the current key or with an old one
// that is still valid.
func (c *Codec) verify(now int64) bool {
	var want [sha1.Size]byte
	if len(c.envelope.Hmac) != hex.EncodedLen(len(want)) {
		return false
	}
	if _, err := hex.Decode(want[:], c.envelope.Hmac); err != nil {
		return false
	}
	if !c.loadKeys() {
		return false
	}
	c.opened = c.current
	if subtle.ConstantTimeCompare(c.sum(c.current, c.envelope.Salt, c.envelope.Msg), want[:]) == 1 {
		return true
	}
	for i, former := range c.keys.former {
		if now > former.until {
			continue
		}
		c.opened = c.former[i]
		if subtle.ConstantTimeCompare(c.sum(c.opened, c.envelope.Salt, c.envelope.Msg), want[:]) == 1 {
			return true
		}
	}
	return false
}

// sum returns the HMAC of the concatenation of two texts. It is valid until the next call.
func (c *Codec) sum(mac hash.Hash, first, second []byte) []byte {
	mac.Reset()
	mac.Write(first)
	mac.Write(second)
	return mac.Sum(c.digest[:0])
}

// loadKeys rebuilds the hash states after the keyring has changed. It returns false if
// there is no key yet.
func (c *Codec) loadKeys() bool {
	k := c.ring.keys.Load()
	if k == c.keys {
		return k != nil
	}
	c.keys, c.current, c.former, c.opened = k, hmac.New(sha1.New, k.current), nil, nil
	for _, former := range k.former {
		c.former = append(c.former, hmac.New(sha1.New, former.key))
	}
	return true
}

// currentKey returns the HMAC with the key for signing.
func (c *Codec) currentKey() hash.Hash {
	if !c.loadKeys() {
		panic("protocol: sealing without a key")
	}
	return c.current
}

// parseTimestamp reads a decimal integer with an optional sign and optional white space
// around it. Numbers too large for any clock are rejected.
func parseTimestamp(salt []byte) (int64, bool) {
	digits := bytes.Trim(salt, " \t\n\v\f\r")
	negative := bytes.HasPrefix(digits, []byte("-"))
	if negative || bytes.HasPrefix(digits, []byte("+")) {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		return 0, false
	}
	var n int64
	for _, d := range digits {
		if d < '0' || d > '9' || n > 1<<53 {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}
