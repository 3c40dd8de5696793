package client

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/object"
	"gntconfd/gen/wire"
)

// Question is a question about the cluster whose answer has type A.
type Question[A any] struct{ question }

// question is a Question without the type of its answer.
type question struct {
	typ     wire.RequestType
	query   wire.OptQuery
	set     bool // whether the answer is a list whose order does not matter
	decode  func(jx.Raw) (any, error)
	invalid error // why it cannot be sent
}

// Type returns the number of the question's request type.
func (q question) Type() int { return int(q.typ) }

// Decode decodes raw, an answer to this question that was received in another way, for
// example with Raw. The error is ErrAnswer. The zero Question has no answer.
func (q Question[A]) Decode(answer json.RawMessage) (A, error) {
	var none A
	if q.decode == nil {
		return none, errNoQuestion
	}
	value, err := q.decode(jx.Raw(answer))
	if err != nil {
		return none, fmt.Errorf("%w: %.200s: %w", ErrAnswer, answer, err)
	}
	return value.(A), nil
}

// interpret sets the value or the error of an opinion.
func (q *question) interpret(o *opinion) {
	if o.status != wire.StatusOK {
		o.err = statusError(o)
		return
	}
	value, err := q.decode(jx.Raw(o.json))
	if err != nil {
		o.err = fmt.Errorf("%s: %w: %.200s: %w", o.peer.name, ErrAnswer, o.json, err)
		return
	}
	o.value = value
}

func ask[A any](typ wire.RequestType, decode func(jx.Raw) (A, error)) Question[A] {
	return Question[A]{question{
		typ:    typ,
		set:    slices.Contains(sets, typ),
		decode: func(answer jx.Raw) (any, error) { return decode(answer) },
	}}
}

// sets are the request types whose answer is a list in any order.
var sets = []wire.RequestType{wire.RequestNodePIPList, wire.RequestMCPIPList, wire.RequestInstanceIPsList, wire.RequestNodeDRBD}

// text returns the question with a text as its query.
func (q Question[A]) text(query string) Question[A] {
	q.query = wire.NewOptQuery(wire.NewStringQuery(query))
	return q
}

// parameters returns the question with parameters as its query.
func (q Question[A]) parameters(p wire.QueryParameters) Question[A] {
	q.query = wire.NewOptQuery(wire.NewQueryParametersQuery(p))
	return q
}

// Ping asks whether the daemon is alive (request type 0). The answer is the version of the
// configuration's layout, for example 3000000; from a daemon of Ganeti 2.6 or before it is
// 0.
func Ping() Question[int64] {
	return ask(wire.RequestPing, func(answer jx.Raw) (int64, error) {
		if string(answer) == `"ok"` {
			return 0, nil
		}
		return decodeJSON[int64](answer)
	})
}

// Role is the role of a node in the cluster. The zero value is no role: a caller that overlooks
// an error does not take the node for the master, as the number 0 means in replies.
type Role string

// The roles of nodes.
const (
	RoleMaster    Role = "master"
	RoleCandidate Role = "master candidate"
	RoleOffline   Role = "offline"
	RoleDrained   Role = "drained"
	RoleRegular   Role = "regular"
)

// roles are the roles by their numbers in replies.
var roles = map[int]Role{
	wire.NodeRoleMaster: RoleMaster, wire.NodeRoleCandidate: RoleCandidate, wire.NodeRoleOffline: RoleOffline,
	wire.NodeRoleDrained: RoleDrained, wire.NodeRoleRegular: RoleRegular,
}

// String returns the role in words, and "unknown" for the zero value.
func (r Role) String() string { return cmp.Or(string(r), "unknown") }

// NodeRole asks for the role of a node (request type 1), given by its name, a prefix of its
// name that ends before a dot, or its UUID. A daemon of Ganeti 2.6 knows only full names.
func NodeRole(node string) Question[Role] {
	return ask(wire.RequestNodeRoleByName, func(answer jx.Raw) (Role, error) {
		number, err := decodeJSON[int](answer)
		if err != nil {
			return "", err
		}
		role, known := roles[number]
		if !known {
			return "", errors.New("unknown role")
		}
		return role, nil
	}).text(node)
}

// Locate asks for the primary IP of the node that runs the instance with an address on a
// link (request type 2). An empty link means the cluster's default link. The error is
// ErrUnknownEntry if there is no such instance.
func Locate(link string, ip netip.Addr) Question[netip.Addr] {
	q := ask(wire.RequestNodePIPByInstanceIP, decodeAddr).parameters(wire.QueryParameters{
		Link: optional(link), IP: wire.NewOptNilString(ip.Unmap().String()),
	})
	q.invalid = checkAddr(ip)
	return q
}

