// Package cluster holds one state of a Ganeti cluster: an immutable snapshot of
// its configuration file, with the indexes that questions need and the canonical
// text of its objects. spec/config.json describes the file, spec/classic.json how
// older releases wrote it.
package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"

	"gntconfd/gen/index"
)

// Snapshot is the cluster as one version of its configuration file describes
// it. It is immutable and safe for concurrent use. The order of everything that
// comes in a list is that of Ganeti's own daemon.
type Snapshot struct {
	// Version is the version of the configuration's layout: major release times
	// 1,000,000 plus minor times 10,000 plus revision.
	Version int64
	// Serial is the serial number of the cluster object.
	Serial int64
	// ConfigSerial is the serial number of the file as a whole, or 0 if it has none.
	ConfigSerial int64
	// MasterNode is the key or the name of the master node. No node may have it.
	MasterNode string
	// MasterIP is the address of the cluster, which moves with the master.
	MasterIP string
	// DefaultLink is the link of nics that name none. HasDefaultLink is false in
	// a configuration without default nic parameters; no link is known then.
	DefaultLink    string
	HasDefaultLink bool
	// Collectors are the data collectors that the configuration mentions, by name.
	Collectors map[string]Collector
	// Nodes are the cluster's nodes in ascending order of their keys.
	Nodes []Node
	// Instances are the instances in ascending order of their keys. Unchanged ones are shared
	// with the previous snapshot.
	Instances []*Instance
	// Links are the links that instances have addresses on, by name.
	Links map[string]*Link

	hypervisors   []index.Hypervisor // those that are enabled
	nodeNames     names
	instanceNames names
	placement     placement
	disks         []drbdTree // in ascending order of the disks' keys

	document document
	indexed  bool // all of it is there: not the empty one that nothing was loaded before
}

// HasHypervisor reports whether a hypervisor is enabled.
func (s *Snapshot) HasHypervisor(name string) bool {
	return slices.Contains(s.hypervisors, index.Hypervisor(name))
}

// Collector is the state of a data collector.
type Collector struct {
	Active   bool
	Interval float64 // from one report to the next, in microseconds
}

// Node is what answers need of a node, besides its text.
type Node struct {
	// Key is the node's key in the configuration, usually its UUID.
	Key string
	// UUID is the node's member uuid. References of other objects to the node
	// are compared with it.
	UUID string
	// Name is the node's full name.
	Name string
	// PrimaryIP is the node's address in the primary network.
	PrimaryIP string
	// Candidate, Offline and Drained are the node's flags.
	Candidate, Offline, Drained bool
	// Serial is the node's serial number.
	Serial int64
}

// Instance is what answers need of an instance, besides its text.
type Instance struct {
	// UUID is the instance's member uuid, which is usually its key.
	UUID string
	// Name is the instance's full name. Named is false while a forthcoming
	// instance has none.
	Name string
	// PrimaryNode refers to the node that the instance runs on. Placed is false
	// while a forthcoming instance has none.
	PrimaryNode   string
	Named, Placed bool
	// Serial is the instance's serial number.
	Serial int64
	// Disks are the keys of the instance's disks.
	Disks []string
	// Addresses are the addresses of the instance's nics, in their order, without the nics
	// that have none.
	Addresses []Address
}

// Address is an instance's address, with the link if its nic names one. Linked is false if
// it is on the default link.
type Address struct {
	IP, Link string
	Linked   bool
}

// Minor is a DRBD minor that a disk uses on a node.
type Minor struct {
	// Minor is the number of the minor.
	Minor int64
	// Instance is the name of the disk's instance.
	Instance string
	// Disk is the position of the disk in its instance. A child has the position of its
	// parent.
	Disk int32
	// Peer is the index in Snapshot.Nodes of the node at the other end, or -1 if there is no
	// node with the PeerReference that the disk has.
	Peer          int32
	PeerReference string
	// Primary tells whether the node is the primary node of the instance.
	Primary bool

	instance int32 // index of the instance
}

// Options say how a configuration is loaded.
type Options struct {
	// Former is the snapshot of the previous configuration, loaded with the same
	// RedactSecrets, or nil. Load shares with it what has not changed, which is usually
	// nearly everything, and does not change it.
	Former *Snapshot
	// RedactSecrets removes the secrets of DRBD devices and private OS parameters from all
	// texts of the snapshot.
	RedactSecrets bool
}

