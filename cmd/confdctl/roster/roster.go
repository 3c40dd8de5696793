// Package roster finds out which nodes and instances a cluster has. The protocol has no query
// for that, and the whole list fits into a reply only in small clusters.
package roster

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/gen/object"
)

// Node is a node. Of some nodes only the name is known.
type Node struct {
	Name            string   `json:"name"`
	UUID            string   `json:"uuid"`
	PrimaryIP       string   `json:"primary_ip"`
	SecondaryIP     string   `json:"secondary_ip"`
	Group           string   `json:"group"` // UUID of the group
	MasterCandidate bool     `json:"master_candidate"`
	Offline         bool     `json:"offline"`
	Drained         bool     `json:"drained"`
	MasterCapable   bool     `json:"master_capable"`
	VMCapable       bool     `json:"vm_capable"`
	Tags            []string `json:"tags"`

	Role  client.Role `json:"-"`
	Known bool        `json:"-"` // whether the fields above are known
}

// Instance is an instance. Of some instances only the name is known.
type Instance struct {
	object.Instance
	JSON json.RawMessage // the instance in the configuration; nil if unknown
	Node string          // name of the primary node, or ""
}

// Roster lists the nodes and instances of a cluster.
type Roster struct {
	Nodes     []Node            // sorted by name
	Instances []Instance        // sorted by name, if requested
	Groups    map[string]string // names of node groups by their UUIDs
	Cluster   string            // name of the cluster
	// Whether the lists are known to be complete.
	AllNodes, AllInstances bool

	// Errors say which nodes and instances could not be read. Only their names and UUIDs are
	// known.
	Errors []string

	hosts map[string]string
}

// Want says what to find out. Each value includes those before it.
type Want int

const (
	Names     Want = iota // names and addresses of nodes
	Nodes                 // the rest about nodes
	Instances             // instances
)

// Load finds out who is in the cluster of a client's daemons, until ctx ends. If the whole list
// is too large for a reply, it takes the node names from this node's ssconf files, which are in
// the directory files ("" if there are none), or from the master candidates. Then it asks about
// each node: its instances, and the nodes that share disks with it. That takes a few small
// queries per node.
func Load(ctx context.Context, c *client.Client, files string, want Want) *Roster {
	instances := want == Instances
	s := survey{client: c, wanted: instances, nodes: make(map[string]Node), instances: make(map[string]Instance), asked: make(map[string]bool), slots: make(chan struct{}, 16)}
	var (
		groups map[string]struct{ Name string }
		nodes  map[string]json.RawMessage
		whole  map[string]json.RawMessage
		known  error
		full   error
		name   string
	)
	// Ganeti's own daemon does not answer if the reply is too large.
	first, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s.asking.Go(func() { s.master, _ = value[string](first, c, "/cluster/master_node") })
	s.asking.Go(func() { name, _ = value[string](first, c, "/cluster/cluster_name") })
	s.asking.Go(func() { groups, _ = value[map[string]struct{ Name string }](first, c, "/nodegroups") })
	s.asking.Go(func() { nodes, known = value[map[string]json.RawMessage](first, c, "/nodes") })
	if instances {
		s.asking.Go(func() { whole, full = value[map[string]json.RawMessage](first, c, "/instances") })
	}
	s.asking.Wait()
	r := &Roster{Cluster: name, Groups: make(map[string]string), hosts: make(map[string]string), AllNodes: known == nil, AllInstances: instances && full == nil}
	for uuid, group := range groups {
		r.Groups[uuid] = group.Name
	}
	for uuid, text := range nodes {
		node := Node{UUID: uuid}
		if err := json.Unmarshal(text, &node); err != nil {
			node = Node{UUID: uuid, Name: s.unreadable("node", text, uuid, err)}
			s.nodes[node.Name] = node
			continue
		}
		s.add(node)
	}
	for _, text := range whole {
		s.addInstance(text)
	}
	if !r.AllNodes {
		r.AllNodes = s.readNodes(ctx, files, want)
		if want > Names || !r.AllNodes {
			s.candidates(ctx)
		}
	}
	if instances && !r.AllInstances {
		s.everyNode(ctx)
		r.AllInstances = s.readInstances(files) || r.AllNodes && s.failed == 0
	}
	s.asking.Wait()
	for _, node := range s.nodes {
		r.Nodes = append(r.Nodes, node)
		if node.PrimaryIP != "" {
			r.hosts[canonical(node.PrimaryIP)] = node.Name
		}
	}
	slices.SortFunc(r.Nodes, func(a, b Node) int { return Compare(a.Name, b.Name) })
	for _, instance := range s.instances {
		if node, known := s.byUUID(instance.PrimaryNode); known {
			instance.Node = node.Name
		}
		r.Instances = append(r.Instances, instance)
	}
	slices.Sort(s.errors)
	r.Errors = s.errors
	slices.SortFunc(r.Instances, func(a, b Instance) int { return Compare(a.Name, b.Name) })
	return r
}