// checkAddr returns why an address cannot be used in a query.
func checkAddr(ip netip.Addr) error {
	if !ip.IsValid() {
		return fmt.Errorf("%w: the zero address", ErrQuery)
	}
	return nil
}

// Location says which node runs the instance with an address.
type Location struct {
	IP     netip.Addr // of the instance
	Node   netip.Addr // the node's primary IP
	Serial int64      // of the cluster; 0 from a daemon of Ganeti 2.6
	// Err is why there is no Node: a *StatusError, usually ErrUnknownEntry, or ErrAnswer if what
	// the daemon has in its place is no address.
	Err error
}

// LocateAll is Locate for up to 4000 addresses at once. The answer has them in the order of
// the request.
func LocateAll(link string, ips ...netip.Addr) Question[[]Location] {
	texts := make([]string, len(ips))
	for i, ip := range ips {
		texts[i] = ip.Unmap().String()
	}
	q := ask(wire.RequestNodePIPByInstanceIP, func(answer jx.Raw) ([]Location, error) {
		rows, err := decodeJSON[[]json.RawMessage](answer)
		if err == nil && len(rows) != len(ips) {
			err = fmt.Errorf("%d locations for %d addresses", len(rows), len(ips))
		}
		if err != nil {
			return nil, err
		}
		all := make([]Location, len(ips))
		for i, row := range rows {
			if all[i], err = decodeLocation(jx.Raw(row)); err != nil {
				return nil, err
			}
			all[i].IP = ips[i]
		}
		return all, nil
	}).parameters(wire.QueryParameters{Link: optional(link), IPList: wire.NewOptNilStringArray(texts)})
	if len(ips) > wire.MaxListElements {
		q.invalid = fmt.Errorf("%w: %d addresses in one question, a daemon accepts at most %d", ErrTooLarge, len(ips), wire.MaxListElements)
	}
	for _, ip := range ips {
		q.invalid = errors.Join(q.invalid, checkAddr(ip))
	}
	return q
}

// decodeLocation decodes the triplet for one address, or the pair of Ganeti 2.6.
func decodeLocation(raw jx.Raw) (Location, error) {
	members, err := decodeJSON[[]json.RawMessage](raw)
	switch {
	case err != nil:
		return Location{}, err
	case len(members) != 2 && len(members) != 3:
		return Location{}, fmt.Errorf("%d members of a location", len(members))
	}
	o := opinion{peer: new(peer), json: members[1], classic: len(members) == 2}
	if !o.classic {
		o.serial, err = decodeJSON[int64](jx.Raw(members[2]))
	}
	if err := errors.Join(err, decodeAll(jx.Raw(members[0]), &o.status)); err != nil {
		return Location{}, err
	}
	if o.status == wire.StatusOK {
		text, err := decodeJSON[string](jx.Raw(o.json))
		if err != nil {
			return Location{}, err
		}
		ip, err := parseAddr(text)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		return Location{Node: ip, Serial: o.serial, Err: err}, nil
	}
	return Location{Serial: o.serial, Err: statusError(&o)}, nil
}

// Master asks for the name of the cluster's master node (request type 3).
func Master() Question[string] {
	return ask(wire.RequestClusterMaster, decodeJSON[string])
}

// Details are the cluster's master and its addresses.
type Details struct {
	Name      string     // of the master node
	ClusterIP netip.Addr // the address that moves with the master role
	PrimaryIP netip.Addr // of the master node
}

// MasterDetails asks for the master's name and addresses at once (request type 3). A daemon
// of Ganeti 2.6 does not know the fields by these numbers: the error is ErrAnswer; use
// Master instead.
func MasterDetails() Question[Details] {
	fields := []wire.MasterField{
		wire.NewMasterFieldCodeMasterField(wire.FieldName),
		wire.NewMasterFieldCodeMasterField(wire.FieldIP),
		wire.NewMasterFieldCodeMasterField(wire.FieldMasterNodePIP),
	}
	return ask(wire.RequestClusterMaster, func(answer jx.Raw) (Details, error) {
		texts, err := decodeJSON[[]string](answer)
		switch {
		case err != nil:
			return Details{}, err
		case len(texts) != len(fields):
			return Details{}, fmt.Errorf("%d fields instead of %d", len(texts), len(fields))
		}
		var errs [2]error
		d := Details{Name: texts[0]}
		d.ClusterIP, errs[0] = parseAddr(texts[1])
		d.PrimaryIP, errs[1] = parseAddr(texts[2])
		return d, errors.Join(errs[:]...)
	}).parameters(wire.QueryParameters{Fields: wire.NewOptNilMasterFieldArray(fields)})
}

