package fuzz

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gntconfd/gen/wire"
)

// object is a decoded JSON object. Numbers inside are json.Number.
type object = map[string]any

// reply is the part of a confd reply that the model or a daemon decides.
type reply struct {
	Status int
	Answer any
	Serial json.Number
}

func answered(answer any, serial any) reply { return reply{0, answer, serial.(json.Number)} }
func failed(answer any) reply               { return reply{1, answer, "0"} }

var (
	unknownEntry  = failed(json.Number("0"))
	argumentError = failed(json.Number("2"))
)

// model answers like Ganeti 3.0.2, from its whole configuration in canonical form, in the
// most obvious way: every question is a loop over everything. It is independent of the
// daemon's code, and is itself checked against Ganeti's daemon (TestModelIsGaneti).
type model struct{ doc object }

// answer answers one question. query is nil, a string, or an object with the members "0" to
// "3" of the protocol.
func (m model) answer(request wire.RequestType, query any) reply {
	cluster := m.doc["cluster"].(object)
	serial := cluster["serial_no"]
	text, isText := query.(string)
	params, isObject := query.(object)

	switch request {
	case wire.RequestNodeRoleByName, wire.RequestNodeDRBD, wire.RequestNodeInstances, wire.RequestInstanceDisks, wire.RequestConfigQuery:
		if !isText {
			return failed(invalidQueryType(query))
		}
	}
	switch request {
	case wire.RequestPing:
		return answered(m.doc["version"], json.Number("0"))

	case wire.RequestNodeRoleByName:
		master, err := m.node(cluster["master_node"].(string))
		if err != nil {
			return failed(prerequisite(err))
		}
		node, err := m.node(text)
		if err != nil {
			return failed(prerequisite(err))
		}
		role := wire.NodeRoleRegular
		switch {
		case text == master["name"]:
			role = wire.NodeRoleMaster
		case node["drained"] == true:
			role = wire.NodeRoleDrained
		case node["offline"] == true:
			role = wire.NodeRoleOffline
		case node["master_candidate"] == true:
			role = wire.NodeRoleCandidate
		}
		return answered(json.Number(fmt.Sprint(role)), serial)

	case wire.RequestNodePIPByInstanceIP:
		if !isObject {
			return argumentError
		}
		link, ok := params["0"].(string)
		if !ok {
			link = m.defaultLink()
		}
		if ip, ok := params["1"].(string); ok {
			if pip, ok := m.nodeOfAddress(link, ip); ok {
				return answered(pip, serial)
			}
			return unknownEntry
		}
		answer := []any{}
		ips, _ := params["2"].([]any)
		for _, ip := range ips {
			if pip, ok := m.nodeOfAddress(link, ip.(string)); ok {
				answer = append(answer, []any{json.Number("0"), pip, serial})
			} else {
				answer = append(answer, []any{json.Number("1"), json.Number("0"), json.Number("0")})
			}
		}
		return answered(answer, serial)

	case wire.RequestClusterMaster:
		if isText {
			return argumentError
		}
		master, err := m.node(cluster["master_node"].(string))
		if err != nil && isObject {
			return failed(opPrereqError(err))
		}
		if err != nil {
			return failed(prerequisite(err))
		}
		if !isObject {
			return answered(master["name"], serial)
		}
		answer := []any{}
		fields, _ := params["3"].([]any)
		for _, field := range fields {
			answer = append(answer, map[string]any{
				"0": master["name"], "1": cluster["master_ip"], "2": master["primary_ip"],
			}[fmt.Sprint(field)])
		}
		return answered(answer, serial)

	case wire.RequestNodePIPList, wire.RequestMCPIPList:
		answer := []any{}
		for _, node := range m.all("nodes") {
			if request == wire.RequestNodePIPList || node["master_candidate"] == true {
				answer = append([]any{node["primary_ip"]}, answer...)
			}
		}
		return answered(answer, serial)

	case wire.RequestInstanceIPsList:
		if isObject {
			return failed("Invalid query type")
		}
		if !isText {
			text = m.defaultLink()
		}
		ips := []string{}
		for _, address := range m.addresses() {
			if address.link == text && !slices.Contains(ips, address.ip) {
				ips = append(ips, address.ip)
			}
		}
		slices.Sort(ips)
		answer := []any{}
		for _, ip := range ips {
			answer = append(answer, ip)
		}
		return answered(answer, serial)

	case wire.RequestNodeDRBD:
		node, err := m.node(text)
		if err != nil {
			return failed(opPrereqError(err))
		}
		answer, err := m.minors(node)
		if err != nil {
			return failed(opPrereqError(err))
		}
		return answered(answer, node["serial_no"])

	case wire.RequestNodeInstances:
		node, err := m.node(text)
		if err != nil {
			return failed("Node not found in the configuration: " + opPrereqError(err))
		}
		primary, secondary := []any{}, []any{}
		for _, instance := range m.all("instances") {
			if instance["primary_node"] == node["uuid"] {
				primary = append(primary, instance)
			}
			if m.isSecondary(instance, node) {
				secondary = append(secondary, instance)
			}
		}
		return answered([]any{primary, secondary}, node["serial_no"])

	case wire.RequestInstanceDisks:
		instance, err := m.instance(text)
		if err != nil {
			return failed("Instance not found in the configuration: " + opPrereqError(err))
		}
		disks, err := m.disks(instance)
		if err != nil {
			return failed("Could not retrieve disks: " + opPrereqError(err))
		}
		answer := []any{}
		for _, disk := range disks {
			answer = append(answer, disk)
		}
		return answered(answer, instance["serial_no"])

	case wire.RequestConfigQuery:
		value, ok := walk(m.doc, text)
		if !ok {
			return argumentError
		}
		return answered(value, serial)

	case wire.RequestDataCollectors:
		answer := object{}
		configured := cluster["data_collectors"].(object)
		for _, name := range []string{"cpu-avg-load", "xen-cpu-avg-load", "diskstats", "drbd", "inst-status-xen", "lv"} {
			collector := object{"active": true, "interval": json.Number("5000000")}
			if c, ok := configured[name].(object); ok {
				collector = object{"active": c["active"], "interval": c["interval"]}
			}
			hypervisors := cluster["enabled_hypervisors"].([]any)
			if name == "inst-status-xen" && !slices.Contains(hypervisors, any("xen-pvm")) && !slices.Contains(hypervisors, any("xen-hvm")) {
				collector["active"] = false
			}
			answer[name] = collector
		}
		return answered(answer, serial)
	}
	panic(fmt.Sprintf("no such request type: %d", request))
}

