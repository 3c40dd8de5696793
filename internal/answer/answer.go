// Package answer gives the reply to a request from a snapshot of the cluster, in the
// words of Ganeti's own daemon of release 3.0; the package classic in it does in those of
// 2.6. spec/answers.json has the shapes of the answers, spec/README.md the meaning of the
// request types in either dialect.
package answer

import (
	"bytes"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	protocol "gntconfd/internal/wire"
)

// Reply is the reply to a request, ready to be sealed.
type Reply struct {
	// Status is the status that Text carries.
	Status wire.Status
	// Text is the JSON text of a wire.Reply.
	Text []byte
	// Escaped is Text as a JSON string with its quotes when the reply was
	// prepared, and nil otherwise.
	Escaped []byte
	// TooLarge marks the reply that took the place of one which does not fit
	// into a datagram.
	TooLarge bool
}

// Response is a reply with what its request said of itself.
type Response struct {
	Type  wire.RequestType
	Rsalt string
	Reply
}

// Book answers requests from one snapshot. Replies that depend on nothing but the
// snapshot, or on it and the one node or link that is asked about, are prepared
// when the Book is made. It is immutable and safe for concurrent use.
type Book struct {
	unavailable *Reply // the reply to everything, when there is no snapshot

	snapshot *cluster.Snapshot
	master   *cluster.Node // nil when the configuration names no node it has
	noMaster cluster.Match // why master is nil

	ping       Reply
	roles      [wire.NodeRoleRegular + 1]Reply
	nodeIPs    []Reply  // by index of snapshot.Nodes
	nodeNames  []string // as JSON texts, by index of snapshot.Nodes
	masterName Reply
	allNodes   Reply
	candidates Reply
	links      map[string]Reply
	emptyLink  Reply
	collectors Reply
}

// Scratch is the memory for replies that were not prepared. The zero value is
// ready for use; each goroutine needs its own.
type Scratch struct {
	Answer  jx.Encoder // the answer of a reply
	Message jx.Encoder // the reply
	Text    jx.Writer  // part of an answer
}

// answerers has one function for each request type. They return false for a
// request that is met with silence.
var answerers = [...]func(*Book, *wire.Query, *Scratch) (Reply, bool){
	wire.RequestPing:                (*Book).answerPing,
	wire.RequestNodeRoleByName:      (*Book).answerNodeRole,
	wire.RequestNodePIPByInstanceIP: (*Book).answerNodeByInstanceIP,
	wire.RequestClusterMaster:       (*Book).answerMaster,
	wire.RequestNodePIPList:         (*Book).answerNodeList,
	wire.RequestMCPIPList:           (*Book).answerCandidateList,
	wire.RequestInstanceIPsList:     (*Book).answerLink,
	wire.RequestNodeDRBD:            (*Book).answerNodeMinors,
	wire.RequestNodeInstances:       (*Book).answerNodeInstances,
	wire.RequestInstanceDisks:       (*Book).answerInstanceDisks,
	wire.RequestConfigQuery:         (*Book).answerConfig,
	wire.RequestDataCollectors:      (*Book).answerCollectors,
}

// Prepare makes a Book of a snapshot.
func Prepare(snapshot *cluster.Snapshot) *Book { return PrepareNext(nil, snapshot) }

// PrepareNext makes a Book of a snapshot, with those replies of a former Book, if any, that
// are the same.
func PrepareNext(former *Book, snapshot *cluster.Snapshot) *Book {
	b := &Book{snapshot: snapshot}
	if former == nil || former.snapshot == nil || former.snapshot.Serial != snapshot.Serial {
		former = &Book{snapshot: new(cluster.Snapshot)} // nearly all replies have the serial number
	}
	var s Scratch
	b.preparePing(&s)
	b.prepareNodes(&s, former)
	b.prepareMaster(&s)
	b.prepareLinks(&s, former)
	b.prepareCollectors(&s)
	return b
}

// Unavailable makes a Book that answers every request with the same error: what
// a daemon without a configuration says.
func Unavailable(reason string) *Book {
	reply := new(Scratch).errorText(reason).Prepared()
	return &Book{unavailable: &reply}
}