// Host returns the name of the node with a primary IP, or "". The configuration may have
// another text in place of an IP.
func (r *Roster) Host(ip string) string { return r.hosts[canonical(ip)] }

// canonical returns an IP in the form in which equal ones are equal texts.
func canonical(ip string) string {
	if addr, err := netip.ParseAddr(ip); err == nil {
		return addr.Unmap().String()
	}
	return ip
}

// GroupName returns the name of a node's group, or its UUID if the name is unknown.
func (r *Roster) GroupName(node Node) string { return cmp.Or(r.Groups[node.Group], node.Group) }

// Find returns the only node with a name, with the beginning of a name up to a dot, or with a
// UUID.
func (r *Roster) Find(ident string) (Node, bool) {
	return find(r.Nodes, ident, func(n Node) (string, string) { return n.Name, n.UUID })
}

// FindInstance returns the one instance that goes by such an identifier.
func (r *Roster) FindInstance(ident string) (Instance, bool) {
	return find(r.Instances, ident, func(i Instance) (string, string) { return i.Name, i.UUID })
}

func find[T any](all []T, ident string, names func(T) (name, uuid string)) (found T, ok bool) {
	beginning := 0
	for _, one := range all {
		switch name, uuid := names(one); {
		case name == ident, uuid == ident:
			return one, true
		case strings.HasPrefix(name, ident+"."):
			found = one
			beginning++
		}
	}
	if beginning != 1 {
		var none T
		return none, false
	}
	return found, true
}

// survey is what Load has found so far.
type survey struct {
	client *client.Client
	wanted bool // whether to look for instances
	master string

	asking sync.WaitGroup
	slots  chan struct{} // limits concurrent queries

	mu        sync.Mutex
	nodes     map[string]Node     // by name
	instances map[string]Instance // by name, or by UUID if it has no name
	asked     map[string]bool     // by UUID or name of a node
	failed    int                 // nodes whose instances could not be found out
	errors    []string            // what could not be read
}

// value asks for a part of the configuration.
func value[A any](ctx context.Context, c *client.Client, pointer string) (A, error) {
	result, err := client.Query(ctx, c, client.ConfigValue[A](pointer))
	return result.Answer, err
}

