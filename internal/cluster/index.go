package cluster

import (
	"fmt"
	"slices"

	"github.com/go-faster/jx"

	"gntconfd/gen/config/index"
)

// indexer reads the objects of a document into the indexes of a Snapshot.
type indexer struct {
	*Snapshot
	decoder *jx.Decoder
	drbd    map[string]drbdTree // by disk
}

// drbdTree are the DRBD devices among a disk and the disks below it.
type drbdTree struct {
	top     bool // the first of them is the disk itself
	devices []drbdDevice
}

// drbdDevice is a DRBD device, by the references to its two nodes and its minor
// on either.
type drbdDevice struct {
	nodes  [2]string
	minors [2]int64
}

func (x *indexer) run() error {
	for _, read := range []func() error{x.readCluster, x.readNodes, x.readDisks, x.readInstances} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// node returns a reference to a node. Of the many references to one node only the
// text of the first is kept.
func (x *indexer) node(reference string) string {
	if i, ok := x.nodeNames.byKey[reference]; ok {
		return x.Nodes[i].Key
	}
	return reference
}

// each decodes the objects of a container of the document and hands them to add
// one by one, with their position. An object is valid only until the next.
func each[T any, P interface {
	*T
	Decode(*jx.Decoder) error
}](x *indexer, container string, add func(i int32, key string, object P)) error {
	var value, zero T // one for all: a large cluster has very many objects
	for i, object := range x.document.objects(container) {
		value = zero
		x.decoder.ResetBytes(object.raw)
		if err := P(&value).Decode(x.decoder); err != nil {
			return fmt.Errorf("%s: %s: %w", container, object.key, err)
		}
		add(int32(i), object.key, &value)
	}
	return nil
}

func (x *indexer) readCluster() error {
	var root index.Config
	x.decoder.ResetBytes(x.document.root)
	if err := root.Decode(x.decoder); err != nil {
		return x.document.explain(err)
	}
	x.Version = root.Version
	x.Serial = root.Cluster.SerialNo
	x.MasterNode = root.Cluster.MasterNode
	x.MasterIP = root.Cluster.MasterIP
	x.Hypervisors = root.Cluster.EnabledHypervisors
	x.Collectors = root.Cluster.DataCollectors.Value
	if params, ok := root.Cluster.Nicparams.Value["default"]; ok {
		x.DefaultLink, x.HasDefaultLink = params.Link, true
	}
	return nil
}

func (x *indexer) readNodes() error {
	size := len(x.document.objects("nodes"))
	x.Nodes = make([]Node, size)
	x.nodeNames = newNames(size)
	err := each(x, "nodes", func(i int32, key string, n *index.Node) {
		x.Nodes[i] = Node{
			Key:       key,
			UUID:      n.UUID,
			Name:      n.Name,
			PrimaryIP: n.PrimaryIP,
			Candidate: n.MasterCandidate,
			Offline:   n.Offline,
			Drained:   n.Drained,
			Serial:    n.SerialNo,
		}
		x.nodeNames.add(i, key, n.Name)
	})
	x.nodeNames.finish()
	return err
}

func (x *indexer) readDisks() error {
	x.drbd = make(map[string]drbdTree, len(x.document.objects("disks")))
	return each(x, "disks", func(_ int32, key string, d *index.Disk) {
		x.drbd[key] = drbdTree{top: isDRBD(d), devices: x.appendDRBD(nil, d)}
	})
}

func isDRBD(d *index.Disk) bool { return d.DevType.Value == index.DiskDevTypeDrbd && d.LogicalID.Set }

func (x *indexer) appendDRBD(devices []drbdDevice, d *index.Disk) []drbdDevice {
	if isDRBD(d) {
		id := &d.LogicalID.Value
		devices = append(devices, drbdDevice{
			nodes:  [2]string{x.node(id.V0), x.node(id.V1)},
			minors: [2]int64{id.V3, id.V4},
		})
	}
	for i := range d.Children.Value {
		devices = x.appendDRBD(devices, &d.Children.Value[i])
	}
	return devices
}

func (x *indexer) readInstances() error {
	size := len(x.document.objects("instances"))
	x.Instances = make([]Instance, size)
	x.instanceNames = newNames(size)
	x.primaries = make(map[string][]int32)
	x.secondaries = make(map[string][]int32)
	x.minors = make(map[string][]Minor)
	x.Links = make(map[string]*Link)

	// An address leads to the name of an instance and that to the first instance
	// with the name, which may be another one, further down in the file.
	type owner struct {
		link, ip, instance string
	}
	var owners []owner
	disks := x.document.containers["disks"]
	firstNamed := make(map[string]int32, size)

	err := each(x, "instances", func(i int32, key string, in *index.Instance) {
		if in.UUID == key {
			in.UUID = key // one text for both
		}
		for i, disk := range in.Disks.Value {
			if j, ok := disks.find(disk); ok {
				in.Disks.Value[i] = disks.objects[j].key
			}
		}
		primary, placed := in.PrimaryNode.Get()
		x.Instances[i] = Instance{
			UUID:        in.UUID,
			Name:        in.Name.Value,
			PrimaryNode: x.node(primary),
			Placed:      placed,
			Serial:      in.SerialNo,
			Disks:       in.Disks.Value,
		}
		name := in.Name.Value
		if name == "" {
			x.instanceNames.addNameless(i, key)
		} else {
			x.instanceNames.add(i, key, name)
		}
		if in.Name.Set && !in.Name.Null {
			if _, known := firstNamed[name]; !known {
				firstNamed[name] = i
			}
		} else {
			name = in.UUID
		}
		for _, nic := range in.Nics.Value {
			link, given := nic.Nicparams.Link.Get()
			if !given {
				link = x.DefaultLink
			}
			if ip, given := nic.IP.Get(); given {
				owners = append(owners, owner{link, ip, name})
			}
		}
	})
	if err != nil {
		return err
	}
	x.instanceNames.finish()

	if x.HasDefaultLink {
		for _, o := range owners {
			node := int32(-1)
			if i, ok := firstNamed[o.instance]; ok && x.Instances[i].Placed {
				if n, match := x.nodeNames.find(x.Instances[i].PrimaryNode); match == Found {
					node = n
				}
			}
			x.link(o.link).nodes[o.ip] = node
		}
		for _, link := range x.Links {
			link.finish()
		}
	}
	for i := range x.Instances {
		x.addNodes(int32(i))
		x.addMinors(int32(i))
	}
	fit(x.primaries)
	fit(x.secondaries)
	fit(x.minors)
	return nil
}

// fit gives back the room that appending has left in lists, which last as long as
// the snapshot.
func fit[T any](lists map[string][]T) {
	for key, list := range lists {
		lists[key] = slices.Clone(list)
	}
}

// link returns the link with a name, which it makes where there is none.
func (x *indexer) link(name string) *Link {
	link := x.Links[name]
	if link == nil {
		link = &Link{nodes: make(map[string]int32)}
		x.Links[name] = link
	}
	return link
}

// addNodes enters an instance with its primary node and with the nodes at the
// other end of its DRBD disks. For a disk that does not touch the primary node,
// the first of its nodes counts as the other one. An instance without a primary
// node is nobody's.
func (x *indexer) addNodes(i int32) {
	in := &x.Instances[i]
	if !in.Placed {
		return
	}
	x.primaries[in.PrimaryNode] = append(x.primaries[in.PrimaryNode], i)
	var others []string
	for _, disk := range in.Disks {
		tree := x.drbd[disk]
		if !tree.top {
			continue
		}
		other := tree.devices[0].nodes[0]
		if other == in.PrimaryNode {
			other = tree.devices[0].nodes[1]
		}
		if !slices.Contains(others, other) {
			others = append(others, other)
			x.secondaries[other] = append(x.secondaries[other], i)
		}
	}
}

// addMinors enters the DRBD minors of an instance with both their nodes; none of
// them when one of the disks does not exist. The disks are those of the instance
// that its member uuid leads to, as everywhere in Ganeti.
func (x *indexer) addMinors(i int32) {
	in := &x.Instances[i]
	holder, match := x.FindInstance(in.UUID)
	if match != Found {
		return
	}
	disks := x.Instances[holder].Disks
	for _, disk := range disks {
		if _, ok := x.drbd[disk]; !ok {
			return
		}
	}
	for position, disk := range disks {
		for _, device := range x.drbd[disk].devices {
			for end, node := range device.nodes {
				if end == 1 && node == device.nodes[0] {
					continue // such a device has its first minor only
				}
				x.minors[node] = append(x.minors[node], Minor{
					Instance: int(i),
					Disk:     position,
					Minor:    device.minors[end],
					Peer:     device.nodes[1-end],
					Primary:  in.Placed && node == in.PrimaryNode,
				})
			}
		}
	}
}
