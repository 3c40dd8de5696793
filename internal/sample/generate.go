package sample

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"github.com/goccy/go-json"
)

// The largest numbers of nodes and instances that Generate accepts.
const (
	MaxNodes     = 100_000
	MaxInstances = 1_000_000
)

// Generate writes the config.data of a generated cluster of any size, as Ganeti 3.0 writes
// it: in one line, with maps in ascending order of their keys and members as in Config,
// whose objects it uses as patterns. The same arguments always give the same bytes. It
// keeps nothing that it has written, so its memory does not grow with the cluster.
//
// The nodes are in node groups of about 100, with up to ten master candidates, of which
// node1 is the master. With twelve nodes or more, some are drained or offline and run
// nothing. The instances have one or two disks, four out of five on DRBD, on two nodes of
// one group, and one or two NICs on two links. With a single node there is no DRBD. No two
// nodes and no two NICs have the same address; IPv4 addresses are private ones.
//
// The error is about fewer than one node, because every cluster has a master, a negative
// number of instances, or more than MaxNodes or MaxInstances. Other errors are those of w.
func Generate(w io.Writer, nodes, instances int, seed uint64) error {
	if nodes < 1 || nodes > MaxNodes {
		return fmt.Errorf("%d nodes: a cluster has from 1 to %d", nodes, MaxNodes)
	}
	if instances < 0 || instances > MaxInstances {
		return fmt.Errorf("%d instances: a cluster has from 0 to %d", instances, MaxInstances)
	}
	idle := min(nodes/12, 1+nodes/100) // number of drained nodes, and of offline nodes
	hosts := nodes - 2*idle
	groups := max(1, hosts/100)
	g := &generator{
		patterns:    newPatterns(),
		out:         bufio.NewWriterSize(w, 64<<10),
		seed:        seed,
		nodes:       newOrder(nodes),
		groups:      newOrder(groups),
		networks:    newOrder(len(links)),
		instances:   newOrder(instances),
		disks:       newOrder(instances * maxDisks),
		hosts:       hosts,
		offlineFrom: hosts + idle,
		candidates:  min(hosts, 10),
	}
	if err := g.config(); err != nil {
		return err
	}
	return g.out.Flush()
}

const (
	maxDisks    = 2 // of an instance
	volumeGroup = "xenvg"

	// Instances have the addresses from firstAddress on in the range of a link. The first
	// ones are also those of the link's network, which is much smaller than the range.
	firstAddress = 16
	networkBits  = 8
	networkSize  = 1 << networkBits

	firstPort = 11000
	ports     = 50000 // reused if there are more disks
)

// links are the links that NICs are connected to.
var links = []struct {
	name, network string
	ipv4          uint32
	ipv6          string
}{
	{"br0", "frontend", 10 << 24, "2001:db8:1::"}, // the default link
	{"br1", "backend", 10<<24 + 1<<23, "2001:db8:2::"},
}

const (
	primaryNet   = 172<<24 + 16<<16 // of the nodes
	secondaryNet = 172<<24 + 24<<16
)

// generator writes a cluster. Objects have numbers from 0, which determine their content;
// their order in the file is that of their UUIDs.
type generator struct {
	out      *bufio.Writer
	seed     uint64
	patterns patterns

	nodes, groups, networks, instances order
	disks                              order // disk d of instance i has the number i*maxDisks+d

	// Nodes below hosts run instances, other nodes below offlineFrom are drained, the rest
	// is offline.
	hosts, offlineFrom int
	candidates         int // nodes below this are master candidates
}

