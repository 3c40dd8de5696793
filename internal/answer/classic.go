package answer

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

// ClassicBook is a Book in the dialect of Ganeti 2.6: it answers as the Python
// daemon of that release did, which looked at queries with Python's eyes. It is
// immutable and safe for concurrent use.
type ClassicBook struct {
	snapshot *cluster.Snapshot
	serial   wire.OptInt64
	master   any // the master's name, or nil when the configuration has none

	allNodes   Reply
	candidates Reply
	links      map[string]*classicLink
	emptyLink  Reply
	tooLarge   Reply

	byInstance map[string][]int32 // the minors of each node by instance: by its UUID, positions in its Minors
}

// classicQuery is the query of a request, as text and as the value that the text
// stands for: nil, bool, json.Number, string, []any or map[string]any.
type classicQuery struct {
	text  jx.Raw // nil when the request has none
	value any
}

// classicAnswerers are answerers of the dialect of Ganeti 2.6.
var classicAnswerers = [...]func(*ClassicBook, classicQuery, *Scratch) (Reply, bool){
	wire.RequestPing:                (*ClassicBook).answerPing,
	wire.RequestNodeRoleByName:      (*ClassicBook).answerNodeRole,
	wire.RequestNodePIPByInstanceIP: (*ClassicBook).answerNodeByInstanceIP,
	wire.RequestClusterMaster:       (*ClassicBook).answerMaster,
	wire.RequestNodePIPList:         (*ClassicBook).answerNodeList,
	wire.RequestMCPIPList:           (*ClassicBook).answerCandidateList,
	wire.RequestInstanceIPsList:     (*ClassicBook).answerLink,
	wire.RequestNodeDRBD:            (*ClassicBook).answerNodeMinors,
	wire.RequestNodeInstances:       (*ClassicBook).answerUnknownType,
	wire.RequestInstanceDisks:       (*ClassicBook).answerUnknownType,
	wire.RequestConfigQuery:         (*ClassicBook).answerUnknownType,
	wire.RequestDataCollectors:      (*ClassicBook).answerUnknownType,
}

// PrepareClassic makes a ClassicBook of a snapshot. It is nil for one without
// default nic parameters: Ganeti's daemon does not run on such a configuration.
func PrepareClassic(snapshot *cluster.Snapshot) *ClassicBook {
	if !snapshot.HasDefaultLink {
		return nil
	}
	b := &ClassicBook{snapshot: snapshot}
	if snapshot.ConfigSerial != 0 {
		b.serial.SetTo(snapshot.ConfigSerial)
	}
	if snapshot.MasterNode != "" {
		b.master = snapshot.MasterNode
		if node := b.node(snapshot.MasterNode); node != nil {
			b.master = node.Name
		}
	}
	var s Scratch
	b.tooLarge = b.text(&s, wire.StatusError, tooLargeText).prepared()
	b.tooLarge.TooLarge = true
	b.prepareNodes(&s)
	b.prepareLinks(&s)
	b.sortMinors()
	return b
}

// Answer returns the reply to a valid request, and false when it is met with
// silence. A reply that was not prepared is made in s and valid until the next
// use of s.
func (b *ClassicBook) Answer(request *wire.ClassicRequest, s *Scratch) (Reply, bool) {
	query := classicQuery{text: request.Query}
	// The one type that was not the Python daemon's reads the text itself.
	if query.text != nil && request.Type != wire.RequestNodeDRBD {
		d := json.NewDecoder(bytes.NewReader(query.text))
		d.UseNumber()
		if err := d.Decode(&query.value); err != nil {
			return Reply{}, false
		}
	}
	return classicAnswerers[request.Type](b, query, s)
}

// TooLarge returns the reply that takes the place of one which does not fit into
// a datagram.
func (b *ClassicBook) TooLarge() Reply { return b.tooLarge }

func (b *ClassicBook) answerPing(query classicQuery, s *Scratch) (Reply, bool) {
	if query.value != nil {
		return b.text(s, wire.StatusError, "non-empty ping query"), true
	}
	return b.text(s, wire.StatusOK, "ok"), true
}

// answerNodeRole answers with the role of a node. The master is known by its name
// alone, also when there is no such node.
func (b *ClassicBook) answerNodeRole(query classicQuery, s *Scratch) (Reply, bool) {
	if query.value == b.master {
		return b.code(s, wire.StatusOK, wire.NodeRoleMaster), true
	}
	name, ok := query.value.(string)
	if !ok {
		return b.code(s, wire.StatusError, wire.ClassicErrorUnknownEntry), hashable(query.value)
	}
	i, match := b.snapshot.FindNode(name)
	if match != cluster.Found || b.snapshot.Nodes[i].Name != name {
		return b.code(s, wire.StatusError, wire.ClassicErrorUnknownEntry), true
	}
	role := wire.NodeRoleRegular
	switch node := &b.snapshot.Nodes[i]; {
	case node.Candidate:
		role = wire.NodeRoleCandidate
	case node.Drained:
		role = wire.NodeRoleDrained
	case node.Offline:
		role = wire.NodeRoleOffline
	}
	return b.code(s, wire.StatusOK, role), true
}

