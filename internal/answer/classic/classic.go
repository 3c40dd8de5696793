// Package classic builds the reply to a request from a snapshot of the cluster, as the
// daemon of Ganeti 2.6 did. That daemon was written in Python, so query values follow
// Python's rules; see "The dialect of Ganeti 2.6 and before" in spec/README.md.
package classic

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/rules"
	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
)

// Book answers requests from one snapshot. It is immutable and safe for concurrent use.
type Book struct {
	snapshot *cluster.Snapshot
	serial   wire.OptInt64
	master   any // the master's name, or nil if the configuration has none

	allNodes   answer.Reply
	candidates answer.Reply
	links      map[string]*link
	emptyLink  answer.Reply
	tooLarge   answer.Reply

	byInstance map[string][]int32 // for each node, its minors by instance UUID, as positions in its Minors
}

// query is the query of a request, as text and as a value: see decode.
type query struct {
	text  jx.Raw // nil if the request has none
	value any
}

// answerers has one function for each request type that the dialect has. It gets those kinds
// of queries that spec/requests.json has an answer for, and returns false for a request that
// gets no reply.
var answerers = [...]func(*Book, query, *answer.Scratch) (answer.Reply, bool){
	wire.RequestPing:                (*Book).answerPing,
	wire.RequestNodeRoleByName:      (*Book).answerNodeRole,
	wire.RequestNodePIPByInstanceIP: (*Book).answerNodeByInstanceIP,
	wire.RequestClusterMaster:       (*Book).answerMaster,
	wire.RequestNodePIPList:         (*Book).answerNodeList,
	wire.RequestMCPIPList:           (*Book).answerCandidateList,
	wire.RequestInstanceIPsList:     (*Book).answerLink,
	wire.RequestNodeDRBD:            (*Book).answerNodeMinors,
}

// Prepare makes a Book from a snapshot. It returns nil if the snapshot has no default NIC
// parameters: Ganeti's daemon does not run with such a configuration.
func Prepare(snapshot *cluster.Snapshot) *Book {
	if !snapshot.HasDefaultLink {
		return nil
	}
	b := &Book{snapshot: snapshot}
	if snapshot.ConfigSerial != 0 {
		b.serial.SetTo(snapshot.ConfigSerial)
	}
	if snapshot.MasterNode != "" {
		b.master = snapshot.MasterNode
		if node := b.node(snapshot.MasterNode); node != nil {
			b.master = node.Name
		}
	}
	var s answer.Scratch
	b.tooLarge = b.text(&s, wire.StatusError, answer.TooLargeText).Prepared()
	b.tooLarge.TooLarge = true
	b.prepareNodes(&s)
	b.prepareLinks(&s)
	b.sortMinors()
	return b
}

// Respond is like answer.Book.Respond in this dialect, whose clock has a fraction of a
// second.
func (b *Book) Respond(codec *protocol.Codec, now time.Time, s *answer.Scratch) (answer.Response, protocol.Refusal) {
	request, refusal := codec.ClassicRequest(now)
	if refusal != protocol.Accepted {
		return answer.Response{}, refusal
	}
	reply, ok := b.Answer(request, s)
	if !ok {
		return answer.Response{}, protocol.RefusedRequest
	}
	return answer.Response{Type: request.Type, Rsalt: request.Rsalt, Reply: reply}, protocol.Accepted
}

// Answer returns the reply to a valid request, or false if it gets no reply. A reply that
// was not prepared is written into s and is valid until the next use of s.
func (b *Book) Answer(request *wire.ClassicRequest, s *answer.Scratch) (answer.Reply, bool) {
	query := query{text: request.Query}
	if query.text != nil {
		var err error
		if query.value, err = decode(jx.DecodeBytes(query.text)); err != nil {
			return answer.Reply{}, false
		}
	}
	switch rules.ClassicRequests[request.Type][kind(query.value)] {
	case rules.OutcomeAnswer:
		return answerers[request.Type](b, query, s)
	case rules.OutcomePingQuery:
		return b.text(s, wire.StatusError, rules.TextPingQuery), true
	case rules.OutcomeNodesQuery:
		return b.text(s, wire.StatusError, rules.TextNodesQuery), true
	case rules.OutcomeCandidatesQuery:
		return b.text(s, wire.StatusError, rules.TextCandidatesQuery), true
	case rules.OutcomeEmptyQuery:
		return b.text(s, wire.StatusError, rules.TextEmptyQuery), true
	case rules.OutcomeObjectQuery:
		var parsed wire.Query
		if err := parsed.Decode(jx.DecodeBytes(query.text)); err != nil || parsed.Validate() != nil {
			return answer.Reply{}, false
		}
		return b.text(s, wire.StatusError, answer.ObjectQuery(&parsed.QueryParameters)), true
	case rules.OutcomeNotImplemented:
		return b.text(s, wire.StatusNotImplemented, rules.TextNotImplemented), true
	case rules.OutcomeClassicErrorUnknownEntry:
		return b.code(s, wire.StatusError, wire.ClassicErrorUnknownEntry), true
	case rules.OutcomeClassicErrorArgument:
		return b.code(s, wire.StatusError, wire.ClassicErrorArgument), true
	}
	return answer.Reply{}, false
}