// config writes the configuration.
func (g *generator) config() error {
	containers := map[string]func() error{
		"nodes":      func() error { return g.container(g.nodes, g.node) },
		"nodegroups": func() error { return g.container(g.groups, g.group) },
		"networks":   func() error { return g.container(g.networks, g.network) },
		"instances":  func() error { return g.container(g.instances, g.instance) },
		"disks":      func() error { return g.container(g.disks, g.disk) },
	}
	separator := '{'
	for _, m := range g.patterns.root {
		fmt.Fprintf(g.out, `%c"%s":`, separator, m.name)
		separator = ','
		var err error
		switch write, ok := containers[m.name]; {
		case ok:
			err = write()
		case m.name == "cluster":
			_, err = g.out.Write(g.cluster(patternOf(m.value)))
		default:
			_, err = g.out.Write(m.value)
		}
		if err != nil {
			return err
		}
	}
	return g.out.WriteByte('}')
}

// container writes the objects of one kind. An object that does not exist has no text.
func (g *generator) container(order order, object func(number int) (uuid string, text []byte)) error {
	g.out.WriteByte('{')
	separator := ""
	for place := range order.size {
		uuid, text := object(order.number(place))
		if text == nil {
			continue
		}
		fmt.Fprintf(g.out, `%s"%s":`, separator, uuid)
		separator = ","
		if _, err := g.out.Write(text); err != nil {
			return err
		}
	}
	return g.out.WriteByte('}')
}

func (g *generator) cluster(pattern pattern) []byte {
	certificates := map[string]string{}
	for n := range g.candidates {
		fingerprint := make([]string, 20)
		r := g.rand(aCertificate, n)
		for i := range fingerprint {
			fingerprint[i] = fmt.Sprintf("%02x", r.IntN(256))
		}
		certificates[g.uuid(aNode, n)] = strings.Join(fingerprint, ":")
	}
	return pattern.with(values{
		"master_node":            g.uuid(aNode, 0),
		"master_ip":              address(primaryNet, 1),
		"master_netmask":         13,
		"candidate_pool_size":    10,
		"candidate_certs":        certificates,
		"highest_used_port":      firstPort + ports - 1,
		"tcpudp_port_pool":       []int{},
		"enabled_disk_templates": []string{"drbd", "plain", "file", "rbd", "ext"},
	})
}

func (g *generator) node(n int) (string, []byte) {
	uuid, r := g.uuid(aNode, n), g.rand(aNode, n)
	offline := n >= g.offlineFrom
	return uuid, g.patterns.node.object(uuid, r, values{
		"name":             fmt.Sprintf("node%d.example.org", n+1),
		"primary_ip":       address(primaryNet, firstAddress+n),
		"secondary_ip":     address(secondaryNet, firstAddress+n),
		"master_candidate": n < g.candidates,
		"offline":          offline,
		"drained":          n >= g.hosts && !offline,
		"group":            g.uuid(aGroup, g.groupOf(n)),
		"ndparams":         oneOf(r, `{}`, `{}`, `{}`, `{"spindle_count":8}`, `{"oob_program":"/usr/local/sbin/power-node"}`),
		"powered":          !offline || n%2 == 0,
		"tags":             []string{fmt.Sprintf("rack:%d", n/20+1)},
	})
}

func (g *generator) group(n int) (string, []byte) {
	uuid, r := g.uuid(aGroup, n), g.rand(aGroup, n)
	name := "default"
	if n > 0 {
		name = fmt.Sprintf("group%d", n+1)
	}
	networks := map[string]json.RawMessage{}
	for i, link := range links {
		networks[g.uuid(aNetwork, i)] = bridged(link.name)
	}
	return uuid, g.patterns.group.object(uuid, r, values{
		"name":     name,
		"networks": networks,
		"tags":     []string{},
	})
}

// groupOf returns the group of a node. Hosts are assigned in runs, all others in turn.
func (g *generator) groupOf(node int) int {
	if node < g.hosts {
		return node * g.groups.size / g.hosts
	}
	return node % g.groups.size
}

// firstHost returns the first host of a group.
func (g *generator) firstHost(group int) int {
	return (group*g.hosts + g.groups.size - 1) / g.groups.size
}