func (b *ClassicBook) answerMaster(query classicQuery, s *Scratch) (Reply, bool) {
	parameters, ok := query.value.(map[string]any)
	switch {
	case !ok && truthy(query.value):
		return b.code(s, wire.StatusError, wire.ClassicErrorArgument), true
	case !ok && b.master == nil:
		s.begin()
		return b.end(s, wire.StatusOK), true
	case !ok:
		return b.text(s, wire.StatusOK, b.master.(string)), true
	}
	fields, ok := parameters[wire.ParameterFields].([]any)
	if !ok {
		return b.code(s, wire.StatusError, wire.ClassicErrorArgument), true
	}
	e := s.begin()
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
		if name, ok := text.(string); ok && tooLarge(e, quoted(name)) {
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

// prepareNodes prepares the primary IPs of all nodes and of the candidates. The
// Python daemon had them in the order of its hashes; this is that of its Haskell
// twin: names, descending.
func (b *ClassicBook) prepareNodes(s *Scratch) {
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

func (b *ClassicBook) answerNodeList(query classicQuery, s *Scratch) (Reply, bool) {
	if query.value != nil {
		return b.text(s, wire.StatusError, "non-empty node primary IPs query"), true
	}
	return b.allNodes, true
}

func (b *ClassicBook) answerCandidateList(query classicQuery, s *Scratch) (Reply, bool) {
	if query.value != nil {
		return b.text(s, wire.StatusError, "non-empty master candidates primary IPs query"), true
	}
	return b.candidates, true
}

// answerNodeMinors answers with the DRBD minors of a node, as the Haskell twin of
// the Python daemon did, which itself knew this type of request by its number only.
func (b *ClassicBook) answerNodeMinors(query classicQuery, s *Scratch) (Reply, bool) {
	parsed := noQuery
	if query.text != nil {
		if err := parsed.Decode(jx.DecodeBytes(query.text)); err != nil || parsed.Validate() != nil {
			return Reply{}, false
		}
	}
	if parsed.Type != wire.StringQuery {
		return b.text(s, wire.StatusError, invalidQuery(&parsed)), true
	}
	i, match := b.snapshot.FindNode(parsed.String)
	if match != cluster.Found {
		return b.text(s, wire.StatusError, nodeProblem(parsed.String, match)), true
	}
	node := &b.snapshot.Nodes[i]
	minors, _ := b.snapshot.Minors(node)
	e := s.begin()
	e.ArrStart()
	for _, at := range b.byInstance[node.UUID] {
		m := &minors[at]
		peer := m.PeerReference
		if m.Peer >= 0 {
			peer = b.snapshot.Nodes[m.Peer].Name
		}
		row := wire.NodeMinor{
			V0: node.Name,
			V1: m.Minor,
			V2: m.Instance,
			V3: "disk/" + strconv.Itoa(int(m.Disk)),
			V4: wire.MinorRoleSecondary,
			V5: peer,
		}
		if m.Primary {
			row.V4 = wire.MinorRolePrimary
		}
		if tooLarge(e, quoted(row.V0)+quoted(row.V2)+quoted(row.V5)) {
			return b.tooLarge, true
		}
		row.Encode(e)
	}
	e.ArrEnd()
	return b.end(s, wire.StatusOK), true
}

// sortMinors sorts the minors of each node by the names of their instances.
func (b *ClassicBook) sortMinors() {
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

func (b *ClassicBook) answerUnknownType(_ classicQuery, s *Scratch) (Reply, bool) {
	return b.text(s, wire.StatusNotImplemented, "not implemented"), true
}

// node returns the node that the configuration refers to by exactly its key or
// its name, and nil where there is none.
func (b *ClassicBook) node(reference string) *cluster.Node {
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
func (b *ClassicBook) text(s *Scratch, status wire.Status, text string) Reply {
	s.begin().Str(cut(text))
	return b.end(s, status)
}

// code makes a reply whose answer is a number.
func (b *ClassicBook) code(s *Scratch, status wire.Status, code int) Reply {
	s.begin().Int(code)
	return b.end(s, status)
}

// prepareList prepares a reply whose answer is a list of texts.
func (b *ClassicBook) prepareList(s *Scratch, texts []string) Reply {
	e := s.begin()
	e.ArrStart()
	for _, text := range texts {
		if tooLarge(e, quoted(text)) {
			return b.tooLarge
		}
		e.Str(text)
	}
	e.ArrEnd()
	return b.end(s, wire.StatusOK).prepared()
}

// end makes a reply of the answer that was written since s.begin. Nothing written
// is null, which is left out.
func (b *ClassicBook) end(s *Scratch, status wire.Status) Reply {
	reply := wire.ClassicReply{
		Protocol: wire.ProtocolVersion,
		Status:   status,
		Answer:   s.answer.Bytes(),
		Serial:   b.serial,
	}
	s.reply.Reset()
	reply.Encode(&s.reply)
	return Reply{Status: status, Text: s.reply.Bytes()}
}

// truthy reports whether Python takes a value for true.
func truthy(value any) bool {
	switch value := value.(type) {
	case nil:
		return false
	case bool:
		return value
	case json.Number:
		number, _ := value.Float64() // infinite when it is out of range
		return number != 0
	case string:
		return value != ""
	case []any:
		return len(value) > 0
	case map[string]any:
		return len(value) > 0
	}
	return true
}

// hashable reports whether Python can look a value up in a dictionary. It fails
// internally where it cannot, and the request is met with silence.
func hashable(value any) bool {
	switch value.(type) {
	case []any, map[string]any:
		return false
	}
	return true
}
