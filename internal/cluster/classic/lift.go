// Package classic converts configurations of Ganeti 2.1 to 2.15 to the layout of later releases.
// spec/classic.json describes the older layouts: what was added when and with which default, and
// what was moved or renamed.
package classic

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-faster/jx"

	layout "gntconfd/gen/classic"
	"gntconfd/gen/wire"
	"gntconfd/internal/cluster/canonical"
	"gntconfd/internal/jsontext"
)

// Older reports whether a configuration has an older layout. It decides by the version and by
// whether the cluster object has the member ssh_key_type, which all present ones have: Ganeti's
// daemon ignores the version, and serves the present layout under any.
func Older(version int64, sshKeyType bool) bool {
	return 2_000_000 <= version && version < 2_160_000 && !sshKeyType
}

// Lift converts an older configuration to the present layout, but keeps its version. As far as
// answers show it, the result is that of Ganeti's own cfgupgrade. An object that needs a UUID
// gets the same one every time. Parts that already have the present layout do not change.
// origins maps the JSON pointers of moved objects to their former pointers in data.
//
// The error names the place of the first member that cannot be read: fault turns the error of a
// decoder, that decoder and its text into it. When ctx ends, Lift returns its error.
func Lift(ctx context.Context, data []byte, fault func(err error, d *jx.Decoder, text []byte) error) (lifted []byte, origins map[string]string, err error) {
	form := canonical.Classic("Config")
	filled, err := form.Append(nil, data)
	if err != nil {
		return nil, nil, form.Placed(data, err)
	}
	var config layout.Config
	d := jx.Decode(text{ctx, bytes.NewReader(filled)}, decodeSize)
	if err := config.Decode(d); err != nil {
		if ended := ctx.Err(); ended != nil {
			return nil, nil, ended
		}
		return nil, nil, fault(err, d, filled)
	}
	l := &lifter{
		ctx:      ctx,
		Config:   &config,
		cluster:  &config.Cluster.Value,
		nodes:    make(map[string]string),
		networks: make(map[string]string),
		origins:  make(map[string]string),
		room:     wire.ConfigGrowth*len(data) + 256<<10,
	}
	if err := l.run(); err != nil {
		return nil, nil, err
	}
	var e jx.Encoder
	config.Encode(&e)
	return e.Bytes(), l.origins, ctx.Err()
}

// decodeSize is how many bytes are decoded between two checks of the context.
const decodeSize = 64 << 10

// text is a text whose reading fails once its context has ended.
type text struct {
	ctx  context.Context
	text io.Reader
}

func (t text) Read(into []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	return t.text.Read(into)
}

// lifter is what is known about a configuration while its objects are converted.
type lifter struct {
	ctx context.Context
	*layout.Config
	cluster  *layout.Cluster
	nodes    map[string]string // UUIDs by name
	networks map[string]string // UUIDs by name
	origins  map[string]string // former places of objects, by their present places
	at       string            // the place of the object being converted
	room     int               // how many bytes may still be repeated
}

// repeat reserves room for texts that are written or processed again for each of many objects:
// UUIDs of nodes and networks, times of an instance for its disks, the policy of the cluster for
// its groups. In Ganeti's files objects are longer than what is repeated for them.
func (l *lifter) repeat(texts ...string) {
	for _, text := range texts {
		l.room -= len(text) + len(`"",`)
	}
}

// full reports whether there is no room left.
func (l *lifter) full() bool { return l.room < 0 }

// ended returns why conversion has to stop, or nil. It is called for each object.
func (l *lifter) ended() error {
	if l.full() {
		return fmt.Errorf("%s: in the present layout it takes more than %d times the size of the file", l.at, wire.ConfigGrowth)
	}
	return l.ctx.Err()
}

func (l *lifter) run() error {
	if l.cluster.UUID.Value == "" {
		l.cluster.UUID.SetTo(derive("cluster"))
	}
	if err := l.liftNodes(); err != nil {
		return err
	}
	for _, uuid := range slices.Sorted(maps.Keys(l.Networks.Value)) {
		if name := l.Networks.Value[uuid].Name.Value; name != "" {
			l.networks[name] = uuid
		}
	}
	if err := l.liftInstances(); err != nil {
		return err
	}
	if err := l.liftDisks(); err != nil {
		return err
	}
	l.liftCluster()
	return l.liftPolicies()
}

// derive is the function derive, for which room is reserved.
func (l *lifter) derive(identity ...string) string {
	l.repeat(identity...)
	return derive(identity...)
}

