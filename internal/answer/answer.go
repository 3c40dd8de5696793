// Package answer builds the reply to a request from a snapshot of the cluster, as Ganeti
// 3.0's own daemon does; package classic in it does the same for Ganeti 2.6.
// spec/answers.json has the shapes of the answers, spec/README.md the meaning of the
// request types in both dialects.
package answer

import (
	"bytes"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/rules"
	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	"gntconfd/internal/jsontext"
	"gntconfd/internal/protocol"
)

// Reply is a reply that is ready to be sealed.
type Reply struct {
	// Status is the status in Text.
	Status wire.Status
	// Text is the JSON text of a wire.Reply.
	Text []byte
	// Escaped is Text as a JSON string with its quotes if the reply was prepared, and nil
	// otherwise.
	Escaped []byte
	// TooLarge marks the error sent instead of a reply that does not fit into a datagram.
	TooLarge bool
}

// Response is a reply, with the rsalt and type of its request.
type Response struct {
	Type  wire.RequestType
	Rsalt string
	Reply
}

// Book answers requests from one snapshot. Replies that depend only on the snapshot, or on
// it and one node or link, are prepared when the Book is made. It is immutable and safe for
// concurrent use.
type Book struct {
	unavailable *Reply // the reply to everything if there is no snapshot

	snapshot *cluster.Snapshot
	master   *cluster.Node // nil if the configuration names no existing node
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

// Scratch is the memory for replies that were not prepared. The zero value is ready to use;
// each goroutine needs its own.
type Scratch struct {
	Answer  jx.Encoder // the answer of a reply
	Message jx.Encoder // the reply
	Text    jx.Writer  // a part of an answer
}

// answerers has one function for each request type. It gets those kinds of queries that
// spec/requests.json has an answer for, and returns false for a request that gets no reply.
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

// Prepare makes a Book from a snapshot. It takes time and memory in proportion to the nodes
// and addresses in the snapshot.
func Prepare(snapshot *cluster.Snapshot) *Book { return PrepareNext(nil, snapshot) }

// PrepareNext makes a Book from a snapshot. It takes over those replies of a former Book, if
// any, that are the same.
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

// Unavailable makes a Book that answers every request with the same error, for a daemon
// without a configuration.
func Unavailable(reason string) *Book {
	reply := new(Scratch).errorText(reason).Prepared()
	return &Book{unavailable: &reply}
}

// Respond decodes the request that codec has authenticated and answers it. The reply is
// valid until the next use of s. If the request gets no reply, the refusal says why.
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

// Answer returns the reply to a valid request, or false if it gets no reply. A reply that
// was not prepared is written into s and is valid until the next use of s.
func (b *Book) Answer(request *wire.Request, s *Scratch) (Reply, bool) {
	if b.unavailable != nil {
		return *b.unavailable, true
	}
	query := &noQuery
	if request.Query.Set {
		query = &request.Query.Value
	}
	switch rules.Requests[request.Type][kind(query)] {
	case rules.OutcomeAnswer:
		return answerers[request.Type](b, query, s)
	case rules.OutcomeEmptyQuery:
		return s.errorText(rules.TextEmptyQuery), true
	case rules.OutcomeObjectQuery:
		return s.errorText(ObjectQuery(&query.QueryParameters)), true
	case rules.OutcomeLinkQuery:
		return s.errorText(rules.TextLinkQuery), true
	case rules.OutcomeErrorArgument:
		return argumentError, true
	}
	return Reply{}, false
}

// kind returns the kind of a query.
func kind(query *wire.Query) int {
	switch query.Type {
	case wire.NullQuery:
		return rules.KindNone
	case wire.StringQuery:
		return rules.KindText
	}
	return rules.KindObject
}

// noQuery is the query of a request without one: an absent query means null.
var noQuery = wire.Query{Type: wire.NullQuery}

var tooLarge = func() Reply {
	reply := new(Scratch).errorText(TooLargeText).Prepared()
	reply.TooLarge = true
	return reply
}()

// TooLargeText is the answer of the error sent instead of a reply that does not fit into a
// datagram, in both dialects.
var TooLargeText = rules.TextTooLarge(": it does not fit into a datagram")

// TooLarge returns the error sent instead of a reply that does not fit into a datagram.
func (*Book) TooLarge() Reply { return tooLarge }

// The replies with an error code. They do not depend on the snapshot either.
var (
	unknownEntry  = new(Scratch).errorCode(wire.ErrorUnknownEntry).Prepared()
	argumentError = new(Scratch).errorCode(wire.ErrorArgument).Prepared()
)

// Begin returns the encoder for the next answer.
func (s *Scratch) Begin() *jx.Encoder {
	s.Answer.Reset()
	return &s.Answer
}

// end makes a reply from the answer written since Begin.
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

// prepare is like end, but the reply stays valid; a reply that does not fit into a datagram
// becomes tooLarge.
func (s *Scratch) prepare(serial int64) Reply {
	if Exceeds(&s.Answer, 0) {
		return tooLarge
	}
	return s.end(wire.StatusOK, serial).Prepared()
}

// prepareText prepares a reply whose answer is a text.
func (s *Scratch) prepareText(text string, serial int64) Reply {
	s.Begin().Str(Cut(text))
	return s.prepare(serial)
}

// Cut returns the beginning of a text. If the text as a JSON string does not fit into a
// datagram, neither does that beginning. So a reply with the beginning is too large if one
// with the whole text would be.
func Cut(text string) string {
	if 6*len(text) <= wire.MaxDatagramSize {
		return text
	}
	size := 0
	for i := range len(text) {
		if size += jsontext.QuotedSize(text[i]); size > wire.MaxDatagramSize {
			return text[:i+1]
		}
	}
	return text
}

// Quoted returns the size of a text as a JSON string in bytes, without its quotes. For a
// text that does not fit into a datagram it returns any number that does not fit either.
func Quoted(text string) int {
	size := 0
	for i := 0; i < len(text) && size <= wire.MaxDatagramSize; i++ {
		size += jsontext.QuotedSize(text[i])
	}
	return size
}

// Prepared returns a copy of r that stays valid, escaped for its envelope.
func (r Reply) Prepared() Reply {
	r.Text = bytes.Clone(r.Text)
	r.Escaped = jsontext.AppendQuoted(make([]byte, 0, len(r.Text)+len(r.Text)/4), r.Text)
	return r
}
