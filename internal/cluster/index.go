package cluster

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-faster/jx"

	"gntconfd/gen/index"
	"gntconfd/gen/wire"
	"gntconfd/internal/cluster/canonical"
)

// indexer reads the objects of a document into the indexes of a Snapshot. What a
// former snapshot has of an object is taken over when the object's text is still
// the same: that is cheaper than to decode it again, and leaves no garbage.
type indexer struct {
	*Snapshot
	ctx     context.Context
	former  *Snapshot
	decoder *jx.Decoder
	devices int // how many DRBD devices the disks have
}

// patience is after how many objects the indexer looks whether loading is to end.
const patience = 256

// ended returns the error of the context, if that has ended, at some of the positions.
func (x *indexer) ended(i int) error {
	if i%patience != 0 {
		return nil
	}
	return x.ctx.Err()
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
	for _, step := range []func() error{
		x.readCluster, x.readNodes, x.readDisks, x.readInstances, x.makeLinks, x.placeInstances,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// node returns a reference to a node. Of the many references to one node only the
// text of the first is kept.
func (x *indexer) node(reference string) string {
	if i, ok := x.document.containers["nodes"].find(reference); ok {
		return x.Nodes[i].Key
	}
	return reference
}

// each goes through the objects of a container of the document: those that are
// new or have changed are decoded and handed to add, with their position, for
// others keep gets their position now and in the former snapshot. A decoded object
// is valid only until the next.
func each[T any, P interface {
	*T
	Decode(*jx.Decoder) error
}](x *indexer, container string, keep func(i, former int), add func(i int, key string, object P)) error {
	former := x.former.document.objects(container)
	var value, zero T // one for all: a large cluster has very many objects
	for i, object := range x.document.objects(container) {
		if err := x.ended(i); err != nil {
			return err
		}
		for len(former) > 0 && former[0].key < object.key {
			former = former[1:]
		}
		if len(former) > 0 && former[0].key == object.key && bytes.Equal(former[0].raw, object.raw) {
			keep(i, len(x.former.document.objects(container))-len(former))
			continue
		}
		value = zero
		x.decoder.ResetBytes(object.raw)
		if err := P(&value).Decode(x.decoder); err != nil {
			at, inFile := x.document.origin(place(container, object.key), object.raw)
			names := func(inner string) []string { return canonical.Names(valueAt(inFile, inner)) }
			return fault(err, x.decoder, object.raw, at, names)
		}
		add(i, object.key, &value)
	}
	return nil
}

func (x *indexer) readCluster() error {
	var root index.Config
	x.decoder.ResetBytes(x.document.root)
	if err := root.Decode(x.decoder); err != nil {
		return fault(err, x.decoder, x.document.root, "", x.document.names)
	}
	x.Version = root.Version
	x.Serial = root.Cluster.SerialNo
	// Being without one, or with one that is no number, keeps no file from loading.
	x.ConfigSerial, _ = strconv.ParseInt(string(x.document.parts["serial_no"].text), 10, 64)
	x.MasterNode = root.Cluster.MasterNode
	x.MasterIP = root.Cluster.MasterIP
	for _, hypervisor := range root.Cluster.EnabledHypervisors {
		if hypervisor == index.HypervisorXenPvm || hypervisor == index.HypervisorXenHvm {
			x.XenEnabled = true
		}
	}
	x.Collectors = make(map[string]Collector)
	for name, c := range root.Cluster.DataCollectors.Value {
		x.Collectors[name] = Collector{Active: c.Active, Interval: c.Interval}
	}
	if params, ok := root.Cluster.Nicparams.Value["default"]; ok {
		x.DefaultLink, x.HasDefaultLink = params.Link, true
	}
	return nil
}

func (x *indexer) readNodes() error {
	x.Nodes = make([]Node, len(x.document.objects("nodes")))
	err := each(x, "nodes", func(i, former int) {
		x.Nodes[i] = x.former.Nodes[former]
	}, func(i int, key string, n *index.Node) {
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
	})
	if err != nil {
		return err
	}
	x.nodeNames = newNames(x.document.containers["nodes"], x.nodeName, func(int32) bool { return false })
	return nil
}

func (x *indexer) readDisks() error {
	x.disks = make([]drbdTree, len(x.document.objects("disks")))
	return each(x, "disks", func(i, former int) {
		x.disks[i] = x.former.disks[former]
	}, func(i int, _ string, d *index.Disk) {
		x.disks[i] = drbdTree{top: isDRBD(d), devices: x.appendDRBD(nil, d)}
	})
}

func isDRBD(d *index.Disk) bool { return d.DevType.Value == index.DiskDevTypeDrbd && d.LogicalID.Set }

func (x *indexer) appendDRBD(devices []drbdDevice, d *index.Disk) []drbdDevice {
	if isDRBD(d) {
		id := &d.LogicalID.Value
		devices = append(devices, drbdDevice{
			nodes:  [2]string{x.node(id.First), x.node(id.Second)},
			minors: [2]int64{id.MinorA, id.MinorB},
		})
	}
	for i := range d.Children.Value {
		devices = x.appendDRBD(devices, &d.Children.Value[i])
	}
	return devices
}

// diskInside is what is wrong with an instance of an older file that is not lifted, as
// its version is another.
var diskInside = regexp.MustCompile(`^/instances/[^/]*/disks/[0-9]+: unexpected object$`)

func (x *indexer) readInstances() error {
	objects := x.document.objects("instances")
	x.Instances = make([]Instance, len(objects))
	disks := x.document.containers["disks"]
	err := each(x, "instances", func(i, former int) {
		x.Instances[i] = x.former.Instances[former]
	}, func(i int, key string, in *index.Instance) {
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
			Named:       in.Name.Set && !in.Name.Null,
			PrimaryNode: x.node(primary),
			Placed:      placed,
			Serial:      in.SerialNo,
			Disks:       in.Disks.Value,
			Addresses:   addresses(in.Nics.Value),
		}
	})
	if err != nil {
		if diskInside.MatchString(err.Error()) {
			err = fmt.Errorf("%w: disks stand in their instances in files of Ganeti 2.15 or before, but /version is %d", err, x.Version)
		}
		return err
	}
	x.instanceNames = newNames(x.document.containers["instances"], x.instanceName, func(i int32) bool {
		return x.Instances[i].Name == ""
	})
	return nil
}

// addresses returns the addresses of an instance's nics.
func addresses(nics []index.NIC) []Address {
	var found []Address
	for i := range nics {
		if ip, ok := nics[i].IP.Get(); ok {
			link, linked := nics[i].Nicparams.Link.Get()
			found = append(found, Address{IP: ip, Link: link, Linked: linked})
		}
	}
	return slices.Clip(found)
}

// makeLinks enters the addresses of all instances. An address leads to the name of
// an instance, and that to the first instance with the name, which may be another.
// Of several instances with one address on a link the last has it.
func (x *indexer) makeLinks() error {
	x.Links = make(map[string]*Link)
	if !x.HasDefaultLink {
		return nil
	}
	first := newPlaces(len(x.Instances))
	for i := len(x.Instances) - 1; i >= 0; i-- {
		if x.Instances[i].Named {
			first.add(int32(i), x.instanceName)
		}
	}
	addresses := make(map[string][]linkAddress)
	var onDefault []linkAddress // apart, so that its name is not hashed for each of them
	for i := range x.Instances {
		if err := x.ended(i); err != nil {
			return err
		}
		in := &x.Instances[i]
		node := int32(-1)
		// A nameless instance goes by its UUID here.
		name := in.UUID
		if in.Named {
			name = in.Name
		}
		if i, ok := first.find(name, x.instanceName); ok && x.Instances[i].Placed {
			if n, match := x.FindNode(x.Instances[i].PrimaryNode); match == Found {
				node = int32(n)
			}
		}
		for _, a := range in.Addresses {
			if !a.Linked || a.Link == x.DefaultLink {
				onDefault = append(onDefault, linkAddress{a.IP, node})
				continue
			}
			addresses[a.Link] = append(addresses[a.Link], linkAddress{a.IP, node})
		}
	}
	if len(onDefault) > 0 {
		addresses[x.DefaultLink] = onDefault
	}
	for link, addresses := range addresses {
		x.Links[link] = newLink(addresses)
	}
	return nil
}

// placeInstances enters instances and DRBD minors with the nodes they are on.
func (x *indexer) placeInstances() error {
	x.primaries = make(map[string][]int32)
	x.secondaries = make(map[string][]int32)
	x.minors = make(map[string][]Minor)
	x.unknownPeers = make(map[string]int32)
	for i := range x.disks {
		x.devices += len(x.disks[i].devices)
	}
	entered := make(map[string]int32)
	minors := 0
	for i := range x.Instances {
		if err := x.ended(i); err != nil {
			return err
		}
		x.addNodes(int32(i), entered)
		var err error
		if minors, err = x.addMinors(i, minors); err != nil {
			return fmt.Errorf("%s: %w", place("instances", x.document.containers["instances"].key(int32(i))), err)
		}
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

// addNodes enters an instance with its primary node and with the nodes at the
// other end of its DRBD disks. For a disk that does not touch the primary node,
// the first of its nodes counts as the other one. An instance without a primary
// node is nobody's.
//
// entered has for each node the last instance, by its index plus 1, that was entered with
// it as its other end.
func (x *indexer) addNodes(i int32, entered map[string]int32) {
	in := &x.Instances[i]
	if !in.Placed {
		return
	}
	x.primaries[in.PrimaryNode] = append(x.primaries[in.PrimaryNode], i)
	for _, key := range in.Disks {
		tree, _ := x.disk(key)
		if !tree.top {
			continue
		}
		other := tree.devices[0].nodes[0]
		if other == in.PrimaryNode {
			other = tree.devices[0].nodes[1]
		}
		if entered[other] != i+1 {
			entered[other] = i + 1
			x.secondaries[other] = append(x.secondaries[other], i)
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

// addMinors enters the DRBD minors of an instance with both their nodes; none of
// them when one of the disks does not exist. The disks are those of the instance
// that its member uuid leads to, as everywhere in Ganeti.
//
// entered is how many devices have been entered before, and devices how many after. The
// error says that it is too many: in a cluster each device is that of one instance, and
// nothing else would keep a small file from having minors without number.
func (x *indexer) addMinors(i, entered int) (devices int, err error) {
	in := &x.Instances[i]
	holder, match := x.FindInstance(in.UUID)
	if match != Found {
		return entered, nil
	}
	disks := x.Instances[holder].Disks
	trees := make([]drbdTree, 0, min(len(disks), 64))
	for _, key := range disks {
		tree, ok := x.disk(key)
		if !ok {
			return entered, nil
		}
		if entered += 1 + len(tree.devices); entered > wire.ConfigShares*(len(x.Instances)+len(x.disks)+x.devices) {
			return 0, fmt.Errorf("with its disks, all instances have more than %d times as many DRBD devices as there are: "+
				"a disk belongs to one instance, and once", wire.ConfigShares)
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
				peer, match := x.FindNode(reference)
				if match != Found {
					peer = -1
					if _, ok := x.unknownPeers[node]; !ok {
						x.unknownPeers[node] = int32(len(x.minors[node]))
					}
				}
				x.minors[node] = append(x.minors[node], Minor{
					Minor:         device.minors[end],
					Instance:      in.Name,
					Disk:          int32(position),
					Peer:          int32(peer),
					PeerReference: reference,
					Primary:       in.Placed && node == in.PrimaryNode,
				})
			}
		}
	}
	return entered, nil
}