// all returns the objects of one kind in the order of their keys.
func (m model) all(kind string) []object {
	var list []object
	for _, key := range sortedKeys(m.doc[kind].(object)) {
		list = append(list, m.doc[kind].(object)[key].(object))
	}
	return list
}

func (m model) node(query string) (object, error) { return m.find("nodes", "Node", query) }
func (m model) instance(query string) (object, error) {
	return m.find("instances", "Instance", query)
}

// find looks up an object by key, by full name, or by the only name that starts with the
// query and a dot. If several have the same name, the greatest key wins.
func (m model) find(kind, noun, query string) (object, error) {
	if found, ok := m.doc[kind].(object)[query]; ok {
		return found.(object), nil
	}
	byName := map[string]object{}
	for _, candidate := range m.all(kind) {
		name, _ := candidate["name"].(string)
		if name == "" && kind == "instances" {
			continue
		}
		byName[name] = candidate
	}
	if found, ok := byName[query]; ok {
		return found, nil
	}
	var found []object
	for name, candidate := range byName {
		if strings.HasPrefix(name, query+".") {
			found = append(found, candidate)
		}
	}
	switch len(found) {
	case 0:
		return nil, errors.New(noun + " name " + query + " not found")
	case 1:
		return found[0], nil
	}
	return nil, errors.New(noun + " name " + query + " has multiple matches")
}

