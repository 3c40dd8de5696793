package cluster

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/go-faster/jx"

	"gntconfd/gen/index"
	"gntconfd/internal/cluster/canonical"
)

// indexer reads the objects of a document into the indexes of a Snapshot. If an object's text
// is unchanged, it takes over what the former snapshot has of it. That is cheaper than
// decoding it again, and leaves no garbage.
type indexer struct {
	*Snapshot
	ctx     context.Context
	former  *Snapshot
	devices int // how many DRBD devices the disks have

	crew           *crew
	aheadDisks     ahead[drbdTree]
	aheadInstances ahead[*Instance]

	// sameNodes and sameInstances: they are the same as before, at the same positions and with
	// the same names and UUIDs.
	sameNodes, sameInstances bool
}

// patience is the number of objects after which the indexer checks whether ctx has ended.
const patience = 256

// ended returns the error of ctx if it has ended. It checks at only one in patience positions.
func (x *indexer) ended(i int) error {
	if i%patience != 0 {
		return nil
	}
	if i > 0 && i%(16*patience) == 0 {
		GiveWay()
	}
	return x.ctx.Err()
}

// drbdTree is the DRBD devices among a disk and its children.
type drbdTree struct {
	top     bool // the first of them is the disk itself
	devices []drbdDevice
}

// drbdDevice is a DRBD device: the references to its two nodes, and its minor on each.
type drbdDevice struct {
	nodes  [2]string
	minors [2]int64
}

func (x *indexer) run() error {
	for _, step := range []func() error{
		x.readCluster, x.readNodes, x.readDisks, x.readInstances, x.placeInstances, x.makeLinks,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// decodable is a pointer to a value that objects of one kind are decoded into.
type decodable[T any] interface {
	*T
	Decode(*jx.Decoder) error
}

// decode decodes some objects and stores the results of entry in list, each at the object's
// position. An object is valid only until entry returns. The error is about the object at a
// position, and arose at the decoder's place.
func decode[E, T any, P decodable[T]](list []E, objects []object, positions iter.Seq[int32], entry func(key string, object P) E) (int32, *jx.Decoder, error) {
	var value, zero T // one for all: a large cluster has very many objects
	decoder := jx.DecodeBytes(nil)
	for i := range positions {
		value = zero
		decoder.ResetBytes(objects[i].raw())
		if err := P(&value).Decode(decoder); err != nil {
			return i, decoder, err
		}
		list[i] = entry(objects[i].key, &value)
	}
	return 0, nil, nil
}

// upTo has the positions below n.
func upTo(n int) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for i := range int32(n) {
			if !yield(i) {
				return
			}
		}
	}
}

// read returns the index of a container: for an unchanged object the entry of former, for one
// that was decoded ahead that result, and otherwise the result of entry for the decoded
// object. entry may be called concurrently.
func read[E, T any, P decodable[T]](x *indexer, container string, former []E, ahead ahead[E], entry func(key string, object P) E) ([]E, error) {
	objects, changes := x.document.objects(container), x.document.changes[container]
	if changes.sameKeys && len(changes.texts) == 0 {
		return former, nil
	}
	if list, ok := ahead.of(objects); ok {
		return list, nil
	}
	list := make([]E, len(objects))
	texts := changes.texts
	if changes.sameKeys {
		copy(list, former)
	} else {
		texts = takeOver(list, objects, former, x.former.document.objects(container))
	}
	return list, x.forEach(len(texts), func(from, to int) error {
		i, decoder, err := decode(list, objects, slices.Values(texts[from:to]), entry)
		if err == nil {
			return nil
		}
		raw := objects[i].raw()
		at, inFile := x.document.origin(place(container, objects[i].key), raw)
		names := func(inner string) []string { return canonical.Names(valueAt(inFile, inner)) }
		return fault(err, decoder, raw, at, names)
	})
}

// decodeAhead returns a function that adds the results of entry for objects to ahead, perhaps
// later.
func decodeAhead[E, T any, P decodable[T]](x *indexer, ahead *ahead[E], entry func(key string, object P) E) func([]object) {
	*ahead = nil
	return func(objects []object) {
		p := &batch[E]{objects: objects, list: make([]E, len(objects))}
		*ahead = append(*ahead, p)
		x.crew.do(func() { _, _, p.err = decode(p.list, p.objects, upTo(len(objects)), entry) })
	}
}

// ahead returns a function that decodes objects of a container while the file is still being
// split, or nil. Only a first load has one: later loads have few objects to decode.
func (x *indexer) ahead(container string) func([]object) {
	if x.crew == nil {
		return nil
	}
	known := x.references()
	switch container {
	case "disks":
		return decodeAhead(x, &x.aheadDisks, known.drbdTree)
	case "instances":
		return decodeAhead(x, &x.aheadInstances, known.instance)
	}
	return nil
}

// references returns what is known so far.
func (x *indexer) references() *references {
	return &references{nodes: x.document.containers["nodes"], disks: x.document.containers["disks"]}
}

// takeOver copies the former entries of unchanged objects into list, and returns the positions
// of the other objects. Both lists of objects are in the order of their keys.
func takeOver[E any](list []E, objects []object, former []E, formerObjects []object) (others []int32) {
	next := 0
	for i := range objects {
		for next < len(formerObjects) && formerObjects[next].key < objects[i].key {
			next++
		}
		if next < len(formerObjects) && formerObjects[next].key == objects[i].key && bytes.Equal(formerObjects[next].raw(), objects[i].raw()) {
			list[i] = former[next]
		} else {
			others = append(others, int32(i))
		}
	}
	return others
}