func (g *generator) network(n int) (string, []byte) {
	uuid, r := g.uuid(aNetwork, n), g.rand(aNetwork, n)
	link := links[n]
	reservations := []byte(strings.Repeat("0", networkSize))
	for i := range min(g.instances.size, networkSize-firstAddress-1) {
		if n == 0 || g.secondNIC(i) == onSecondLink {
			reservations[firstAddress+i] = '1'
		}
	}
	return uuid, g.patterns.network.object(uuid, r, values{
		"name":             link.network,
		"mac_prefix":       nil,
		"network":          fmt.Sprintf("%s/%d", address(link.ipv4, 0), 32-networkBits),
		"network6":         link.ipv6 + "/64",
		"gateway":          address(link.ipv4, 1),
		"gateway6":         address6(link.ipv6, 1),
		"reservations":     string(reservations),
		"ext_reservations": "11" + strings.Repeat("0", networkSize-3) + "1",
		"tags":             []string{},
	})
}

func (g *generator) instance(n int) (string, []byte) {
	uuid, r := g.uuid(anInstance, n), g.rand(anInstance, n)
	storage := g.storageOf(n)
	disks := make([]string, storage.disks)
	for d := range disks {
		disks[d] = g.uuid(aDisk, n*maxDisks+d)
	}
	service := serviceOf(n)
	state := oneOf(r, `"up"`, `"up"`, `"up"`, `"up"`, `"up"`, `"up"`, `"up"`, `"up"`, `"down"`, `"offline"`)
	return uuid, g.patterns.instance.object(uuid, r, values{
		"name":         nameOf(n),
		"primary_node": g.uuid(aNode, storage.primary),
		"os":           oneOf(r, `"debootstrap+default"`, `"debootstrap+default"`, `"debootstrap+minimal"`),
		"hvparams":     oneOf(r, `{}`, `{}`, `{}`, `{"disk_aio":"native","disk_cache":"none"}`, `{"kernel_path":"","vnc_bind_address":"127.0.0.1"}`),
		"beparams": oneOf(r, `{}`, `{"minmem":1024,"maxmem":2048,"vcpus":2}`, `{"minmem":2048,"maxmem":4096,"vcpus":4}`,
			`{"minmem":8192,"maxmem":8192,"vcpus":8,"auto_balance":false}`),
		"osparams":     oneOf(r, `{}`, `{}`, `{}`, `{"dhcp":"yes"}`, `{"filesystem":"ext4"}`),
		"admin_state":  state,
		"nics":         g.nics(n, r),
		"disks":        disks,
		"disks_active": string(state) == `"up"`,
		"network_port": firstPort + n%ports,
		"tags":         oneOf(r, `[]`, `["service:`+service+`"]`, `["backup:daily","service:`+service+`"]`),
	})
}

// The kinds of an instance's second NIC.
const (
	noSecondNIC = iota
	onSecondLink
	withIPv6
	withoutAddress
)

// secondNIC returns the kind of an instance's second NIC.
func (g *generator) secondNIC(instance int) int {
	switch dice := g.rand(aNIC, instance).IntN(20); {
	case dice < 2:
		return onSecondLink
	case dice < 4:
		return withIPv6
	case dice < 5:
		return withoutAddress
	}
	return noSecondNIC
}

func (g *generator) nics(instance int, r *rand.Rand) []json.RawMessage {
	list := []json.RawMessage{g.nic(instance, 0, r, g.connected(instance, 0))}
	switch g.secondNIC(instance) {
	case onSecondLink:
		list = append(list, g.nic(instance, 1, r, g.connected(instance, 1)))
	case withIPv6:
		list = append(list, g.nic(instance, 1, r, values{
			"ip":        address6(links[instance%2].ipv6, firstAddress+instance),
			"network":   nil,
			"nicparams": json.RawMessage(`{"link":"` + links[instance%2].name + `"}`),
		}))
	case withoutAddress:
		list = append(list, g.nic(instance, 1, r, values{
			"ip":        nil,
			"network":   nil,
			"nicparams": json.RawMessage(`{}`),
		}))
	}
	return list
}

