package cluster

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"gntconfd/gen/wire"
)

// placement has the instances and DRBD minors of each node. Its keys are the references to
// nodes in instances and disks.
type placement struct {
	nodes        []int32            // of each instance, the index of its primary node; -1 where that is not known
	primaries    map[string][]int32 // instances, by their primary node
	secondaries  map[string][]int32 // instances, by the node at the other end
	minors       map[string][]Minor // by their node
	unknownPeers map[string]int32   // by node, the position of the first minor whose peer is no node
	devices      int                // how many disks and DRBD devices all instances have together
	// ownUUIDs: looking up the member uuid of an instance leads to the same instance, for all.
	ownUUIDs bool
}

// placeInstances adds instances and DRBD minors to the nodes that they are on.
func (x *indexer) placeInstances() error {
	if moved, ok := x.movedInstances(); ok {
		if len(moved) == 0 {
			x.placement = x.former.placement
			return nil
		}
		if placed, err := x.move(moved); placed || err != nil {
			return err
		}
	}
	p, err := x.place(x.Snapshot, upTo(len(x.Instances)), x.mostDevices())
	if err != nil {
		return err
	}
	fit(p.primaries)
	fit(p.secondaries)
	fit(p.minors)
	p.nodes = make([]int32, len(x.Instances))
	for i := range p.nodes {
		p.nodes[i] = x.primaryNode(i)
	}
	p.findUnknownPeers(maps.Keys(p.minors))
	x.placement = p
	return nil
}

// fit frees the unused capacity of lists, which live as long as the snapshot.
func fit[T any](lists map[string][]T) {
	for key, list := range lists {
		lists[key] = slices.Clone(list)
	}
}

// mostDevices is the maximum number of disks and devices of all instances together. In a real
// cluster each device belongs to one instance. Without the limit a small file could have any
// number of minors.
func (x *indexer) mostDevices() int {
	return wire.ConfigShares * (len(x.Instances) + len(x.disks) + x.devices)
}

// primaryNode returns the index of the primary node of an instance, or -1.
func (s *Snapshot) primaryNode(i int) int32 {
	if in := s.Instances[i]; in.Placed {
		if n, match := s.FindNode(in.PrimaryNode); match == Found {
			return int32(n)
		}
	}
	return -1
}

// movedInstances returns the instances, in ascending order, that may have other nodes or
// minors than before. All others are unchanged. It returns false if it cannot tell.
func (x *indexer) movedInstances() (moved []int32, ok bool) {
	sameDisks := x.unchanged("disks", func(int32) bool { return true })
	if !x.former.indexed || !x.sameNodes || !x.sameInstances || !sameDisks || !x.former.placement.ownUUIDs {
		return nil, false
	}
	for _, i := range x.document.changes["instances"].texts {
		now, former := x.Instances[i], x.former.Instances[i]
		if now.Placed != former.Placed || now.PrimaryNode != former.PrimaryNode || !slices.Equal(now.Disks, former.Disks) {
			moved = append(moved, i)
		}
	}
	disks := make(map[string]bool) // those with other devices
	for _, i := range x.document.changes["disks"].texts {
		now, former := &x.disks[i], &x.former.disks[i]
		if now.top != former.top || !slices.Equal(now.devices, former.devices) {
			disks[x.document.containers["disks"].key(i)] = true
		}
	}
	if len(disks) > 0 {
		for i := range x.Instances {
			if slices.ContainsFunc(x.Instances[i].Disks, func(key string) bool { return disks[key] }) {
				moved = append(moved, int32(i))
			}
		}
		slices.Sort(moved)
		moved = slices.Compact(moved)
	}
	return moved, len(moved) <= len(x.Instances)/4
}

// move derives the placement from the former one, in which some instances had other nodes or
// minors. It returns false if there are too many devices now.
func (x *indexer) move(moved []int32) (bool, error) {
	then, err := x.place(x.former, slices.Values(moved), math.MaxInt)
	if err != nil {
		return false, err
	}
	now, err := x.place(x.Snapshot, slices.Values(moved), math.MaxInt)
	if err != nil {
		return false, err
	}
	former := &x.former.placement
	p := placement{devices: former.devices - then.devices + now.devices, ownUUIDs: true}
	if p.devices > x.mostDevices() {
		return false, nil
	}
	p.nodes = slices.Clone(former.nodes)
	for _, i := range moved {
		p.nodes[i] = x.primaryNode(int(i))
	}
	itself := func(i int32) int32 { return i }
	p.primaries = exchange(former.primaries, then.primaries, now.primaries, moved, itself)
	p.secondaries = exchange(former.secondaries, then.secondaries, now.secondaries, moved, itself)
	p.minors = exchange(former.minors, then.minors, now.minors, moved, func(m Minor) int32 { return m.instance })
	p.unknownPeers = maps.Clone(former.unknownPeers)
	p.findUnknownPeers(maps.Keys(then.minors))
	p.findUnknownPeers(maps.Keys(now.minors))
	x.placement = p
	return true, nil
}