// Respond decodes the request that codec has authenticated and answers it. The reply is
// valid until the next use of s. Whether the request is met with silence, and why, is told
// by the refusal.
func (b *Book) Respond(codec *protocol.Codec, _ time.Time, s *Scratch) (Response, protocol.Refusal) {
	request, refusal := codec.Request()
	if refusal != protocol.Accepted {
		return Response{}, refusal
	}
	reply, ok := b.Answer(request, s)
	if !ok {
		return Response{}, protocol.RefusedRequest
	}
	return Response{request.Type, request.Rsalt, reply}, protocol.Accepted
}

// Answer returns the reply to a valid request, and false when it is met with
// silence. A reply that was not prepared is made in s and valid until the next
// use of s.
func (b *Book) Answer(request *wire.Request, s *Scratch) (Reply, bool) {
	if b.unavailable != nil {
		return *b.unavailable, true
	}
	query := &noQuery
	if request.Query.Set {
		query = &request.Query.Value
	}
	return answerers[request.Type](b, query, s)
}

// noQuery is the query of a request without one: no such member means null.
var noQuery = wire.Query{Type: wire.NullQuery}

var tooLarge = func() Reply {
	reply := new(Scratch).errorText(TooLargeText).Prepared()
	reply.TooLarge = true
	return reply
}()

// TooLargeText is the answer of the reply that takes the place of one which does not fit
// into a datagram, in either dialect.
const TooLargeText = "Reply too large: it does not fit into a datagram"

// TooLarge returns the reply that takes the place of one which does not fit into a
// datagram.
func (*Book) TooLarge() Reply { return tooLarge }

// The replies with an error code, which do not depend on the snapshot either.
var (
	unknownEntry  = new(Scratch).errorCode(wire.ErrorUnknownEntry).Prepared()
	argumentError = new(Scratch).errorCode(wire.ErrorArgument).Prepared()
)

// Begin returns the encoder that the next answer is written with.
func (s *Scratch) Begin() *jx.Encoder {
	s.Answer.Reset()
	return &s.Answer
}

// end makes a reply of the answer that was written since Begin.
func (s *Scratch) end(status wire.Status, serial int64) Reply {
	reply := wire.Reply{
		Protocol: wire.ProtocolVersion,
		Status:   status,
		Answer:   s.Answer.Bytes(),
		Serial:   serial,
	}
	s.Message.Reset()
	reply.Encode(&s.Message)
	return Reply{Status: status, Text: s.Message.Bytes()}
}

// prepare is end for a reply that lasts: tooLarge for one that does not fit into a
// datagram.
func (s *Scratch) prepare(status wire.Status, serial int64) Reply {
	if Exceeds(&s.Answer, 0) {
		return tooLarge
	}
	return s.end(status, serial).Prepared()
}

// prepareText prepares the reply whose answer is a text.
func (s *Scratch) prepareText(text string, serial int64) Reply {
	s.Begin().Str(Cut(text))
	return s.prepare(wire.StatusOK, serial)
}

// Cut returns the beginning of a text, of more bytes than fit into a datagram if the
// text has that many as a JSON string. A reply with the one in it is too large if that
// with the other is.
func Cut(text string) string {
	if 6*len(text) <= wire.MaxDatagramSize {
		return text
	}
	size := 0
	for i := range len(text) {
		if size += quotedSize(text[i]); size > wire.MaxDatagramSize {
			return text[:i+1]
		}
	}
	return text
}

// Quoted returns how many bytes a text has as a JSON string, without its quotes; of one
// that does not fit into a datagram some number that does not either.
func Quoted(text string) int {
	size := 0
	for i := 0; i < len(text) && size <= wire.MaxDatagramSize; i++ {
		size += quotedSize(text[i])
	}
	return size
}

// quotedSize returns how many bytes a byte of a text has in a JSON string.
func quotedSize(c byte) int {
	switch {
	case c == '\n' || c == '\r' || c == '\t':
		return len(`\n`)
	case c < ' ':
		return len(`\u0000`)
	case c == '"' || c == '\\':
		return len(`\\`)
	}
	return 1
}

// Prepared returns a copy of r that lasts, escaped for its envelope.
func (r Reply) Prepared() Reply {
	r.Text = bytes.Clone(r.Text)
	var w jx.Writer
	w.ByteStr(r.Text)
	r.Escaped = w.Buf
	return r
}