func (m model) defaultLink() string {
	defaults := m.doc["cluster"].(object)["nicparams"].(object)["default"].(object)
	return defaults["link"].(string)
}

// address is one address of an instance's NIC.
type address struct{ link, ip, instance string }

// addresses returns the addresses of all instances, those that count last.
func (m model) addresses() []address {
	var list []address
	for _, instance := range m.all("instances") {
		name, ok := instance["name"].(string)
		if !ok {
			name = instance["uuid"].(string)
		}
		for _, nic := range instance["nics"].([]any) {
			link, ok := nic.(object)["nicparams"].(object)["link"].(string)
			if !ok {
				link = m.defaultLink()
			}
			if ip, ok := nic.(object)["ip"].(string); ok {
				list = append(list, address{link, ip, name})
			}
		}
	}
	return list
}

// nodeOfAddress returns the primary IP of the node of the instance with an address.
func (m model) nodeOfAddress(link, ip string) (any, bool) {
	name, known := "", false
	for _, a := range m.addresses() {
		if a.link == link && a.ip == ip {
			name, known = a.instance, true
		}
	}
	if !known {
		return nil, false
	}
	for _, instance := range m.all("instances") {
		if instance["name"] == name {
			primary, ok := instance["primary_node"].(string)
			if !ok {
				return nil, false
			}
			node, err := m.node(primary)
			if err != nil {
				return nil, false
			}
			return node["primary_ip"], true
		}
	}
	return nil, false
}

// disks returns the disks of an instance, which is looked up by its own uuid member: if
// that is not its key, it may be another instance's or nobody's.
func (m model) disks(instance object) ([]object, error) {
	instance, err := m.instance(instance["uuid"].(string))
	if err != nil {
		return nil, err
	}
	var list []object
	for _, key := range instance["disks"].([]any) {
		disk, ok := m.doc["disks"].(object)[key.(string)].(object)
		if !ok {
			return nil, errors.New("Disk uuid " + key.(string) + " not found")
		}
		list = append(list, disk)
	}
	return list, nil
}

// drbdNodes returns the two ends of a DRBD disk.
func drbdNodes(disk object) (a, b any, minorA, minorB any, ok bool) {
	if disk["dev_type"] != "drbd" {
		return nil, nil, nil, nil, false
	}
	id := disk["logical_id"].([]any)
	return id[0], id[1], id[3], id[4], true
}

// minors returns the DRBD minors of a node.
func (m model) minors(node object) ([]any, error) {
	answer := []any{}
	for _, instance := range m.all("instances") {
		role := "secondary"
		if instance["primary_node"] == node["uuid"] {
			role = "primary"
		}
		name, _ := instance["name"].(string)
		disks, err := m.disks(instance)
		if err != nil {
			continue
		}
		for index, disk := range disks {
			for _, device := range flatten(disk) {
				a, b, minor, minorB, ok := drbdNodes(device)
				peer := b
				if a != node["uuid"] {
					minor, peer = minorB, a
				}
				if !ok || a != node["uuid"] && b != node["uuid"] {
					continue
				}
				// Both ends are looked up, including the node itself: if its uuid is not
				// its key, that may be another node or none.
				self, err := m.node(node["uuid"].(string))
				if err != nil {
					return nil, err
				}
				peerNode, err := m.node(peer.(string))
				if err != nil {
					return nil, err
				}
				answer = append(answer, []any{self["name"], minor, name, fmt.Sprintf("disk/%d", index), role, peerNode["name"]})
			}
		}
	}
	return answer, nil
}

// flatten returns a disk and all disks below it, parents first.
func flatten(disk object) []object {
	list := []object{disk}
	for _, child := range disk["children"].([]any) {
		list = append(list, flatten(child.(object))...)
	}
	return list
}