// add adds a node whose fields are all known.
func (s *survey) add(node Node) {
	node.Known = true
	switch {
	case node.UUID == s.master, node.Name == s.master:
		node.Role = client.RoleMaster
	case node.MasterCandidate:
		node.Role = client.RoleCandidate
	case node.Drained:
		node.Role = client.RoleDrained
	case node.Offline:
		node.Role = client.RoleOffline
	default:
		node.Role = client.RoleRegular
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[node.Name] = node
}

func (s *survey) addInstance(text json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var i object.Instance
	if err := json.Unmarshal(text, &i); err != nil {
		i = object.Instance{}
		i.Name = s.unreadable("instance", text, "", err)
		s.instances[i.Name] = Instance{Instance: i}
		return
	}
	s.instances[cmp.Or(i.Name, i.UUID)] = Instance{Instance: i, JSON: text}
}

// unreadable notes what cannot be read, and returns its name, or what else it is called by.
func (s *survey) unreadable(kind string, text json.RawMessage, uuid string, err error) string {
	var called struct {
		Name any `json:"name"`
		UUID any `json:"uuid"`
	}
	_ = json.Unmarshal(text, &called) // where that fails there is neither
	name, _ := called.Name.(string)
	id, _ := called.UUID.(string)
	name = cmp.Or(name, uuid, id, "without a name")
	s.errors = append(s.errors, fmt.Sprintf("%s %s cannot be read: %v", kind, name, err))
	return name
}

func (s *survey) byUUID(uuid string) (Node, bool) {
	for _, node := range s.nodes {
		if node.UUID != "" && node.UUID == uuid {
			return node, true
		}
	}
	return Node{}, false
}

// readNodes reads names and addresses of the nodes from this node's files.
func (s *survey) readNodes(ctx context.Context, files string, want Want) bool {
	text, err := readFile(files, "ssconf_node_primary_ips")
	if err != nil {
		return false
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		s.ask(func() {
			node := Node{Name: fields[0], PrimaryIP: fields[1]}
			if want > Names {
				if role, err := client.Query(ctx, s.client, client.NodeRole(node.Name)); err == nil {
					node.Role = role.Answer
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.nodes[node.Name] = node
		})
	}
	s.asking.Wait()
	return true
}

func (s *survey) readInstances(files string) bool {
	text, err := readFile(files, "ssconf_instance_list")
	if err != nil {
		return false
	}
	for _, name := range strings.Fields(text) {
		if _, known := s.instances[name]; !known {
			i := Instance{}
			i.Name = name
			s.instances[name] = i
		}
	}
	return true
}

func readFile(dir, name string) (string, error) {
	if dir == "" {
		return "", os.ErrNotExist
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	return string(text), err
}

// candidates asks about the master candidates, whose certificates are in the configuration,
// about the nodes that share disks with them, and so on.
func (s *survey) candidates(ctx context.Context) {
	certificates, err := value[map[string]string](ctx, s.client, "/cluster/candidate_certs")
	if err != nil {
		certificates = make(map[string]string)
	}
	if s.master != "" {
		certificates[s.master] = ""
	}
	for uuid := range certificates {
		s.visit(ctx, uuid)
	}
	s.asking.Wait()
}

// everyNode asks all known nodes for their instances.
func (s *survey) everyNode(ctx context.Context) {
	s.mu.Lock()
	var idents []string
	for _, node := range s.nodes {
		if !s.asked[node.Name] && !s.asked[node.UUID] {
			idents = append(idents, cmp.Or(node.UUID, node.Name))
		}
	}
	s.mu.Unlock()
	for _, ident := range idents {
		s.visit(ctx, ident)
	}
	s.asking.Wait()
}

// ask calls do concurrently, while few other calls are in progress.
func (s *survey) ask(do func()) {
	s.asking.Go(func() {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
		do()
	})
}

// visit asks about a node by its UUID or name, and then about the nodes that it leads to, once
// each.
func (s *survey) visit(ctx context.Context, ident string) {
	s.mu.Lock()
	seen := s.asked[ident] || ident == ""
	s.asked[ident] = true
	s.mu.Unlock()
	if seen || ctx.Err() != nil {
		return
	}
	s.ask(func() {
		if node, err := value[Node](ctx, s.client, "/nodes/"+ident); err == nil {
			s.mu.Lock()
			s.asked[node.Name] = true
			s.mu.Unlock()
			s.add(node)
		}
		s.minors(ctx, ident)
		reply, err := client.Query(ctx, s.client, client.Instances(ident))
		if err != nil {
			s.mu.Lock()
			s.failed++
			s.mu.Unlock()
			return
		}
		var lists [2][]json.RawMessage
		if json.Unmarshal(reply.JSON, &lists) == nil && s.wanted {
			for _, text := range lists[0] {
				s.addInstance(text)
			}
		}
		for _, i := range slices.Concat(reply.Answer.Primary, reply.Answer.Secondary) {
			s.visit(ctx, i.PrimaryNode)
		}
	})
}

// minors looks at the DRBD disks of a node: for instances, whose names are short enough
// to fit where they themselves do not, and for the nodes at the other end.
func (s *survey) minors(ctx context.Context, ident string) {
	reply, err := client.Query(ctx, s.client, client.Minors(ident))
	if err != nil {
		return
	}
	for _, m := range reply.Answer {
		s.mu.Lock()
		for _, name := range []string{m.Node, m.Peer} {
			if _, known := s.nodes[name]; !known && name != "" {
				s.nodes[name] = Node{Name: name}
			}
		}
		if _, known := s.instances[m.Instance]; !known && s.wanted {
			i := Instance{}
			i.Name = m.Instance
			s.instances[m.Instance] = i
		}
		seen := s.asked[m.Peer] || m.Peer == ""
		s.asked[m.Peer] = true
		s.mu.Unlock()
		if !seen {
			s.ask(func() { s.peer(ctx, m) })
		}
	}
}

// peer asks about the node at the other end of a DRBD disk. The configuration calls nodes
// by UUID, which the disk has of both ends.
func (s *survey) peer(ctx context.Context, m client.Minor) {
	reply, err := client.Query(ctx, s.client, client.Disks(m.Instance))
	var ends []string
	if err == nil {
		for _, disk := range reply.Answer {
			var id object.DRBDLogicalID
			if disk.DevType == object.DiskTemplateDRBD && json.Unmarshal(disk.LogicalID, &id) == nil {
				ends = append(ends, id.NodeA, id.NodeB)
			}
		}
	}
	for _, end := range ends {
		s.visit(ctx, end)
	}
	if ends == nil {
		s.mu.Lock()
		delete(s.asked, m.Peer)
		s.mu.Unlock()
		s.visit(ctx, m.Peer)
	}
}

// Compare orders names naturally: node2 before node10.
func Compare(a, b string) int {
	for a != "" && b != "" {
		n, m := digits(a), digits(b)
		if n > 0 && m > 0 {
			x, y := strings.TrimLeft(a[:n], "0"), strings.TrimLeft(b[:m], "0")
			if order := cmp.Or(len(x)-len(y), strings.Compare(x, y)); order != 0 {
				return order
			}
			a, b = a[n:], b[m:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// digits returns the number of digits at the beginning of a text.
func digits(text string) int {
	return len(text) - len(strings.TrimLeft(text, "0123456789"))
}