// TooLarge returns the error sent instead of a reply that does not fit into a datagram.
func (b *Book) TooLarge() answer.Reply { return b.tooLarge }

func (b *Book) answerPing(_ query, s *answer.Scratch) (answer.Reply, bool) {
	return b.text(s, wire.StatusOK, "ok"), true
}

// answerNodeRole answers with the role of a node. The master is recognized only by its
// name, even if no such node exists.
func (b *Book) answerNodeRole(query query, s *answer.Scratch) (answer.Reply, bool) {
	if query.value == b.master {
		return b.code(s, wire.StatusOK, answer.Role(rules.ClassicRoles[:], true, new(cluster.Node))), true
	}
	name, _ := query.value.(string)
	i, match := b.snapshot.FindNode(name)
	if query.value == nil || match != cluster.Found || b.snapshot.Nodes[i].Name != name {
		return b.code(s, wire.StatusError, wire.ClassicErrorUnknownEntry), true
	}
	return b.code(s, wire.StatusOK, answer.Role(rules.ClassicRoles[:], false, &b.snapshot.Nodes[i])), true
}

func (b *Book) answerMaster(query query, s *answer.Scratch) (answer.Reply, bool) {
	parameters, ok := query.value.(map[string]any)
	switch {
	case !ok && b.master == nil:
		s.Begin()
		return b.end(s, wire.StatusOK), true
	case !ok:
		return b.text(s, wire.StatusOK, b.master.(string)), true
	}
	fields, ok := parameters[wire.ParameterFields].([]any)
	if !ok {
		return b.code(s, wire.StatusError, wire.ClassicErrorArgument), true
	}
	e := s.Begin()
	e.ArrStart()
	for _, field := range fields {
		var text any
		switch field {
		case string(wire.MasterFieldText0): // the name
			text = b.master
		case string(wire.MasterFieldText1): // the master IP
			text = b.snapshot.MasterIP
		case string(wire.MasterFieldText2): // the primary IP
			if node := b.node(b.snapshot.MasterNode); node != nil {
				text = node.PrimaryIP
			}
		default:
			continue
		}
		if name, ok := text.(string); ok && answer.Exceeds(e, answer.Quoted(name)) {
			return b.tooLarge, true
		}
		appendNullable(e, text)
	}
	e.ArrEnd()
	return b.end(s, wire.StatusOK), true
}

// appendNullable appends a string, or null for nil.
func appendNullable(e *jx.Encoder, text any) {
	if text, ok := text.(string); ok {
		e.Str(text)
		return
	}
	e.Null()
}

// prepareNodes prepares the primary IPs of all nodes and of the candidates. The Python
// daemon used the order of its hash tables; this is the order of the Haskell daemon of that
// release: names, descending.
func (b *Book) prepareNodes(s *answer.Scratch) {
	nodes := slices.Clone(b.snapshot.Nodes)
	slices.SortStableFunc(nodes, func(x, y cluster.Node) int { return strings.Compare(y.Name, x.Name) })
	var all, candidates []string
	for i := range nodes {
		all = append(all, nodes[i].PrimaryIP)
		if nodes[i].Candidate {
			candidates = append(candidates, nodes[i].PrimaryIP)
		}
	}
	b.allNodes = b.prepareList(s, all)
	b.candidates = b.prepareList(s, candidates)
}

func (b *Book) answerNodeList(_ query, _ *answer.Scratch) (answer.Reply, bool) {
	return b.allNodes, true
}

func (b *Book) answerCandidateList(_ query, _ *answer.Scratch) (answer.Reply, bool) {
	return b.candidates, true
}

// answerNodeMinors answers with the DRBD minors of a node, as the Haskell daemon did. The
// Python daemon did not implement this request type.
func (b *Book) answerNodeMinors(query query, s *answer.Scratch) (answer.Reply, bool) {
	name := query.value.(string)
	i, match := b.snapshot.FindNode(name)
	if match != cluster.Found {
		return b.text(s, wire.StatusError, answer.NodeProblem(name, match)), true
	}
	node := &b.snapshot.Nodes[i]
	minors, _ := b.snapshot.Minors(node)
	e := s.Begin()
	e.ArrStart()
	for _, at := range b.byInstance[node.UUID] {
		m := &minors[at]
		peer := m.PeerReference
		if m.Peer >= 0 {
			peer = b.snapshot.Nodes[m.Peer].Name
		}
		row := wire.NodeMinor{
			Node:     node.Name,
			Minor:    m.Minor,
			Instance: m.Instance,
			Disk:     "disk/" + strconv.Itoa(int(m.Disk)),
			Role:     wire.MinorRoleSecondary,
			Peer:     peer,
		}
		if m.Primary {
			row.Role = wire.MinorRolePrimary
		}
		if answer.Exceeds(e, answer.Quoted(row.Node)+answer.Quoted(row.Instance)+answer.Quoted(row.Peer)) {
			return b.tooLarge, true
		}
		row.Encode(e)
	}
	e.ArrEnd()
	return b.end(s, wire.StatusOK), true
}