// forEach calls do for n positions, some at a time, and returns the error about the first of
// them. On a first load nobody is being served yet, so it uses all processors.
func (x *indexer) forEach(n int, do func(from, to int) error) error {
	var next atomic.Int64
	work := func() (int, error) {
		for {
			from := int(next.Add(patience)) - patience
			if from >= n {
				return n, nil
			}
			if from > 0 { // a small cluster takes less time than giving way
				GiveWay()
			}
			err := x.ctx.Err()
			if err == nil {
				err = do(from, min(from+patience, n))
			}
			if err != nil {
				next.Store(int64(n)) // what comes before is in the hands of others already
				return from, err
			}
		}
	}
	workers := 1
	if !x.former.indexed {
		workers = min(runtime.GOMAXPROCS(0), (n+patience-1)/patience)
	}
	if workers < 2 {
		_, err := work()
		return err
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	first, failure := n, error(nil)
	for range workers {
		group.Go(func() {
			if at, err := work(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if at < first {
					first, failure = at, err
				}
			}
		})
	}
	group.Wait()
	return failure
}

// unchanged reports whether a container has the same keys as before, and whether all changed
// objects are equal in what matters.
func (x *indexer) unchanged(container string, same func(i int32) bool) bool {
	changes := x.document.changes[container]
	if !changes.sameKeys {
		return len(x.document.objects(container)) == 0 && len(x.former.document.objects(container)) == 0 && x.former.indexed
	}
	return !slices.ContainsFunc(changes.texts, func(i int32) bool { return !same(i) })
}

func (x *indexer) readCluster() error {
	var root index.Config
	decoder := jx.DecodeBytes(x.document.root)
	if err := root.Decode(decoder); err != nil {
		return fault(err, decoder, x.document.root, "", x.document.names)
	}
	x.Version = root.Version
	x.Serial = root.Cluster.SerialNo
	// A file loads even if it has none, or one that is not a number.
	x.ConfigSerial, _ = strconv.ParseInt(string(x.document.parts["serial_no"].text), 10, 64)
	x.MasterNode = root.Cluster.MasterNode
	x.MasterIP = root.Cluster.MasterIP
	x.hypervisors = root.Cluster.EnabledHypervisors
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
	var err error
	x.Nodes, err = read(x, "nodes", x.former.Nodes, nil, func(key string, n *index.Node) Node {
		return Node{
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
	nodes := x.document.containers["nodes"]
	x.sameNodes = x.unchanged("nodes", func(i int32) bool { return x.Nodes[i].Name == x.former.Nodes[i].Name })
	if x.sameNodes {
		x.nodeNames = x.former.nodeNames.with(nodes)
		return nil
	}
	x.nodeNames = newNames(nodes, x.nodeName, func(int32) bool { return false })
	return nil
}

func (x *indexer) readDisks() error {
	var err error
	x.disks, err = read(x, "disks", x.former.disks, x.aheadDisks, x.references().drbdTree)
	x.aheadDisks = nil // its memory may go
	x.devices = 0
	for i := range x.disks {
		x.devices += len(x.disks[i].devices)
	}
	return err
}

func (r *references) drbdTree(_ string, d *index.Disk) drbdTree {
	return drbdTree{top: isDRBD(d), devices: r.appendDRBD(nil, d)}
}

func isDRBD(d *index.Disk) bool { return d.DevType.Value == index.DiskDevTypeDrbd && d.LogicalID.Set }

func (r *references) appendDRBD(devices []drbdDevice, d *index.Disk) []drbdDevice {
	if isDRBD(d) {
		id := &d.LogicalID.Value
		devices = append(devices, drbdDevice{
			nodes:  [2]string{r.node(id.First), r.node(id.Second)},
			minors: [2]int64{id.MinorA, id.MinorB},
		})
	}
	for i := range d.Children.Value {
		devices = r.appendDRBD(devices, &d.Children.Value[i])
	}
	return devices
}

// diskInside is the problem with an instance in the layout of an older file whose version is
// not an older one, so that it is not converted.
var diskInside = regexp.MustCompile(`^/instances/[^/]*/disks/[0-9]+: unexpected object$`)

func (x *indexer) readInstances() error {
	var err error
	x.Instances, err = read(x, "instances", x.former.Instances, x.aheadInstances, x.references().instance)
	if err != nil {
		if diskInside.MatchString(err.Error()) {
			err = fmt.Errorf("%w: disks stand in their instances in files of Ganeti 2.15 or before, but /version is %d", err, x.Version)
		}
		return err
	}
	if x.aheadInstances != nil { // perhaps before there were disks
		x.aheadInstances = nil
		known := x.references()
		err = x.forEach(len(x.Instances), func(from, to int) error {
			for _, in := range x.Instances[from:to] {
				known.share(in.Disks)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	instances := x.document.containers["instances"]
	x.sameInstances = x.unchanged("instances", func(i int32) bool {
		now, former := x.Instances[i], x.former.Instances[i]
		return now.UUID == former.UUID && now.Name == former.Name && now.Named == former.Named
	})
	if x.sameInstances {
		x.instanceNames = x.former.instanceNames.with(instances)
		return nil
	}
	x.instanceNames = newNames(instances, x.instanceName, func(i int32) bool { return x.Instances[i].Name == "" })
	return nil
}

func (r *references) instance(key string, in *index.Instance) *Instance {
	if in.UUID == key {
		in.UUID = key // one text for both
	}
	r.share(in.Disks.Value)
	primary, placed := in.PrimaryNode.Get()
	return &Instance{
		UUID:        in.UUID,
		Name:        in.Name.Value,
		Named:       in.Name.Set && !in.Name.Null,
		PrimaryNode: r.node(primary),
		Placed:      placed,
		Serial:      in.SerialNo,
		Disks:       in.Disks.Value,
		Addresses:   addresses(in.Nics.Value),
	}
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
