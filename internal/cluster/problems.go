package cluster

import (
	"fmt"
	"strings"

	"gntconfd/internal/jsontext"
)

// NumDisks returns the number of disks.
func (s *Snapshot) NumDisks() int { return len(s.disks) }

// Problems lists what makes answers incomplete: references to objects that do not exist, and
// duplicate names and addresses. Each problem begins with a JSON pointer to the place in the
// present layout, and says what it causes. A sound configuration has none. If there are very
// many, the rest are only counted.
func (s *Snapshot) Problems() []string {
	var p problems
	if s.Version < 2_010_000 || s.Version >= 4_000_000 {
		p.add("/version", "%d is that of no Ganeti from 2.1 to 3.1, and decides how queries are answered", s.Version)
	}
	if _, match := s.FindNode(s.MasterNode); match != Found {
		p.add("/cluster/master_node", "there is no node %q, so that nobody is known to be master", s.MasterNode)
	}
	if !s.HasDefaultLink {
		p.add("/cluster/nicparams/default", "is missing, so that no address of an instance is known")
	}
	p.addNodes(s)
	p.addDisks(s)
	p.addInstances(s)
	if p.more > 0 {
		p.told = append(p.told, fmt.Sprintf("there are %d more problems", p.more))
	}
	return p.told
}

// maxProblems is how many problems are listed: nobody reads more, and each takes many times the
// bytes that it is about.
const maxProblems = 1000

type problems struct {
	told []string
	more int // how many are not listed
}

func (p *problems) add(place, format string, args ...any) {
	if len(p.told) == maxProblems {
		p.more++
		return
	}
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = short(text)
		}
	}
	p.told = append(p.told, place+": "+fmt.Sprintf(format, args...))
}

// short returns the beginning of a text that is too long to be listed: one name may be in many
// problems.
func short(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// place returns the pointer to an object, or to something in it.
func place(container, key string, inner ...string) string {
	return "/" + container + "/" + jsontext.EscapeToken(key) + strings.Join(append([]string{""}, inner...), "/")
}

func (p *problems) addNodes(s *Snapshot) {
	names, addresses := make(holders), make(holders)
	for _, n := range s.Nodes {
		if other, taken := names.enter(held{text: n.Name}, n.Key); taken {
			p.add(place("nodes", short(n.Key), "name"), "node %s is also called %q, which leads to one of them only", other, n.Name)
		}
		if other, taken := addresses.enter(held{text: n.PrimaryIP}, n.Name); taken {
			p.add(place("nodes", short(n.Key), "primary_ip"), "node %s also has the address %s", other, n.PrimaryIP)
		}
	}
}

func (p *problems) addDisks(s *Snapshot) {
	for i, object := range s.document.objects("disks") {
		missing := make(map[string]bool)
		for _, device := range s.disks[i].devices {
			for _, node := range device.nodes {
				if _, match := s.FindNode(node); match != Found && !missing[node] {
					missing[node] = true
					p.add(place("disks", short(object.key), "logical_id"), "there is no node %q, which is to have one end of it", node)
				}
			}
		}
	}
}

func (p *problems) addInstances(s *Snapshot) {
	names, addresses := make(holders), make(holders)
	for i, object := range s.document.objects("instances") {
		in := s.Instances[i]
		if other, taken := names.enter(held{text: in.Name}, object.key); taken {
			p.add(place("instances", short(object.key), "name"), "instance %s is also called %q, which leads to one of them only", other, in.Name)
		}
		if _, match := s.FindNode(in.PrimaryNode); in.Placed && match != Found {
			p.add(place("instances", short(object.key), "primary_node"), "there is no node %q, so that the instance's addresses lead nowhere", in.PrimaryNode)
		}
		for position, key := range in.Disks {
			if _, ok := s.disk(key); !ok {
				p.add(place("instances", short(object.key), fmt.Sprintf("disks/%d", position)),
					"there is no disk %q, so that a question for the disks gets an error, and DRBD minors are left out", key)
			}
		}
		for _, a := range in.Addresses {
			link, address := s.DefaultLink, held{text: a.IP}
			if a.Linked && a.Link != s.DefaultLink {
				link, address = a.Link, held{linked: true, link: a.Link, text: a.IP}
			}
			// Without a default link there are no links at all.
			if other, taken := addresses.enter(address, in.Name); taken && s.HasDefaultLink {
				p.add(place("instances", short(object.key), "nics"), "instance %s also has the address %s on link %q; the last of them counts", other, a.IP, link)
			}
		}
	}
}

// holders records which object has a name or an address.
type holders map[held]string

// held is a name, or an address on a link or on the default link.
type held struct {
	linked     bool
	link, text string
}

// enter records that holder has something, unless another object has it already; then it returns
// that object. Nobody has the empty text.
func (h holders) enter(what held, holder string) (other string, taken bool) {
	if what.text == "" {
		return "", false
	}
	if other, taken = h[what]; !taken {
		h[what] = holder
	}
	return other, taken
}