// sortMinors sorts the minors of each node by instance names.
func (b *Book) sortMinors() {
	b.byInstance = make(map[string][]int32)
	for i := range b.snapshot.Nodes {
		node := &b.snapshot.Nodes[i]
		minors, _ := b.snapshot.Minors(node)
		order := make([]int32, len(minors))
		for at := range order {
			order[at] = int32(at)
		}
		slices.SortStableFunc(order, func(x, y int32) int {
			return strings.Compare(minors[x].Instance, minors[y].Instance)
		})
		b.byInstance[node.UUID] = order
	}
}

// node returns the node whose key or name is exactly the given text, or nil.
func (b *Book) node(reference string) *cluster.Node {
	i, match := b.snapshot.FindNode(reference)
	if match != cluster.Found {
		return nil
	}
	node := &b.snapshot.Nodes[i]
	if node.Key != reference && node.Name != reference {
		return nil
	}
	return node
}

// text makes a reply whose answer is a text.
func (b *Book) text(s *answer.Scratch, status wire.Status, text string) answer.Reply {
	s.Begin().Str(answer.Cut(text))
	return b.end(s, status)
}

// code makes a reply whose answer is a number.
func (b *Book) code(s *answer.Scratch, status wire.Status, code int) answer.Reply {
	s.Begin().Int(code)
	return b.end(s, status)
}

// prepareList prepares a reply whose answer is a list of texts.
func (b *Book) prepareList(s *answer.Scratch, texts []string) answer.Reply {
	e := s.Begin()
	e.ArrStart()
	for _, text := range texts {
		if answer.Exceeds(e, answer.Quoted(text)) {
			return b.tooLarge
		}
		e.Str(text)
	}
	e.ArrEnd()
	return b.end(s, wire.StatusOK).Prepared()
}

// end makes a reply from the answer written since s.begin. If nothing was written, the
// answer is null, which is omitted.
func (b *Book) end(s *answer.Scratch, status wire.Status) answer.Reply {
	reply := wire.ClassicReply{
		Protocol: wire.ProtocolVersion,
		Status:   status,
		Answer:   s.Answer.Bytes(),
		Serial:   b.serial,
	}
	s.Message.Reset()
	reply.Encode(&s.Message)
	return answer.Reply{Status: status, Text: s.Message.Bytes()}
}

// number is a number as it is written.
type number string

// decode returns the value that a JSON text stands for: nil, bool, number, string, []any or
// map[string]any.
func decode(d *jx.Decoder) (any, error) {
	switch d.Next() {
	case jx.Null:
		return nil, d.Null()
	case jx.Bool:
		return d.Bool()
	case jx.Number:
		n, err := d.Num()
		return number(n), err
	case jx.String:
		return d.Str()
	case jx.Array:
		list := []any{}
		err := d.Arr(func(d *jx.Decoder) error {
			element, err := decode(d)
			list = append(list, element)
			return err
		})
		return list, err
	}
	object := make(map[string]any)
	err := d.Obj(func(d *jx.Decoder, name string) error {
		member, err := decode(d)
		object[name] = member
		return err
	})
	return object, err
}

// kind returns the kind of a value.
func kind(value any) int {
	choose := func(full bool, kind, empty int) int {
		if full {
			return kind
		}
		return empty
	}
	switch value := value.(type) {
	case bool:
		return choose(value, rules.ClassicKindTrue, rules.ClassicKindFalse)
	case number:
		n, _ := strconv.ParseFloat(string(value), 64) // infinite when it is out of range
		return choose(n != 0, rules.ClassicKindTrue, rules.ClassicKindFalse)
	case string:
		return choose(value != "", rules.ClassicKindText, rules.ClassicKindEmptyText)
	case []any:
		return choose(len(value) > 0, rules.ClassicKindList, rules.ClassicKindEmptyList)
	case map[string]any:
		return choose(len(value) > 0, rules.ClassicKindObject, rules.ClassicKindEmptyObject)
	}
	return rules.ClassicKindNone
}

// truthy reports whether Python takes a value for true.
func truthy(value any) bool {
	switch kind(value) {
	case rules.ClassicKindTrue, rules.ClassicKindText, rules.ClassicKindList, rules.ClassicKindObject:
		return true
	}
	return false
}

// hashable reports whether Python can use a value as a dictionary key. If not, the Python
// daemon fails internally, and the request gets no reply.
func hashable(value any) bool {
	switch value.(type) {
	case []any, map[string]any:
		return false
	}
	return true
}