// derive makes a UUID from what identifies an object without one.
func derive(identity ...string) string {
	text := []byte("gntconfd")
	for _, part := range identity {
		text = append(append(text, 0), part...)
	}
	sum := sha1.Sum(text)
	sum[6] = sum[6]&0x0f | 5<<4 // a UUID of version 5, made from a name by SHA-1
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// node returns the UUID of the node that reference names, or reference itself if it is a UUID.
func (l *lifter) node(reference string) string {
	if uuid, ok := l.nodes[reference]; ok {
		l.repeat(uuid)
		return uuid
	}
	return reference
}

func (l *lifter) liftNodes() error {
	group := ""
	if len(l.Nodegroups.Value) == 0 {
		var err error
		if group, err = l.addGroup(); err != nil {
			return err
		}
	}
	nodes := make(layout.ConfigNodes, len(l.Nodes.Value))
	for _, key := range slices.Sorted(maps.Keys(l.Nodes.Value)) {
		l.at = place("nodes", key)
		if err := l.ended(); err != nil {
			return err
		}
		node := l.Nodes.Value[key]
		if node.UUID.Value == "" {
			node.UUID.SetTo(l.derive(l.cluster.UUID.Value, "node", node.Name.Value))
		}
		if node.Group.Value == "" {
			node.Group.SetTo(group)
		}
		if node.Name.Value != "" {
			l.nodes[node.Name.Value] = node.UUID.Value
		}
		l.moved(place("nodes", key), "nodes", node.UUID.Value)
		nodes[node.UUID.Value] = node
	}
	l.Nodes.SetTo(nodes)
	return nil
}

// addGroup creates the node group of a cluster that has none, and returns its UUID.
func (l *lifter) addGroup() (string, error) {
	const name = "default"
	uuid := derive(l.cluster.UUID.Value, "nodegroup", name)
	text, err := canonical.Classic("NodeGroup").Append(nil, fmt.Appendf(nil, `{"name":%q,"uuid":%q}`, name, uuid))
	if err != nil {
		return "", err
	}
	var group layout.NodeGroup
	if err := group.Decode(jx.DecodeBytes(text)); err != nil {
		return "", err
	}
	l.Nodegroups.SetTo(layout.ConfigNodegroups{uuid: group})
	return uuid, nil
}

// liftInstances puts the instances under their UUIDs and moves their disks out of them.
func (l *lifter) liftInstances() error {
	if l.Disks.Value == nil {
		l.Disks.SetTo(make(layout.ConfigDisks))
	}
	instances := make(layout.ConfigInstances, len(l.Instances.Value))
	for _, key := range slices.Sorted(maps.Keys(l.Instances.Value)) {
		l.at = place("instances", key)
		instance := l.Instances.Value[key]
		if instance.UUID.Value == "" {
			instance.UUID.SetTo(l.derive(l.cluster.UUID.Value, "instance", instance.Name.Value))
		}
		if node, ok := instance.PrimaryNode.Get(); ok {
			instance.PrimaryNode.SetTo(l.node(node))
		}
		liftState(&instance)
		if be := &instance.Beparams.Value; be.Memory != nil {
			be.Minmem, be.Maxmem = be.Memory, be.Memory
		}
		for i := range instance.Nics.Value {
			nic := &instance.Nics.Value[i]
			l.liftNIC(nic)
			if l.full() {
				break
			}
			if nic.UUID.Value == "" {
				nic.UUID.SetTo(l.derive(instance.UUID.Value, "nic", fmt.Sprint(i)))
			}
		}
		l.moved(l.at, "instances", instance.UUID.Value)
		l.takeDisks(&instance, l.at)
		if err := l.ended(); err != nil {
			return err
		}
		instances[instance.UUID.Value] = instance
	}
	l.Instances.SetTo(instances)
	return nil
}

func liftState(instance *layout.Instance) {
	const up = "up"
	if running, ok := instance.AdminUp.Get(); ok && instance.AdminState.Value == "" {
		instance.AdminState.SetTo("down")
		if running {
			instance.AdminState.SetTo(up)
		}
	}
	if _, ok := instance.DisksActive.Get(); !ok {
		instance.DisksActive.SetTo(instance.AdminState.Value == up)
	}
}

func (l *lifter) liftNIC(nic *layout.NIC) {
	if bridge, ok := nic.Bridge.Get(); ok {
		params := nic.Nicparams.Value
		if params == nil {
			params = make(layout.NICNicparams)
		}
		if _, ok := params["link"]; !ok {
			params["mode"], params["link"] = str("bridged"), str(bridge)
		}
		nic.Nicparams.SetTo(params)
	}
	if uuid, ok := l.networks[nic.Network.Value]; ok {
		l.repeat(uuid)
		nic.Network.SetTo(uuid)
	}
}

// str returns a string as JSON.
func str(s string) jx.Raw {
	var e jx.Encoder
	e.Str(s)
	return e.Bytes()
}

// place returns the pointer to an object of a container.
func place(container, key string) string {
	return "/" + container + "/" + jsontext.EscapeToken(key)
}

// moved records the former place of an object that has a key in a container now.
func (l *lifter) moved(origin, container, key string) {
	l.repeat(origin, key)
	if now := place(container, key); now != origin {
		l.origins[now] = origin
	}
}

// takeDisks moves the disks in an instance, which is at origin, to the other disks.
func (l *lifter) takeDisks(instance *layout.Instance, origin string) {
	for i := range instance.Disks.Value {
		item := &instance.Disks.Value[i]
		if !item.IsDisk() {
			continue
		}
		if l.repeat(string(instance.Ctime), string(instance.Ctime)); l.full() {
			return
		}
		disk := item.Disk
		position := fmt.Sprint(i)
		if disk.UUID.Value == "" {
			disk.UUID.SetTo(l.derive(instance.UUID.Value, "disk", position))
		}
		disk.IvName.SetTo("disk/" + position)
		disk.SerialNo.SetTo(1)
		disk.Ctime, disk.Mtime = instance.Ctime, instance.Ctime
		l.moved(origin+"/disks/"+position, "disks", disk.UUID.Value)
		l.Disks.Value[disk.UUID.Value] = disk
		item.SetString(disk.UUID.Value)
	}
}

// liftDisks gives the disks present names and adds the nodes that they are on.
func (l *lifter) liftDisks() error {
	nodesOf := make(map[string][]string, len(l.Disks.Value))
	for _, key := range slices.Sorted(maps.Keys(l.Disks.Value)) {
		if l.at = l.origin(place("disks", key)); l.full() {
			return l.ended()
		}
		disk := l.Disks.Value[key]
		l.liftDisk(&disk)
		l.Disks.Value[key] = disk
		nodesOf[key] = distinct(appendNodes(nil, &disk))
	}
	for _, key := range slices.Sorted(maps.Keys(l.Instances.Value)) {
		l.at = l.origin(place("instances", key)) + "/disks"
		instance := l.Instances.Value[key]
		l.placeDisks(&instance, nodesOf)
		if err := l.ended(); err != nil {
			return err
		}
	}
	return nil
}

// origin returns the place in the file of the object that is at a place now.
func (l *lifter) origin(now string) string {
	if origin, moved := l.origins[now]; moved {
		return origin
	}
	return now
}

// placeDisks adds their nodes to the disks of an instance, as long as there is room.
func (l *lifter) placeDisks(instance *layout.Instance, nodesOf map[string][]string) {
	nodes := []string{instance.PrimaryNode.Value}
	for _, item := range instance.Disks.Value {
		more := nodesOf[item.String]
		if l.repeat(more...); l.full() {
			return
		}
		nodes = append(nodes, more...)
	}
	nodes = distinct(nodes)
	for _, item := range instance.Disks.Value {
		if disk, ok := l.Disks.Value[item.String]; ok && !disk.Nodes.Set && !l.full() {
			l.placeDisk(&disk, nodes)
			l.Disks.Value[item.String] = disk
		}
	}
}

// distinct returns the texts of a list, sorted and without duplicates. It reuses the list's
// memory.
func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

const (
	plain = "plain"
	drbd  = "drbd"
	file  = "file"
)

func (l *lifter) liftDisk(disk *layout.Disk) {
	switch disk.DevType.Value {
	case "lvm":
		disk.DevType.SetTo(plain)
	case "drbd8":
		disk.DevType.SetTo(drbd)
	}
	for i, node := range drbdNodes(disk) {
		disk.LogicalID.Value[i] = str(l.node(node))
	}
	for i := range disk.Children.Value {
		child := &disk.Children.Value[i]
		if child.UUID.Value == "" {
			child.UUID.SetTo(l.derive(disk.UUID.Value, "child", fmt.Sprint(i)))
		}
		if l.full() {
			return
		}
		if child.Ctime == nil {
			l.repeat(string(disk.Ctime), string(disk.Ctime))
			child.Ctime, child.Mtime = disk.Ctime, disk.Ctime
		}
		l.liftDisk(child)
	}
}

// drbdNodes returns the references to the two nodes of a DRBD disk, and nothing for other disks.
func drbdNodes(disk *layout.Disk) []string {
	if disk.DevType.Value != drbd || len(disk.LogicalID.Value) < 2 {
		return nil
	}
	nodes := make([]string, 2)
	for i := range nodes {
		node, err := jx.DecodeBytes(disk.LogicalID.Value[i]).Str()
		if err != nil {
			return nil
		}
		nodes[i] = node
	}
	return nodes
}

// appendNodes appends the nodes of the DRBD disks among a disk and its children.
func appendNodes(nodes []string, disk *layout.Disk) []string {
	nodes = append(nodes, drbdNodes(disk)...)
	for i := range disk.Children.Value {
		nodes = appendNodes(nodes, &disk.Children.Value[i])
	}
	return nodes
}

// placeDisk records that a disk is on the nodes that hold the disks of its instance, if its kind
// of disk is on certain nodes.
func (l *lifter) placeDisk(disk *layout.Disk, nodes []string) {
	switch disk.DevType.Value {
	case drbd:
		l.placeParts(disk, nodes)
	case plain, file:
		disk.Nodes.SetTo(nodes)
		l.repeat(nodes...)
	}
}

func (l *lifter) placeParts(disk *layout.Disk, nodes []string) {
	disk.Nodes.SetTo(nodes)
	if l.repeat(nodes...); l.full() {
		return
	}
	for i := range disk.Children.Value {
		l.placeParts(&disk.Children.Value[i], nodes)
	}
}

func (l *lifter) liftCluster() {
	c := l.cluster
	c.MasterNode.SetTo(l.node(c.MasterNode.Value))
	for name, be := range c.Beparams.Value {
		if be.Memory != nil {
			be.Minmem, be.Maxmem = be.Memory, be.Memory
			c.Beparams.Value[name] = be
		}
	}
	if !c.MasterNetmask.Set {
		c.MasterNetmask.SetTo(32)
		if ipv6 := 10; c.PrimaryIPFamily.Value == ipv6 {
			c.MasterNetmask.SetTo(128)
		}
	}
	if len(c.EnabledDiskTemplates.Value) == 0 {
		c.EnabledDiskTemplates.SetTo(l.diskTemplates())
	}
	if c.DrbdUsermodeHelper.Value == "" && slices.Contains(c.EnabledDiskTemplates.Value, drbd) {
		c.DrbdUsermodeHelper.SetTo("/bin/true")
	}
}

// diskTemplates returns the disk templates that a cluster must allow, in Ganeti's order of
// preference.
func (l *lifter) diskTemplates() []string {
	used := make(map[string]bool)
	for _, disk := range l.Disks.Value {
		used[disk.DevType.Value] = true
	}
	for _, instance := range l.Instances.Value {
		if len(instance.Disks.Value) == 0 {
			used["diskless"] = true
		}
	}
	if l.cluster.VolumeGroupName.Value != "" {
		used[drbd], used[plain] = true, true
	}
	all := []string{"blockdev", "diskless", drbd, "ext", file, plain, "rbd", "sharedfile", "gluster"}
	return slices.DeleteFunc(all, func(template string) bool { return !used[template] })
}

// liftPolicies converts the instance policies of the cluster and the groups.
func (l *lifter) liftPolicies() error {
	enabled := l.cluster.EnabledDiskTemplates.Value
	forbidden := func(template string) bool { return !slices.Contains(enabled, template) }

	policy := &l.cluster.Ipolicy.Value
	if len(policy.Minmax) > 0 {
		policy.Minmax[0] = fill(policy.Min.Value, policy.Max.Value, policy.Minmax[0])
	}
	policy.Templates.Value = slices.DeleteFunc(policy.Templates.Value, forbidden)
	for _, key := range slices.Sorted(maps.Keys(l.Nodegroups.Value)) {
		l.at = place("nodegroups", key)
		group := l.Nodegroups.Value[key]
		own := &group.Ipolicy.Value
		if len(own.Min.Value)+len(own.Max.Value) > 0 && len(policy.Minmax) > 0 {
			for _, specs := range []layout.ISpec{policy.Minmax[0].Min.Value, policy.Minmax[0].Max.Value} {
				for name, value := range specs {
					l.repeat(name, string(value))
					l.room -= entrySize
				}
			}
			if err := l.ended(); err != nil {
				return err
			}
			own.Minmax = []layout.ISpecRange{fill(own.Min.Value, own.Max.Value, policy.Minmax[0])}
		}
		own.Std = nil
		own.Templates.Value = slices.DeleteFunc(own.Templates.Value, forbidden)
		l.Nodegroups.Value[key] = group
	}
	return nil
}

// entrySize is how many bytes an entry of a map takes besides its texts, with room to grow.
const entrySize = 128

// fill returns the range from smallest to largest, with missing values from another one.
func fill(smallest, largest layout.ISpec, other layout.ISpecRange) layout.ISpecRange {
	over := func(spec layout.ISpec, base layout.OptISpec) layout.OptISpec {
		whole := make(layout.ISpec)
		maps.Copy(whole, base.Value)
		maps.Copy(whole, spec)
		return layout.NewOptISpec(whole)
	}
	return layout.ISpecRange{Min: over(smallest, other.Min), Max: over(largest, other.Max)}
}
