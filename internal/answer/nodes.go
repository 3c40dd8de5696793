package answer

import (
	"slices"

	"github.com/go-faster/jx"

	"gntconfd/gen/rules"
	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

func (b *Book) preparePing(s *Scratch) {
	s.Begin().Int64(b.snapshot.Version)
	b.ping = s.prepare(0)
}

func (b *Book) answerPing(*wire.Query, *Scratch) (Reply, bool) { return b.ping, true }

// prepareNodes prepares the replies about single nodes and about all nodes.
func (b *Book) prepareNodes(s *Scratch, former *Book) {
	serial := b.snapshot.Serial
	for role := range b.roles {
		s.Begin().Int(role)
		b.roles[role] = s.prepare(serial)
	}

	nodes := b.snapshot.Nodes
	same := func(n, f cluster.Node) bool {
		return n.Name == f.Name && n.PrimaryIP == f.PrimaryIP && n.Candidate == f.Candidate
	}
	if len(nodes) > 0 && slices.EqualFunc(nodes, former.snapshot.Nodes, same) {
		b.nodeIPs, b.nodeNames, b.allNodes, b.candidates = former.nodeIPs, former.nodeNames, former.allNodes, former.candidates
		return
	}
	b.nodeIPs = make([]Reply, len(nodes))
	b.nodeNames = make([]string, len(nodes))
	for i := range nodes {
		var name jx.Writer
		name.Str(nodes[i].Name)
		b.nodeNames[i] = name.String()
		b.nodeIPs[i] = s.prepareText(nodes[i].PrimaryIP, serial)
	}

	b.allNodes = b.prepareNodeList(s, func(*cluster.Node) bool { return true })
	b.candidates = b.prepareNodeList(s, func(n *cluster.Node) bool { return n.Candidate })
}

// prepareNodeList prepares the primary IPs of some nodes, in descending order of their
// keys, like Ganeti's daemon.
func (b *Book) prepareNodeList(s *Scratch, include func(*cluster.Node) bool) Reply {
	e := s.Begin()
	e.ArrStart()
	for i := len(b.snapshot.Nodes) - 1; i >= 0; i-- {
		if node := &b.snapshot.Nodes[i]; include(node) {
			if Exceeds(e, Quoted(node.PrimaryIP)) {
				return tooLarge
			}
			e.Str(node.PrimaryIP)
		}
	}
	e.ArrEnd()
	return s.prepare(b.snapshot.Serial)
}

func (b *Book) answerNodeList(*wire.Query, *Scratch) (Reply, bool) { return b.allNodes, true }

func (b *Book) answerCandidateList(*wire.Query, *Scratch) (Reply, bool) { return b.candidates, true }

// answerNodeRole answers with the role of a node. Ganeti's watcher compares the answer with
// wire.NodeRoleOffline, ignoring the status, and stops every instance of its node if they
// are equal: an error here must be text.
func (b *Book) answerNodeRole(query *wire.Query, s *Scratch) (Reply, bool) {
	if b.master == nil {
		return s.errorText(rules.TextFailure(NodeProblem(b.snapshot.MasterNode, b.noMaster))), true
	}
	i, match := b.snapshot.FindNode(query.String)
	if match != cluster.Found {
		return s.errorText(rules.TextFailure(NodeProblem(query.String, match))), true
	}
	return b.roles[Role(rules.Roles[:], query.String == b.master.Name, &b.snapshot.Nodes[i])], true
}

// Role returns the role of a node by the first of the steps that holds. master says whether
// the query names the master.
func Role(steps []rules.RoleStep, master bool, node *cluster.Node) int {
	for _, step := range steps {
		holds := true
		switch step.If {
		case rules.IfMaster:
			holds = master
		case rules.IfDrained:
			holds = node.Drained
		case rules.IfOffline:
			holds = node.Offline
		case rules.IfMasterCandidate:
			holds = node.Candidate
		}
		if holds {
			return step.Role
		}
	}
	return wire.NodeRoleRegular
}

func (b *Book) prepareMaster(s *Scratch) {
	i, match := b.snapshot.FindNode(b.snapshot.MasterNode)
	if match != cluster.Found {
		b.noMaster = match
		b.masterName = s.errorText(rules.TextFailure(NodeProblem(b.snapshot.MasterNode, match))).Prepared()
		return
	}
	b.master = &b.snapshot.Nodes[i]
	b.masterName = s.prepareText(b.master.Name, b.snapshot.Serial)
}

func (b *Book) answerMaster(query *wire.Query, s *Scratch) (Reply, bool) {
	if query.Type == wire.NullQuery {
		return b.masterName, true
	}
	if b.master == nil {
		return s.errorText(prerequisite(NodeProblem(b.snapshot.MasterNode, b.noMaster))), true
	}
	e := s.Begin()
	e.ArrStart()
	for _, field := range query.QueryParameters.Fields.Value {
		text := b.master.PrimaryIP
		switch fieldCode(field) {
		case wire.FieldName:
			text = b.master.Name
		case wire.FieldIP:
			text = b.snapshot.MasterIP
		}
		if Exceeds(e, Quoted(text)) {
			return tooLarge, true
		}
		e.Str(text)
	}
	e.ArrEnd()
	return s.end(wire.StatusOK, b.snapshot.Serial), true
}

// fieldCode returns the code of a field that was requested by code or by text.
func fieldCode(field wire.MasterField) wire.MasterFieldCode {
	if field.Type == wire.MasterFieldTextMasterField {
		return wire.MasterFieldCode(field.MasterFieldText[0] - '0')
	}
	return field.MasterFieldCode
}