// connected are the values of a NIC that has an instance's address on a link: in the link's
// network while that has free addresses.
func (g *generator) connected(instance, link int) values {
	l := links[link]
	v := values{"ip": address(l.ipv4, firstAddress+instance), "network": nil}
	switch {
	case firstAddress+instance < networkSize-1:
		v["network"] = g.uuid(aNetwork, link)
		v["nicparams"] = bridged(l.name)
	case link == 0:
		v["nicparams"] = json.RawMessage(`{}`)
	default:
		v["nicparams"] = json.RawMessage(`{"link":"` + l.name + `"}`)
	}
	return v
}

// nic returns the NIC described by v.
func (g *generator) nic(instance, position int, r *rand.Rand, v values) []byte {
	number := instance*2 + position
	v["mac"] = fmt.Sprintf("aa:00:00:%02x:%02x:%02x", number>>16&0xff, number>>8&0xff, number&0xff)
	v["uuid"] = newUUID(r, 0, 1)
	return g.patterns.nic.with(v)
}

// storage is the location of an instance's disks.
type storage struct {
	template           string
	disks              int
	primary, secondary int // nodes; the secondary one is for DRBD
	// minor is the first of the instance's DRBD minors on its primary node; on its
	// secondary node they start maxDisks higher.
	minor int
}

// storageOf returns the location of an instance's disks. Instances are assigned to the
// hosts in rounds. In each round every host is the primary node of at most one instance
// and, because the distance between the two nodes is constant in a round, also the
// secondary node of at most one. So minors that depend on the round are unique on each
// node.
func (g *generator) storageOf(instance int) storage {
	round, primary := instance/g.hosts, instance%g.hosts
	first := g.firstHost(g.groupOf(primary))
	size := g.firstHost(g.groupOf(primary)+1) - first
	s := storage{primary: primary, disks: 1, minor: round * 2 * maxDisks}
	r := g.rand(aStorage, instance)
	switch dice := r.IntN(100); {
	case dice < 80 && size > 1:
		s.template = "drbd"
		distance := 1 + g.rand(aRound, round).IntN(size-1)
		s.secondary = first + (primary-first+distance)%size
	case dice < 92:
		s.template = "plain"
	case dice < 96:
		s.template = "file"
	case dice < 98:
		s.template = "rbd"
	default:
		s.template = "ext"
	}
	if r.IntN(8) == 0 {
		s.disks = maxDisks
	}
	return s
}

func (g *generator) disk(n int) (string, []byte) {
	uuid, r := g.uuid(aDisk, n), g.rand(aDisk, n)
	instance, position := n/maxDisks, n%maxDisks
	s := g.storageOf(instance)
	if position >= s.disks {
		return uuid, nil
	}
	nodes := []string{g.uuid(aNode, s.primary)}
	volume := fmt.Sprintf("%s.disk%d", newUUID(r, 0, 1), position)
	size := 1024 << r.IntN(8)
	var logicalID []any
	children := []json.RawMessage{}
	switch s.template {
	case "drbd":
		nodes = append(nodes, g.uuid(aNode, s.secondary))
		minor := s.minor + position
		secret := fmt.Sprintf("%016x%016x%08x", r.Uint64(), r.Uint64(), r.Uint32())
		logicalID = []any{nodes[0], nodes[1], firstPort + n%ports, minor, minor + maxDisks, secret}
		children = append(children,
			g.volume(r, volume+"_data", nodes, size),
			g.volume(r, volume+"_meta", nodes, 128))
	case "plain":
		logicalID = []any{volumeGroup, volume}
	case "file":
		logicalID = []any{"loop", "/srv/ganeti/file-storage/" + nameOf(instance) + "/" + volume}
	case "rbd":
		nodes = []string{}
		logicalID = []any{"rbd", volume}
	case "ext":
		nodes = []string{}
		logicalID = []any{"array", volume}
	}
	v := values{
		"logical_id": logicalID,
		"dev_type":   s.template,
		"children":   children,
		"nodes":      nodes,
		"iv_name":    fmt.Sprintf("disk/%d", position),
		"size":       size,
		"name":       nil,
		"spindles":   nil,
	}
	if position > 0 {
		v["name"] = "data"
	}
	return uuid, g.patterns.disk.object(uuid, r, v)
}

