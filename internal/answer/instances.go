package answer

import (
	"errors"

	"github.com/go-faster/jx"

	"gntconfd/gen/rules"
	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

// answerNodeMinors answers with the DRBD minors of a node. If a node at either end is
// unknown, the whole answer is an error.
func (b *Book) answerNodeMinors(query *wire.Query, s *Scratch) (Reply, bool) {
	i, match := b.snapshot.FindNode(query.String)
	if match != cluster.Found {
		return s.errorText(prerequisite(NodeProblem(query.String, match))), true
	}
	node := &b.snapshot.Nodes[i]
	minors, unknown := b.snapshot.Minors(node)
	holder := i
	if len(minors) > 0 {
		// Ganeti looks up the node again, by the UUID in the disk.
		if holder, match = b.snapshot.FindNode(node.UUID); match != cluster.Found {
			return s.errorText(prerequisite(NodeProblem(node.UUID, match))), true
		}
	}
	if unknown != nil {
		_, match := b.snapshot.FindNode(unknown.PeerReference)
		return s.errorText(prerequisite(NodeProblem(unknown.PeerReference, match))), true
	}
	w := &s.Text
	w.Reset()
	w.ArrStart()
	for i := range minors {
		m := &minors[i]
		names := len(b.nodeNames[holder]) + Quoted(m.Instance) + len(b.nodeNames[m.Peer])
		if len(w.Buf)+names > wire.MaxDatagramSize {
			return tooLarge, true
		}
		if i > 0 {
			w.Comma()
		}
		b.writeMinor(w, holder, m)
	}
	w.ArrEnd()
	s.Begin().Raw(w.Buf)
	return s.end(wire.StatusOK, node.Serial), true
}

// writeMinor writes a minor of a node like the codec of wire.NodeMinor. A node may have
// many minors, and most of their text is node names, which are escaped in advance.
func (b *Book) writeMinor(w *jx.Writer, node int, m *cluster.Minor) {
	w.ArrStart()
	w.RawStr(b.nodeNames[node])
	w.Comma()
	w.Int64(m.Minor)
	w.Comma()
	w.Str(m.Instance)
	w.RawStr(`,"disk/`)
	w.Int32(m.Disk)
	if m.Primary {
		w.RawStr(`","` + string(wire.MinorRolePrimary) + `",`)
	} else {
		w.RawStr(`","` + string(wire.MinorRoleSecondary) + `",`)
	}
	w.RawStr(b.nodeNames[m.Peer])
	w.ArrEnd()
}

// answerNodeInstances answers with the primary and secondary instances of a node.
func (b *Book) answerNodeInstances(query *wire.Query, s *Scratch) (Reply, bool) {
	i, match := b.snapshot.FindNode(query.String)
	if match != cluster.Found {
		return s.errorText(rules.TextNoNode(prerequisite(NodeProblem(query.String, match)))), true
	}
	node := &b.snapshot.Nodes[i]
	e := s.Begin()
	e.ArrStart()
	for _, instances := range [...][]int32{
		b.snapshot.PrimaryInstances(node),
		b.snapshot.SecondaryInstances(node),
	} {
		e.ArrStart()
		for _, i := range instances {
			if instead, ok := s.appendText(b.snapshot.InstanceText(int(i))); !ok {
				return instead, true
			}
		}
		e.ArrEnd()
	}
	e.ArrEnd()
	return s.end(wire.StatusOK, node.Serial), true
}

// appendText appends an object's canonical text to the answer. If the text cannot be read, or
// does not fit, it returns the error to send instead.
func (s *Scratch) appendText(text []byte, err error) (instead Reply, ok bool) {
	switch {
	case errors.Is(err, cluster.ErrTooLarge):
		return tooLarge, false
	case err != nil:
		return s.errorText(err.Error()), false
	case Exceeds(&s.Answer, len(text)):
		return tooLarge, false
	}
	s.Answer.Raw(text)
	return Reply{}, true
}

// answerInstanceDisks answers with the disks of an instance.
func (b *Book) answerInstanceDisks(query *wire.Query, s *Scratch) (Reply, bool) {
	i, match := b.snapshot.FindInstance(query.String)
	if match != cluster.Found {
		return s.errorText(rules.TextNoInstance(prerequisite(instanceProblem(query.String, match)))), true
	}
	instance := b.snapshot.Instances[i]

	// Ganeti looks up the instance again, by its UUID, to find its disks.
	holder, match := b.snapshot.FindInstance(instance.UUID)
	if match != cluster.Found {
		return s.errorText(noDisks(instanceProblem(instance.UUID, match))), true
	}
	e := s.Begin()
	e.ArrStart()
	for _, key := range b.snapshot.Instances[holder].Disks {
		text, err := b.snapshot.DiskText(key)
		switch {
		case errors.Is(err, cluster.ErrNoValue):
			return s.errorText(noDisks(rules.TextDiskNotFound(Cut(key)))), true
		case errors.Is(err, cluster.ErrTooLarge):
			return tooLarge, true
		case err != nil:
			return s.errorText(err.Error()), true
		}
		if instead, ok := s.appendText(text, err); !ok {
			return instead, true
		}
	}
	e.ArrEnd()
	return s.end(wire.StatusOK, instance.Serial), true
}

func noDisks(problem string) string { return rules.TextNoDisks(prerequisite(problem)) }

// Exceeds reports whether an answer becomes too large for a datagram when a text of this
// many bytes is added. That limits the work for one answer.
func Exceeds(e *jx.Encoder, bytes int) bool { return len(e.Bytes())+bytes > wire.MaxDatagramSize }
