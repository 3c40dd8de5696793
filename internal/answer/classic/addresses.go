package classic

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
)

// link is a link with its instance addresses. A nil link has none.
type link struct {
	ips   answer.Reply
	nodes map[string]string // by address, the node's primary IP; empty if it is unknown
}

// prepareLinks prepares the addresses of every link, including duplicates. In the Python
// daemon the order, and the owner of a duplicate address, depended on hash tables. Here
// they follow the Haskell daemon of the same release: ascending order, and the last
// instance by name.
func (b *Book) prepareLinks(s *answer.Scratch) {
	instances := slices.Clone(b.snapshot.Instances)
	slices.SortStableFunc(instances, func(x, y *cluster.Instance) int { return strings.Compare(x.Name, y.Name) })
	b.links = make(map[string]*link)
	ips := make(map[string][]string)
	for i := range instances {
		nodeIP := ""
		if node := b.node(instances[i].PrimaryNode); node != nil {
			nodeIP = node.PrimaryIP
		}
		for _, address := range instances[i].Addresses {
			if address.IP == "" {
				continue
			}
			name := b.snapshot.DefaultLink
			if address.Linked {
				name = address.Link
			}
			if b.links[name] == nil {
				b.links[name] = &link{nodes: make(map[string]string)}
			}
			b.links[name].nodes[address.IP] = nodeIP
			ips[name] = append(ips[name], address.IP)
		}
	}
	for name, link := range b.links {
		slices.Sort(ips[name])
		link.ips = b.prepareList(s, ips[name])
	}
	b.emptyLink = b.prepareList(s, nil)
}

// link returns the link that a query names: the default link for a value that is false in
// Python. It returns false for a value that Python cannot look up.
func (b *Book) link(name any) (*link, bool) {
	if !truthy(name) {
		name = b.snapshot.DefaultLink
	}
	if name, ok := name.(string); ok {
		return b.links[name], true
	}
	return nil, hashable(name)
}

// answerLink answers with the instance addresses of a link.
func (b *Book) answerLink(query query, _ *answer.Scratch) (answer.Reply, bool) {
	link, ok := b.link(query.value)
	if link == nil {
		return b.emptyLink, ok
	}
	return link.ips, true
}

// answerNodeByInstanceIP answers with the primary IP of the node that runs the instance
// with the given address, or with a list of such answers for a list of addresses.
func (b *Book) answerNodeByInstanceIP(query query, s *answer.Scratch) (answer.Reply, bool) {
	parameters, _ := query.value.(map[string]any)
	ip, single := parameters[wire.ParameterIP]
	list, several := parameters[wire.ParameterIPList]
	ips := []any{ip}
	switch {
	case single:
	case several:
		var ok bool
		if ips, ok = elements(list); !ok {
			return answer.Reply{}, false
		}
	default:
		return b.code(s, wire.StatusError, wire.ClassicErrorArgument), true
	}

	link, known := b.link(parameters[wire.ParameterLink])
	for _, ip := range ips {
		if _, ok := ip.(string); !ok {
			return b.code(s, wire.StatusError, wire.ClassicErrorArgument), true
		} else if !known { // needed only if there is an address to look up
			return answer.Reply{}, false
		}
	}
	e := s.Begin()
	if single {
		found := link.find(ip.(string))
		if answer.Exceeds(e, answer.Quoted(found.Answer.String)) {
			return b.tooLarge, true
		}
		found.Answer.Encode(e)
		return b.end(s, found.Status), true
	}
	e.ArrStart()
	for _, ip := range ips {
		found := link.find(ip.(string))
		if answer.Exceeds(e, answer.Quoted(found.Answer.String)) {
			return b.tooLarge, true
		}
		found.Encode(e)
	}
	e.ArrEnd()
	return b.end(s, wire.StatusOK), true
}

// find returns the answer for one address.
func (l *link) find(ip string) wire.ClassicNodeIPAnswer {
	code := int64(wire.ClassicErrorUnknownEntry)
	if l != nil {
		nodeIP, known := l.nodes[ip]
		switch {
		case nodeIP != "":
			return wire.ClassicNodeIPAnswer{Status: wire.StatusOK, Answer: wire.NewStringClassicNodeIPAnswerAnswer(nodeIP)}
		case known:
			code = wire.ClassicErrorInternal
		}
	}
	return wire.ClassicNodeIPAnswer{Status: wire.StatusError, Answer: wire.NewInt64ClassicNodeIPAnswerAnswer(code)}
}

// maxClassicAnswers is how many answers for single addresses fit into a reply at most.
const maxClassicAnswers = wire.MaxDatagramSize / len(`[1,0],`)

// elements returns what a Python for loop iterates over: the elements of a list, the
// characters of a text, the keys of an object (here in ascending order). It returns false
// for a value that cannot be iterated over. For a text it returns at most one character
// more than fits into a reply.
func elements(value any) ([]any, bool) {
	var all []any
	switch value := value.(type) {
	case []any:
		return value, true
	case string:
		all = make([]any, 0, min(utf8.RuneCountInString(value), maxClassicAnswers+1))
		for _, character := range value {
			if len(all) > maxClassicAnswers {
				break // the reply is already too large
			}
			all = append(all, string(character))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			all = append(all, key)
		}
	default:
		return nil, false
	}
	return all, true
}