// volume returns one of the two volumes of a DRBD disk.
func (g *generator) volume(r *rand.Rand, name string, nodes []string, size int) []byte {
	return g.patterns.disk.object(newUUID(r, 0, 1), r, values{
		"logical_id": []any{volumeGroup, name},
		"dev_type":   "plain",
		"children":   []any{},
		"nodes":      nodes,
		"iv_name":    "",
		"size":       size,
		"name":       nil,
		"spindles":   nil,
	})
}

// nameOf returns the name of an instance.
func nameOf(instance int) string {
	return fmt.Sprintf("%s%d.example.org", serviceOf(instance), instance+1)
}

func serviceOf(instance int) string {
	return []string{"www", "db", "mail", "build", "cache", "app", "dns"}[instance%7]
}

func bridged(link string) json.RawMessage {
	return json.RawMessage(`{"mode":"bridged","link":"` + link + `","vlan":""}`)
}

func oneOf(r *rand.Rand, choices ...string) json.RawMessage {
	return json.RawMessage(choices[r.IntN(len(choices))])
}

// object is with for objects that have a UUID and a history.
func (p pattern) object(uuid string, r *rand.Rand, v values) []byte {
	const start, year = 1_717_200_000_000_000, 365 * 86400 * 1_000_000 // microseconds
	created := start + r.Int64N(year)
	v["ctime"] = seconds(created)
	v["mtime"] = seconds(created + r.Int64N(year/4))
	v["uuid"] = uuid
	v["serial_no"] = 1 + r.IntN(30)
	return p.with(v)
}

// seconds returns a time as Ganeti's JSON library writes it.
func seconds(microseconds int64) json.RawMessage {
	digits := strconv.FormatInt(microseconds, 10) // 10 of them for the seconds
	fraction := strings.TrimRight(digits[1:], "0")
	return json.RawMessage(digits[:1] + "." + cmp.Or(fraction, "0") + "e9")
}

// address returns the IPv4 address with a number in a range.
func address(base uint32, number int) string {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], base+uint32(number))
	return netip.AddrFrom4(a).String()
}

// address6 returns the IPv6 address with a number in a range.
func address6(base string, number int) string {
	a := netip.MustParseAddr(base).As16()
	binary.BigEndian.PutUint32(a[12:], uint32(number))
	return netip.AddrFrom16(a).String()
}

// kind says what random numbers are for. An object's random numbers depend only on the
// seed, its kind and its number.
type kind uint64

const (
	aNode kind = iota
	aGroup
	aNetwork
	anInstance
	aDisk
	aNIC
	aStorage
	aRound
	aCertificate
	aUUID
)

func (g *generator) rand(kind kind, number int) *rand.Rand {
	return rand.New(rand.NewPCG(g.seed, uint64(kind)<<32|uint64(number)))
}

// uuid returns the UUID of an object with a place in the file.
func (g *generator) uuid(kind kind, number int) string {
	order := [...]order{aNode: g.nodes, aGroup: g.groups, aNetwork: g.networks, anInstance: g.instances, aDisk: g.disks}[kind]
	return newUUID(g.rand(aUUID+kind, number), order.place(number), order.size)
}

// newUUID returns a random UUID for a place among a number of UUIDs in ascending order.
func newUUID(r *rand.Rand, place, count int) string {
	share := (1 << 48) / int64(count)
	high := int64(place)*share + r.Int64N(share)
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x",
		high>>16, high&0xffff, r.IntN(1<<12), 1<<15|r.IntN(1<<14), r.Int64N(1<<48))
}