// NodeIPs asks for the primary IPs of all nodes (request type 4). The answer is in
// ascending order.
func NodeIPs() Question[[]netip.Addr] { return addrs(wire.RequestNodePIPList) }

// CandidateIPs asks for the primary IPs of the master candidates (request type 5).
// The answer is in ascending order.
func CandidateIPs() Question[[]netip.Addr] { return addrs(wire.RequestMCPIPList) }

// InstanceIPs asks for the addresses of all instances on a link (request type 6). An empty
// link means the cluster's default link. The answer is in ascending order, and empty for an
// unknown link.
func InstanceIPs(link string) Question[[]netip.Addr] {
	q := addrs(wire.RequestInstanceIPsList)
	if link != "" {
		q = q.text(link)
	}
	return q
}

func addrs(typ wire.RequestType) Question[[]netip.Addr] {
	return ask(typ, func(answer jx.Raw) ([]netip.Addr, error) {
		texts, err := decodeJSON[[]string](answer)
		addrs := make([]netip.Addr, 0, len(texts))
		for _, text := range texts {
			ip, err := parseAddr(text)
			if err != nil {
				return nil, err
			}
			addrs = append(addrs, ip)
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		return addrs, err
	})
}

// MinorRole is the role of a node for a DRBD disk.
type MinorRole string

// The roles of nodes for DRBD disks.
const (
	MinorPrimary   MinorRole = MinorRole(wire.MinorRolePrimary)
	MinorSecondary MinorRole = MinorRole(wire.MinorRoleSecondary)
)

// Minor is a DRBD minor in use on a node.
type Minor struct {
	Node     string // the node's name
	Minor    int64
	Instance string // the name of the instance that the disk belongs to
	Disk     string // its name in the instance, for example disk/0
	Role     MinorRole
	Peer     string // the name of the peer node
}

// Minors asks for the DRBD minors in use on a node (request type 7), given as for NodeRole.
// The answer is in ascending order of the minors.
func Minors(node string) Question[[]Minor] {
	return ask(wire.RequestNodeDRBD, func(answer jx.Raw) ([]Minor, error) {
		minors := []Minor{}
		rows, err := decodeJSON[[]json.RawMessage](answer)
		for _, row := range rows {
			// The generated decoder accepts tuples that are too short.
			if members, err := decodeJSON[[]json.RawMessage](jx.Raw(row)); err != nil || len(members) != 6 {
				return nil, fmt.Errorf("%s is not a minor", row)
			}
			var m wire.NodeMinor
			if err := decodeAll(jx.Raw(row), &m); err != nil {
				return nil, err
			}
			minors = append(minors, Minor{m.Node, m.Minor, m.Instance, m.Disk, MinorRole(m.Role), m.Peer})
		}
		slices.SortFunc(minors, func(a, b Minor) int {
			return cmp.Or(cmp.Compare(a.Minor, b.Minor), strings.Compare(a.Instance, b.Instance), strings.Compare(a.Disk, b.Disk))
		})
		return minors, err
	}).text(node)
}

// NodeInstances are the instances of a node, both lists by ascending UUID.
type NodeInstances struct {
	Primary   []object.Instance // the node's primary instances, running or not
	Secondary []object.Instance // those that the node is DRBD secondary for
}

// Instances asks for the instances of a node (request type 8), given as for NodeRole.
// Numbers in values of any type are json.Number.
func Instances(node string) Question[NodeInstances] {
	return ask(wire.RequestNodeInstances, func(answer jx.Raw) (NodeInstances, error) {
		lists, err := decodeObjects[[][]object.Instance](answer)
		switch {
		case err != nil:
			return NodeInstances{}, err
		case len(lists) != 2:
			return NodeInstances{}, fmt.Errorf("%d lists instead of 2", len(lists))
		}
		return NodeInstances{lists[0], lists[1]}, nil
	}).text(node)
}

// Disks asks for the disks of an instance (request type 9), given by its name, a prefix of
// its name that ends before a dot, or its UUID. They are in the instance's order. Numbers
// in values of any type are json.Number.
func Disks(instance string) Question[[]object.Disk] {
	return ask(wire.RequestInstanceDisks, func(answer jx.Raw) ([]object.Disk, error) {
		return decodeObjects[[]object.Disk](answer)
	}).text(instance)
}

// Config asks for a part of the configuration (request type 10), by JSON pointer (RFC
// 6901), for example /cluster/master_node. The error is ErrArgument if the pointer leads
// nowhere.
func Config(pointer string) Question[json.RawMessage] {
	return ask(wire.RequestConfigQuery, decodeRaw).text(pointer)
}

// ConfigValue is Config with the part decoded into a T by encoding/json.
func ConfigValue[A any](pointer string) Question[A] {
	return ask(wire.RequestConfigQuery, func(answer jx.Raw) (A, error) {
		var value A
		err := json.Unmarshal(answer, &value)
		return value, err
	}).text(pointer)
}

// Collector is the state of a data collector of Ganeti's monitoring daemon.
type Collector struct {
	Active   bool
	Interval time.Duration // between two collections
}

// Collectors asks for the state of the data collectors (request type 11), by name.
func Collectors() Question[map[string]Collector] {
	return ask(wire.RequestDataCollectors, func(answer jx.Raw) (map[string]Collector, error) {
		var all wire.DataCollectors
		if err := all.Decode(jx.DecodeBytes(answer)); err != nil {
			return nil, err
		}
		collectors := make(map[string]Collector, len(all))
		for name, c := range all {
			collectors[name] = Collector{Active: c.Active, Interval: time.Duration(c.Interval) * time.Microsecond}
		}
		return collectors, nil
	})
}

// Raw is a question with any request type and query that the protocol allows: none (nil or
// null), a JSON string, or an object of parameters. Other JSON fails with ErrQuery.
func Raw(typ int, query json.RawMessage) Question[json.RawMessage] {
	q := ask(wire.RequestType(typ), decodeRaw)
	if q.Type() != typ || q.typ.Validate() != nil {
		q.invalid = fmt.Errorf("%w: unknown request type %d", ErrQuery, typ)
	} else if query != nil {
		q.query.Set = true
		if err := decodeAll(jx.Raw(query), &q.query.Value); err != nil {
			q.invalid = fmt.Errorf("%w: %.200s: %w", ErrQuery, query, err)
		}
	}
	return q
}

// decodeAll decodes the whole of raw and validates the result.
func decodeAll(raw jx.Raw, into message) error {
	if !jx.Valid(raw) { // something may follow the value
		return errors.New("not JSON")
	}
	if err := into.Decode(jx.DecodeBytes(raw)); err != nil {
		return err
	}
	return into.Validate()
}

// message is a generated type.
type message interface {
	Decode(*jx.Decoder) error
	Validate() error
}

func decodeRaw(answer jx.Raw) (json.RawMessage, error) {
	return json.RawMessage(answer), nil
}

func decodeJSON[A any](answer jx.Raw) (A, error) {
	var value A
	if answer.Type() == jx.Null { // encoding/json accepts null for any type
		return value, errors.New("null")
	}
	err := json.Unmarshal(answer, &value)
	return value, err
}

// decodeObjects decodes objects of the configuration, including numbers of any size.
func decodeObjects[A any](answer jx.Raw) (A, error) {
	var value A
	if answer.Type() != jx.Array {
		return value, errors.New("not a list")
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	err := d.Decode(&value)
	return value, err
}

func decodeAddr(answer jx.Raw) (netip.Addr, error) {
	text, err := decodeJSON[string](answer)
	if err != nil {
		return netip.Addr{}, err
	}
	return parseAddr(text)
}

// parseAddr parses an address. An empty text, as for a node or an interface without an
// address, gives the zero address.
func parseAddr(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	return netip.ParseAddr(text)
}

func optional(text string) wire.OptNilString {
	if text == "" {
		return wire.OptNilString{}
	}
	return wire.NewOptNilString(text)
}

// canonical returns the answer in a form in which equal answers are equal texts.
func (q *question) canonical(answer json.RawMessage) string {
	d := json.NewDecoder(strings.NewReader(string(answer)))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return string(answer)
	}
	list, ok := value.([]any)
	if !ok || !q.set {
		text, _ := json.Marshal(value)
		return string(text)
	}
	texts := make([]string, len(list))
	for i, element := range list {
		text, _ := json.Marshal(element)
		texts[i] = string(text)
	}
	slices.Sort(texts)
	return "[" + strings.Join(texts, ",") + "]"
}