// exchange returns lists in which the entries of some instances, those of then, are replaced
// by those of now. Each list is in ascending order of instances.
func exchange[T any](lists, then, now map[string][]T, moved []int32, instance func(T) int32) map[string][]T {
	lists = maps.Clone(lists)
	replace := func(node string) {
		list := make([]T, 0, len(lists[node])+len(now[node]))
		for _, item := range lists[node] {
			if _, gone := slices.BinarySearch(moved, instance(item)); !gone {
				list = append(list, item)
			}
		}
		list = append(list, now[node]...)
		slices.SortStableFunc(list, func(a, b T) int { return int(instance(a)) - int(instance(b)) })
		if lists[node] = slices.Clip(list); len(list) == 0 {
			delete(lists, node)
		}
	}
	for node := range then {
		replace(node)
	}
	for node := range now {
		if _, done := then[node]; !done {
			replace(node)
		}
	}
	return lists
}

// findUnknownPeers records for some nodes the first minor whose peer is unknown.
func (p *placement) findUnknownPeers(nodes iter.Seq[string]) {
	if p.unknownPeers == nil {
		p.unknownPeers = make(map[string]int32)
	}
	for node := range nodes {
		delete(p.unknownPeers, node)
		if i := slices.IndexFunc(p.minors[node], func(m Minor) bool { return m.Peer < 0 }); i >= 0 {
			p.unknownPeers[node] = int32(i)
		}
	}
}

// place returns what some instances of a snapshot, in ascending order, have on each node. The
// error says that it is more than most devices.
func (x *indexer) place(s *Snapshot, instances iter.Seq[int32], most int) (placement, error) {
	p := placement{
		primaries:   make(map[string][]int32),
		secondaries: make(map[string][]int32),
		minors:      make(map[string][]Minor),
		ownUUIDs:    true,
	}
	// For each node the index plus 1 of the last instance that was added with the node at its
	// other end.
	entered := make(map[string]int32)
	n := 0
	for i := range instances {
		if err := x.ended(n); err != nil {
			return p, err
		}
		n++
		p.addNodes(s, i, entered)
		if !p.addMinors(s, i, most) {
			return p, fmt.Errorf("%s: with its disks, all instances have more than %d times as many DRBD devices as there are: "+
				"a disk belongs to one instance, and once", place("instances", s.document.containers["instances"].key(i)), wire.ConfigShares)
		}
	}
	return p, nil
}

// addNodes adds an instance to its primary node and to the nodes at the other end of its DRBD
// disks. If neither end of a disk is on the primary node, the disk's first node counts as
// the other end. An instance without a primary node is added to no node.
func (p *placement) addNodes(s *Snapshot, i int32, entered map[string]int32) {
	in := s.Instances[i]
	if !in.Placed {
		return
	}
	p.primaries[in.PrimaryNode] = append(p.primaries[in.PrimaryNode], i)
	for _, key := range in.Disks {
		tree, _ := s.disk(key)
		if !tree.top {
			continue
		}
		other := tree.devices[0].nodes[0]
		if other == in.PrimaryNode {
			other = tree.devices[0].nodes[1]
		}
		if entered[other] != i+1 {
			entered[other] = i + 1
			p.secondaries[other] = append(p.secondaries[other], i)
		}
	}
}

// disk returns the DRBD devices of the disk with a key, and whether there is such
// a disk.
func (s *Snapshot) disk(key string) (drbdTree, bool) {
	i, ok := s.document.containers["disks"].find(key)
	if !ok {
		return drbdTree{}, false
	}
	return s.disks[i], true
}

// addMinors adds the DRBD minors of an instance to both their nodes, or none of them if one
// of its disks does not exist. The disks are those of the instance with that member uuid, as
// everywhere in Ganeti. It returns false if there are more devices than most then.
func (p *placement) addMinors(s *Snapshot, i int32, most int) bool {
	in := s.Instances[i]
	holder, match := int(i), Found
	if s.document.containers["instances"].key(i) != in.UUID {
		holder, match = s.FindInstance(in.UUID)
	}
	if match != Found || holder != int(i) {
		p.ownUUIDs = false
	}
	if match != Found {
		return true
	}
	disks := s.Instances[holder].Disks
	trees := make([]drbdTree, 0, min(len(disks), 64))
	for _, key := range disks {
		tree, ok := s.disk(key)
		if !ok {
			return true
		}
		if p.devices += 1 + len(tree.devices); p.devices > most {
			return false
		}
		trees = append(trees, tree)
	}
	for position, tree := range trees {
		for _, device := range tree.devices {
			for end, node := range device.nodes {
				if end == 1 && node == device.nodes[0] {
					continue // such a device has its first minor only
				}
				reference := device.nodes[1-end]
				peer, match := s.FindNode(reference)
				if match != Found {
					peer = -1
				}
				p.minors[node] = append(p.minors[node], Minor{
					Minor:         device.minors[end],
					Instance:      in.Name,
					Disk:          int32(position),
					Peer:          int32(peer),
					PeerReference: reference,
					Primary:       in.Placed && node == in.PrimaryNode,
					instance:      i,
				})
			}
		}
	}
	return true
}
