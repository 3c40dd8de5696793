package answer

import (
	"slices"

	"gntconfd/gen/wire"
)

// answerNodeByInstanceIP answers with the primary IP of the node that runs the instance
// with the given address, or with a list of such answers for a list of addresses.
func (b *Book) answerNodeByInstanceIP(query *wire.Query, s *Scratch) (Reply, bool) {
	parameters := &query.QueryParameters
	ip, single := parameters.IP.Get()
	if !b.snapshot.HasDefaultLink && (single || len(parameters.IPList.Value) > 0) {
		return Reply{}, false
	}
	link := b.snapshot.Links[parameters.Link.Or(b.snapshot.DefaultLink)]
	if single {
		if node, ok := link.Node(ip); ok {
			return b.nodeIPs[node], true
		}
		return unknownEntry, true
	}
	e := s.Begin()
	e.ArrStart()
	for _, ip := range parameters.IPList.Value {
		answer := wire.NodeIPAnswer{Status: wire.StatusError, Answer: wire.NewInt64NodeIPAnswerAnswer(wire.ErrorUnknownEntry)}
		if node, ok := link.Node(ip); ok {
			answer = wire.NodeIPAnswer{
				Status: wire.StatusOK,
				Answer: wire.NewStringNodeIPAnswerAnswer(b.snapshot.Nodes[node].PrimaryIP),
				Serial: b.snapshot.Serial,
			}
		}
		if Exceeds(e, Quoted(answer.Answer.String)) {
			return tooLarge, true
		}
		answer.Encode(e)
	}
	e.ArrEnd()
	return s.end(wire.StatusOK, b.snapshot.Serial), true
}

// prepareLinks prepares the addresses of every link.
func (b *Book) prepareLinks(s *Scratch, former *Book) {
	b.emptyLink = b.prepareLink(s, nil)
	b.links = make(map[string]Reply, len(b.snapshot.Links))
	for name, link := range b.snapshot.Links {
		if before := former.snapshot.Links[name]; before != nil && slices.Equal(link.IPs, before.IPs) {
			b.links[name] = former.links[name]
			continue
		}
		b.links[name] = b.prepareLink(s, link.IPs)
	}
}

func (b *Book) prepareLink(s *Scratch, ips []string) Reply {
	e := s.Begin()
	e.ArrStart()
	for _, ip := range ips {
		if Exceeds(e, Quoted(ip)) {
			return tooLarge
		}
		e.Str(ip)
	}
	e.ArrEnd()
	return s.prepare(b.snapshot.Serial)
}

// answerLink answers with the instance addresses of a link.
func (b *Book) answerLink(query *wire.Query, _ *Scratch) (Reply, bool) {
	name := b.snapshot.DefaultLink
	if query.Type == wire.StringQuery {
		name = query.String
	}
	if !b.snapshot.HasDefaultLink {
		return Reply{}, false
	}
	if reply, ok := b.links[name]; ok {
		return reply, true
	}
	return b.emptyLink, true
}