// Parse is Load of a text in memory, with no options.
func Parse(text []byte) (*Snapshot, error) {
	return Load(context.Background(), bytes.NewReader(text), Options{})
}

// Load makes a snapshot of a configuration file of Ganeti 2.1 or later, which it reads from
// the reader's position on.
//
// Members that no answer needs may be missing or unknown. The error names the place of the
// first member that is needed but missing, or that cannot be read. If ctx ends, Load returns
// its error.
func Load(ctx context.Context, text io.ReadSeeker, o Options) (*Snapshot, error) {
	former := o.Former
	if former == nil {
		former = new(Snapshot)
	}
	next := new(Snapshot)
	next.document.redact = o.RedactSecrets
	x := indexer{Snapshot: next, ctx: ctx, former: former}
	if processors := runtime.GOMAXPROCS(0); !former.indexed && processors > 1 {
		x.crew = newCrew(processors - 1)
	}
	next.document.ahead = x.ahead
	start, err := text.Seek(0, io.SeekCurrent)
	if err == nil {
		err = next.document.load(interruptible{ctx, text}, &former.document)
	}
	if err == nil && next.document.isOlder() {
		err = next.document.lift(ctx, text, start, &former.document)
	}
	x.crew.finish()
	if err == nil {
		err = x.run()
	}
	if err != nil {
		if ended := ctx.Err(); ended != nil {
			return nil, ended // what was wrong is that the text ended too early
		}
		return nil, fmt.Errorf("parsing configuration: %w", &shortError{err})
	}
	// Only errors need these.
	next.document.members, next.document.rest, next.document.older, next.document.origins = nil, nil, nil, nil
	next.document.changes, next.document.ahead = nil, nil
	next.indexed = true
	return next, nil
}

// interruptible is a reader that returns the error of ctx once ctx has ended.
type interruptible struct {
	ctx  context.Context
	text io.Reader
}

func (r interruptible) Read(into []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.text.Read(into)
}

// FindNode returns the index in Nodes of the node that query means.
func (s *Snapshot) FindNode(query string) (int, Match) {
	i, match := s.nodeNames.find(query, s.nodeName)
	return int(i), match
}

func (s *Snapshot) nodeName(i int32) string { return s.Nodes[i].Name }

// FindInstance returns the index in Instances of the instance that query means.
func (s *Snapshot) FindInstance(query string) (int, Match) {
	i, match := s.instanceNames.find(query, s.instanceName)
	return int(i), match
}

func (s *Snapshot) instanceName(i int32) string { return s.Instances[i].Name }

// Minors returns the DRBD minors of a node: by instance, then by disk, a disk
// before its children. unknown is the first whose peer is no node, or nil.
func (s *Snapshot) Minors(node *Node) (minors []Minor, unknown *Minor) {
	minors = s.placement.minors[node.UUID]
	if i, ok := s.placement.unknownPeers[node.UUID]; ok {
		unknown = &minors[i]
	}
	return minors, unknown
}

// PrimaryInstances returns the indexes of the instances that run on a node.
func (s *Snapshot) PrimaryInstances(node *Node) []int32 { return s.placement.primaries[node.UUID] }

// SecondaryInstances returns the indexes of the instances that have the other end of a DRBD
// disk on a node.
func (s *Snapshot) SecondaryInstances(node *Node) []int32 { return s.placement.secondaries[node.UUID] }

// InstanceText returns the canonical text of an instance.
func (s *Snapshot) InstanceText(i int) ([]byte, error) {
	return s.document.containers["instances"].text(int32(i))
}

// DiskText returns the canonical text of the disk with a key. The error is ErrNoValue if
// there is none.
func (s *Snapshot) DiskText(key string) ([]byte, error) {
	disks := s.document.containers["disks"]
	i, ok := disks.find(key)
	if !ok {
		return nil, ErrNoValue
	}
	return disks.text(i)
}

// AppendValue appends the canonical text of the value at a JSON pointer (RFC 6901), in which
// objects go by their keys. The error is ErrNoValue if there is no such value or the pointer
// is malformed, and ErrTooLarge if the text is longer than limit bytes.
func (s *Snapshot) AppendValue(dst []byte, pointer string, limit int) ([]byte, error) {
	return s.document.appendValue(dst, pointer, limit)
}