// isSecondary reports whether a DRBD disk of an instance has node as the end that is not
// the instance's primary node. Missing disks are skipped; an instance without a primary
// node has no secondary node either.
func (m model) isSecondary(instance, node object) bool {
	if instance["primary_node"] == nil {
		return false
	}
	for _, key := range instance["disks"].([]any) {
		disk, ok := m.doc["disks"].(object)[key.(string)].(object)
		if !ok {
			continue
		}
		a, b, _, _, ok := drbdNodes(disk)
		other := a
		if instance["primary_node"] == a {
			other = b
		}
		if ok && other == node["uuid"] {
			return true
		}
	}
	return false
}

// walk follows a JSON pointer (RFC 6901). Like Ganeti, it rejects the empty pointer, which
// means the whole document.
func walk(doc any, pointer string) (any, bool) {
	if !strings.HasPrefix(pointer, "/") {
		return nil, false
	}
	for _, token := range strings.Split(pointer[1:], "/") {
		plain := strings.ReplaceAll(strings.ReplaceAll(token, "~0", ""), "~1", "")
		if strings.Contains(plain, "~") {
			return nil, false
		}
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch value := doc.(type) {
		case object:
			member, ok := value[token]
			if !ok {
				return nil, false
			}
			doc = member
		case []any:
			index, err := strconv.Atoi(token)
			if err != nil || strconv.Itoa(index) != token || index < 0 || index >= len(value) {
				return nil, false
			}
			doc = value[index]
		default:
			return nil, false
		}
	}
	return doc, true
}

func prerequisite(err error) string {
	return "Failure: prerequisites not met for this operation:\nerror type: ECodeNoEnt, error details:\n" + err.Error()
}

func opPrereqError(err error) string {
	return "OpPrereqError " + haskellString(err.Error()) + " ECodeNoEnt"
}

// invalidQueryType returns the text for a query in the wrong form, with the query in
// Haskell notation.
func invalidQueryType(query any) string {
	params, ok := query.(object)
	if !ok {
		return "Invalid query type EmptyQuery"
	}
	optional := func(member string) string {
		if text, ok := params[member].(string); ok {
			return "Just " + haskellString(text)
		}
		return "Nothing"
	}
	ips, fields := []string{}, []string{}
	for _, ip := range list(params["2"]) {
		ips = append(ips, haskellString(ip.(string)))
	}
	for _, field := range list(params["3"]) {
		fields = append(fields, map[string]string{"0": "ReqFieldName", "1": "ReqFieldIp", "2": "ReqFieldMNodePip"}[fmt.Sprint(field)])
	}
	return fmt.Sprintf("Invalid query type DictQuery (ConfdReqQ {confdReqQIp = %s, confdReqQIpList = [%s], confdReqQLink = %s, confdReqQFields = [%s]})",
		optional("1"), strings.Join(ips, ","), optional("0"), strings.Join(fields, ","))
}

func list(value any) []any {
	l, _ := value.([]any)
	return l
}

// haskellString returns a string as a Haskell literal.
func haskellString(text string) string {
	controls := strings.Fields(`\NUL \SOH \STX \ETX \EOT \ENQ \ACK \a \b \t \n \v \f \r \SO \SI ` +
		`\DLE \DC1 \DC2 \DC3 \DC4 \NAK \SYN \ETB \CAN \EM \SUB \ESC \FS \GS \RS \US`)
	out, numeric, last := `"`, false, rune(0)
	for _, r := range text {
		piece := string(r)
		switch {
		case r == '"', r == '\\':
			piece = `\` + piece
		case r < 0x20:
			piece = controls[r]
		case r == 0x7f:
			piece = `\DEL`
		case r > 0x7f:
			piece = `\` + strconv.Itoa(int(r))
		case r >= '0' && r <= '9' && numeric, r == 'H' && last == 0x0e:
			piece = `\&` + piece
		}
		out, numeric, last = out+piece, r > 0x7f, r
	}
	return out + `"`
}
