package cluster

import (
	"cmp"
	"slices"
	"strings"
)

// Link is a link (a bridge or a routing table) with the instance addresses on it. A nil Link has
// none.
type Link struct {
	// IPs are the addresses without duplicates, sorted as strings.
	IPs []string

	holders []int32       // for each address, the index of the instance that has it, or -1
	byIP    positionTable // positions in IPs
	nodes   []int32       // for each instance, the index of its primary node, or -1 if unknown
}

// linkAddress is an address on a link, with the index of the instance that has it, or -1.
type linkAddress struct {
	ip     string
	holder int32
	order  int32 // among the addresses of all instances
}

// newLink makes a link from its addresses. The last of duplicate addresses counts.
func newLink(addresses []linkAddress, nodes []int32) *Link {
	slices.SortFunc(addresses, func(a, b linkAddress) int {
		return cmp.Or(strings.Compare(a.ip, b.ip), cmp.Compare(a.order, b.order))
	})
	addresses = keepLast(addresses, func(a linkAddress) string { return a.ip })
	l := &Link{
		IPs:     make([]string, len(addresses)),
		holders: make([]int32, len(addresses)),
		byIP:    newPositionTable(len(addresses)),
		nodes:   nodes,
	}
	for i, a := range addresses {
		l.IPs[i], l.holders[i] = a.ip, a.holder
		l.byIP.add(int32(i), l.ip)
	}
	return l
}

func (l *Link) ip(i int32) string { return l.IPs[i] }

// Node returns the index in Snapshot.Nodes of the primary node of the instance with an address.
// It returns false if no instance has the address, or if the node is unknown.
func (l *Link) Node(ip string) (int, bool) {
	if l == nil {
		return 0, false
	}
	i, ok := l.byIP.find(ip, l.ip)
	if !ok || l.holders[i] < 0 {
		return 0, false
	}
	node := l.nodes[l.holders[i]]
	return int(node), node >= 0
}

// makeLinks indexes the addresses of all instances. An address leads to the name of an instance,
// and the name to the first instance that has it, which may be another. If several instances
// have the same address on a link, the last one counts.
func (x *indexer) makeLinks() error {
	if x.sameAddresses() {
		x.Links = x.former.Links
		if !sameList(x.placement.nodes, x.former.placement.nodes) {
			x.Links = make(map[string]*Link, len(x.former.Links))
			for name, former := range x.former.Links {
				link := *former
				link.nodes = x.placement.nodes
				x.Links[name] = &link
			}
		}
		return nil
	}
	x.Links = make(map[string]*Link)
	if !x.HasDefaultLink {
		return nil
	}
	first := newPositionTable(len(x.Instances))
	for i := len(x.Instances) - 1; i >= 0; i-- {
		if x.Instances[i].Named {
			first.add(int32(i), x.instanceName)
		}
	}
	addresses := make(map[string][]linkAddress)
	var onDefault []linkAddress // separate, so that the name is not hashed for each address
	order := int32(0)
	for i := range x.Instances {
		if err := x.ended(i); err != nil {
			return err
		}
		in := x.Instances[i]
		if len(in.Addresses) == 0 {
			continue
		}
		// An instance without a name is identified by its UUID.
		name := in.UUID
		if in.Named {
			name = in.Name
		}
		holder, ok := first.find(name, x.instanceName)
		if !ok {
			holder = -1
		}
		for _, a := range in.Addresses {
			order++
			if !a.Linked || a.Link == x.DefaultLink {
				onDefault = append(onDefault, linkAddress{a.IP, holder, order})
				continue
			}
			addresses[a.Link] = append(addresses[a.Link], linkAddress{a.IP, holder, order})
		}
	}
	if len(onDefault) > 0 {
		addresses[x.DefaultLink] = onDefault
	}
	for link, addresses := range addresses {
		x.Links[link] = newLink(addresses, x.placement.nodes)
	}
	return nil
}

// sameAddresses reports whether all instances have the same addresses as before.
func (x *indexer) sameAddresses() bool {
	return x.sameInstances && x.former.indexed &&
		x.DefaultLink == x.former.DefaultLink && x.HasDefaultLink == x.former.HasDefaultLink &&
		x.unchanged("instances", func(i int32) bool {
			return slices.Equal(x.Instances[i].Addresses, x.former.Instances[i].Addresses)
		})
}

// sameList reports whether two lists share their memory.
func sameList[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
