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
	// ConfigSerial is the serial number of the file as a whole; 0 where it has none.
	ConfigSerial int64
	// MasterNode refers to the master node, by key or name. It may lead nowhere.
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
	// Instances are the instances in ascending order of their keys. Those that have not
	// changed are also in the snapshot before.
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

// Node is what answers need of a node, beside its text.
type Node struct {
	// Key is the node's key in the configuration: its UUID, as a rule.
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

// Instance is what answers need of an instance, beside its text.
type Instance struct {
	// UUID is the instance's member uuid, which is its key as a rule.
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
	// Addresses are those of the instance's nics, in their order; nics without
	// one are left out.
	Addresses []Address
}

// Address is an instance address, with the link when its nic names one: Linked is
// false when it is on the default link.
type Address struct {
	IP, Link string
	Linked   bool
}

// Minor is a DRBD minor that a disk takes on a node.
type Minor struct {
	// Minor is the number of the minor.
	Minor int64
	// Instance is the name of the disk's instance.
	Instance string
	// Disk is the position of the disk in its instance; a disk below another has
	// the position of that one.
	Disk int32
	// Peer is the index in Snapshot.Nodes of the node at the other end, or -1
	// when PeerReference, what the disk says of it, leads to no node.
	Peer          int32
	PeerReference string
	// Primary tells whether the node is the primary node of the instance.
	Primary bool

	instance int32 // index of the instance
}

// Options say how a configuration is loaded.
type Options struct {
	// Former is the snapshot of the configuration before, loaded with the same
	// RedactSecrets, or nil. What has not changed, and that is nearly all of it as a
	// rule, is taken over from it. It stays as it is.
	Former *Snapshot
	// RedactSecrets makes a snapshot give its texts without the secrets of DRBD devices
	// and without private OS parameters.
	RedactSecrets bool
}

// Parse is Load of a text in memory, with no options.
func Parse(text []byte) (*Snapshot, error) {
	return Load(context.Background(), bytes.NewReader(text), Options{})
}

// Load makes a snapshot of the text of a configuration file, of Ganeti 2.1 or later, read
// from where the reader stands.
//
// Members that no answer needs may be missing or unknown. The error names the place of the
// first member that is needed and missing, or cannot be read. When ctx ends, so does
// loading, with the error of ctx.
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
	// Only errors tell of these.
	next.document.members, next.document.rest, next.document.older, next.document.origins = nil, nil, nil, nil
	next.document.changes, next.document.ahead = nil, nil
	next.indexed = true
	return next, nil
}

// interruptible is a text that ends with the error of ctx when ctx has ended.
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
// before those below it. unknown is the first of which no node is the peer, nil when
// there is none.
func (s *Snapshot) Minors(node *Node) (minors []Minor, unknown *Minor) {
	minors = s.placement.minors[node.UUID]
	if i, ok := s.placement.unknownPeers[node.UUID]; ok {
		unknown = &minors[i]
	}
	return minors, unknown
}

// PrimaryInstances returns the indexes of the instances that run on a node.
func (s *Snapshot) PrimaryInstances(node *Node) []int32 { return s.placement.primaries[node.UUID] }

// SecondaryInstances returns the indexes of the instances whose DRBD disks have
// their other end on a node.
func (s *Snapshot) SecondaryInstances(node *Node) []int32 { return s.placement.secondaries[node.UUID] }

// InstanceText returns the canonical text of an instance.
func (s *Snapshot) InstanceText(i int) ([]byte, error) {
	return s.document.containers["instances"].text(int32(i))
}

// DiskText returns the canonical text of the disk with a key. The error is
// ErrNoValue when there is none.
func (s *Snapshot) DiskText(key string) ([]byte, error) {
	disks := s.document.containers["disks"]
	i, ok := disks.find(key)
	if !ok {
		return nil, ErrNoValue
	}
	return disks.text(i)
}

// AppendValue appends the canonical text of the value that an RFC 6901 pointer
// leads to. Objects in containers are reached by their keys. The errors are
// ErrNoValue, for malformed pointers as well, and ErrTooLarge when the text is
// longer than limit bytes.
func (s *Snapshot) AppendValue(dst []byte, pointer string, limit int) ([]byte, error) {
	return s.document.appendValue(dst, pointer, limit)
}
