package answer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/question"
)

// ask returns the status, answer and serial of the reply to a request. The request's type
// and query are given as members of a JSON object.
func ask(t *testing.T, b *Book, members string) string {
	t.Helper()
	var s Scratch
	reply, ok := b.Answer(question.Question(members).Request(t), &s)
	if !ok {
		return "silence"
	}
	var got wire.Reply
	if err := got.Decode(jx.DecodeBytes(reply.Text)); err != nil {
		t.Fatalf("%s: %s: %v", members, reply.Text, err)
	}
	if got.Status != reply.Status {
		t.Errorf("%s: status %d in a reply with status %d", members, got.Status, reply.Status)
	}
	if reply.Escaped != nil {
		var text string
		if err := json.Unmarshal(reply.Escaped, &text); err != nil || text != string(reply.Text) {
			t.Errorf("%s: %s is not %s escaped: %v", members, reply.Escaped, reply.Text, err)
		}
	}
	return fmt.Sprintf("%d %s %d", got.Status, got.Answer, got.Serial)
}

func load(t *testing.T, config string) *Book {
	t.Helper()
	snapshot, err := cluster.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	return Prepare(snapshot)
}

func TestAnswers(t *testing.T) {
	b := load(t, string(sample.Config))
	for _, test := range []struct{ request, want string }{
		{`"type":0`, `0 3000000 0`},
		{`"type":0,"query":{"1":"x"}`, `0 3000000 0`},
		{`"type":1,"query":"node1.example.org"`, `0 0 73`},
		{`"type":1,"query":"node1"`, `0 1 73`}, // the role is master only for the full name
		{`"type":1,"query":"node4"`, `0 4 73`},
		{`"type":1,"query":"node5"`, `0 3 73`},
		{`"type":1,"query":"node6"`, `0 2 73`},
		{`"type":1`, `1 "Invalid query type EmptyQuery" 0`},
		{`"type":1,"query":"no\nde"`, `1 "Failure: prerequisites not met for this operation:\nerror type: ` +
			`ECodeNoEnt, error details:\nNode name no\nde not found" 0`},
		{`"type":2`, `1 2 0`},
		{`"type":2,"query":"203.0.113.10"`, `1 2 0`},
		{`"type":2,"query":{"1":"203.0.113.10"}`, `0 "192.0.2.12" 73`},
		{`"type":2,"query":{"1":"203.0.113.10","2":["x"]}`, `0 "192.0.2.12" 73`},
		{`"type":2,"query":{"0":"br1","1":"203.0.113.10"}`, `1 0 0`},
		{`"type":2,"query":{"0":"none","1":"203.0.113.10"}`, `1 0 0`},
		{`"type":2,"query":{"2":["203.0.113.10","x"]}`, `0 [[0,"192.0.2.12",73],[1,0,0]] 73`},
		{`"type":2,"query":{}`, `0 [] 73`},
		{`"type":3`, `0 "node1.example.org" 73`},
		{`"type":3,"query":""`, `1 2 0`},
		{`"type":3,"query":{}`, `0 [] 73`},
		{`"type":3,"query":{"3":[2,"0",1,2]}`, `0 ["192.0.2.11","node1.example.org","192.0.2.10","192.0.2.11"] 73`},
		{`"type":4`, `0 ["192.0.2.11","192.0.2.13","192.0.2.18","192.0.2.14","192.0.2.12","192.0.2.15","192.0.2.17","192.0.2.16"] 73`},
		{`"type":5`, `0 ["192.0.2.11","192.0.2.13","192.0.2.12","192.0.2.17"] 73`},
		{`"type":6,"query":"br1"`, `0 ["198.51.100.20","198.51.100.21","198.51.100.30","198.51.100.5","2001:db8:2::40"] 73`},
		{`"type":6,"query":"none"`, `0 [] 73`},
		{`"type":6,"query":{}`, `1 "Invalid query type" 0`},
		{`"type":7,"query":"nobody"`, `1 "OpPrereqError \"Node name nobody not found\" ECodeNoEnt" 0`},
		{`"type":8,"query":"nobody"`, `1 "Node not found in the configuration: OpPrereqError \"Node name nobody not found\" ECodeNoEnt" 0`},
		{`"type":9,"query":"nobody"`, `1 "Instance not found in the configuration: OpPrereqError \"Instance name nobody not found\" ECodeNoEnt" 0`},
		{`"type":10,"query":"/cluster/cluster_name"`, `0 "cluster.example.org" 73`},
		{`"type":10,"query":"/cluster/nothing"`, `1 2 0`},
		{`"type":10`, `1 "Invalid query type EmptyQuery" 0`},
	} {
		if got := ask(t, b, test.request); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.request, got, test.want)
		}
	}
}

// Ganeti's watcher takes the answer 2 as its node's role "offline", whatever the status,
// and stops every instance: an error of request type 1 must be text.
func TestRoleErrorsAreText(t *testing.T) {
	good := string(sample.Config)
	for name, b := range map[string]*Book{
		"sample":           load(t, good),
		"unknown master":   load(t, strings.Replace(good, `"master_node": "`, `"master_node": "x`, 1)),
		"no configuration": Unavailable("2"),
	} {
		for _, query := range []string{`null`, `""`, `"2"`, `"nobody"`, `"node"`, `{}`, `{"1":"2"}`, `{"3":[2]}`} {
			got := ask(t, b, `"type":1,"query":`+query)
			if !strings.HasPrefix(got, `1 "`) || !strings.HasSuffix(got, `" 0`) {
				t.Errorf("%s: %s is answered with %s", name, query, got)
			}
		}
	}
}

func TestUnavailable(t *testing.T) {
	b := Unavailable("no \"configuration\"")
	for kind := range answerers {
		if got := ask(t, b, fmt.Sprintf(`"type":%d`, kind)); got != `1 "no \"configuration\"" 0` {
			t.Errorf("type %d: %s", kind, got)
		}
	}
}

// A reply that does not fit is replaced, for every request type.
func TestTooLarge(t *testing.T) {
	var nodes, instances, nics strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&nodes, `,"n%d":{"name":"node%d","primary_ip":"2001:db8::%d","master_candidate":true,`+
			`"offline":false,"drained":false,"uuid":"n%d","serial_no":1}`, i, i, i, i)
		fmt.Fprintf(&instances, `,"i%d":{"uuid":"i%d","serial_no":1,"name":"inst%d","primary_node":"n0","disks":[]}`, i, i, i)
		fmt.Fprintf(&nics, `,{"ip":"2001:db8:1::%d","nicparams":{}}`, i)
	}
	b := load(t, `{"version":3000000,"cluster":{"serial_no":7,"master_node":"n1","master_ip":"192.0.2.254",`+
		`"enabled_hypervisors":[],"nicparams":{"default":{"link":"br0"}}},"nodes":{`+nodes.String()[1:]+`},"instances":{`+
		instances.String()[1:]+`,"nics":{"uuid":"nics","serial_no":1,"nics":[`+nics.String()[1:]+`],"disks":[]}},"disks":{}}`)
	for _, request := range []string{
		`"type":4`, `"type":5`, `"type":6`, `"type":8,"query":"node0"`, `"type":10,"query":"/instances"`,
	} {
		if got := ask(t, b, request); !strings.HasPrefix(got, `1 "Reply too large`) {
			t.Errorf("%s: %.100s", request, got)
		}
	}
	if got := ask(t, b, `"type":1,"query":"node4999"`); got != `0 1 7` {
		t.Errorf("role: %s", got)
	}
}

func TestShow(t *testing.T) {
	for text, want := range map[string]string{
		``:                 `""`,
		`plain`:            `"plain"`,
		`"\`:               `"\"\\"`,
		"\a\b\f\n\r\t\v":   `"\a\b\f\n\r\t\v"`,
		"\x00\x01\x1f\x7f": `"\NUL\SOH\US\DEL"`,
		"\x0eH\x0eO":       `"\SO\&H\SOO"`,
		"é1é x":            `"\233\&1\233 x"`,
		"é0é9é/é:é٣":       `"\233\&0\233\&9\233/\233:\233\1635"`,
		"\u0080":           `"\128"`,
		"\U0001f600":       `"\128512"`,
	} {
		if got := show(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestObjectQuery(t *testing.T) {
	b := load(t, string(sample.Config))
	for query, want := range map[string]string{
		`{}`: `Invalid query type DictQuery (ConfdReqQ {confdReqQIp = Nothing, confdReqQIpList = [], ` +
			`confdReqQLink = Nothing, confdReqQFields = []})`,
		`{"0":"br1","1":"10.0.0.1","2":["","10.0.0.2"],"3":[0,"1",2]}`: `Invalid query type DictQuery (ConfdReqQ {confdReqQIp = Just "10.0.0.1", ` +
			`confdReqQIpList = ["","10.0.0.2"], confdReqQLink = Just "br1", confdReqQFields = [ReqFieldName,ReqFieldIp,ReqFieldMNodePip]})`,
	} {
		var parsed wire.Query
		if err := parsed.Decode(jx.DecodeStr(query)); err != nil {
			t.Fatal(err)
		}
		if got := ObjectQuery(&parsed.QueryParameters); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
	for _, request := range []string{`"type":1`, `"type":7`, `"type":8`, `"type":9`, `"type":10`} {
		want := `1 "Invalid query type DictQuery (ConfdReqQ {confdReqQIp = Nothing, confdReqQIpList = [], ` +
			`confdReqQLink = Nothing, confdReqQFields = []})" 0`
		if got := ask(t, b, request+`,"query":{}`); got != want {
			t.Errorf("%s: %s", request, got)
		}
	}

	// What does not fit into a datagram is not printed to its end.
	many := wire.Query{Type: wire.QueryParametersQuery}
	many.QueryParameters.IPList.SetTo(slices.Repeat([]string{strings.Repeat("\x01", 1000)}, 1000))
	if got := len(ObjectQuery(&many.QueryParameters)); got <= wire.MaxDatagramSize || got > wire.MaxDatagramSize+10_000 {
		t.Errorf("a query of a million bytes is printed with %d", got)
	}
}

// A Book that takes over replies gives the same answers as one that is made anew.
func TestPrepareNext(t *testing.T) {
	text := string(sample.Config)
	former := load(t, text)
	var requests []string
	for _, node := range []string{"node1", "node2", "nodex"} {
		for _, kind := range []int{1, 7, 8} {
			requests = append(requests, fmt.Sprintf(`"type":%d,"query":"%s.example.org"`, kind, node))
		}
	}
	for _, link := range []string{"br0", "br1", "br7"} {
		requests = append(requests, fmt.Sprintf(`"type":6,"query":"%s"`, link),
			fmt.Sprintf(`"type":2,"query":{"0":"%s","2":["203.0.113.10","203.0.113.250","198.51.100.20"]}`, link))
	}
	requests = append(requests, `"type":0`, `"type":3`, `"type":4`, `"type":5`, `"type":6`, `"type":11`,
		`"type":2,"query":{"1":"203.0.113.10"}`, `"type":2,"query":{"1":"203.0.113.250"}`)
	for name, test := range map[string]struct {
		old, new            string
		sameNodes, sameLink bool // whether replies about nodes, and about br0, are taken over
	}{
		"nothing":           {"", "", true, true},
		"instance's member": {`"beparams": {`, `"beparams":  {`, true, true},
		"serial number":     {`"serial_no": 73`, `"serial_no": 74`, false, false},
		"node's name":       {"node2.example.org", "nodex.example.org", false, true},
		"node's address":    {"192.0.2.12", "192.0.2.112", false, true},
		"node's flag":       {`"master_candidate": false`, `"master_candidate": true`, false, true},
		"no nodes":          {`"nodes": {`, `"nodes": {}, "other_nodes": {`, false, true},
		"address":           {"203.0.113.10", "203.0.113.250", true, false},
		"default link":      {`"link": "br0"`, `"link": "br7"`, true, false},
	} {
		if !strings.Contains(text, test.old) {
			t.Fatalf("the sample has no %q", test.old)
		}
		changed := text
		if test.old != "" {
			changed = strings.ReplaceAll(text, test.old, test.new)
		}
		want := load(t, changed)
		got := PrepareNext(former, want.snapshot)
		for _, request := range requests {
			if got, want := ask(t, got, request), ask(t, want, request); got != want {
				t.Errorf("%s: %s\n got %s\nwant %s", name, request, got, want)
			}
		}
		same := func(a, b Reply) bool { return &a.Text[0] == &b.Text[0] }
		if got := same(got.allNodes, former.allNodes); got != test.sameNodes {
			t.Errorf("%s: the reply about all nodes is taken over: %v", name, got)
		}
		before, now := former.links["br0"], got.links["br0"]
		if got := now.Text != nil && same(now, before); got != test.sameLink {
			t.Errorf("%s: the reply about br0 is taken over: %v", name, got)
		}
	}
	for name, b := range map[string]*Book{
		"unavailable": PrepareNext(Unavailable("x"), former.snapshot), "no nodes": PrepareNext(load(t, root), load(t, root).snapshot),
	} {
		if got := ask(t, b, `"type":0`); got != `0 3000000 0` {
			t.Errorf("after %s: %s", name, got)
		}
	}
}

// root is a configuration without objects.
const root = `{"version":3000000,"cluster":{"serial_no":7,"master_node":"n1","master_ip":"","enabled_hypervisors":[]}}`

func TestRespond(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	for request, want := range map[string]struct {
		refusal protocol.Refusal
		kind    wire.RequestType
	}{
		`{"protocol":1,"type":3,"rsalt":"rs"}`:                     {protocol.Accepted, wire.RequestClusterMaster},
		`{"protocol":1,"type":3}`:                                  {protocol.RefusedRequest, 0},
		`{"protocol":1,"type":2,"rsalt":"rs","query":{"1":"1.1"}}`: {protocol.RefusedRequest, 0}, // there is no default link
	} {
		datagram, err := codec.Seal(nil, strconv.FormatInt(now.Unix(), 10), []byte(request), nil)
		if err != nil {
			t.Fatal(err)
		}
		if refusal := codec.Authenticate(datagram, now); refusal != protocol.Accepted {
			t.Fatal(refusal)
		}
		response, refusal := load(t, root).Respond(codec, now, new(Scratch))
		if refusal != want.refusal || response.Type != want.kind || (response.Rsalt == "rs") != (refusal == protocol.Accepted) {
			t.Errorf("%s: response %+v, refusal %d", request, response, refusal)
		}
	}
}

// Minors with names that do not fit are not written, whichever of the names it is.
func TestMinorsTooLarge(t *testing.T) {
	tail := func(size int) string { return strings.Repeat("x", size) }
	all, third := tail(wire.MaxDatagramSize), tail(wire.MaxDatagramSize/3)
	for name, config := range map[string]string{
		"node or peer":  strings.Replace(odd, `"a.x"`, `"a.x`+all+`"`, 1),
		"instance":      strings.Replace(odd, `"one.x"`, `"one.x`+all+`"`, 1),
		"node and peer": strings.NewReplacer(`"a.x"`, `"a.x`+third+third+`"`, `"b.x"`, `"b.x`+third+`"`).Replace(odd),
		"all":           strings.NewReplacer(`"a.x"`, `"a.x`+third+`"`, `"b.x"`, `"b.x`+third+`"`, `"one.x"`, `"one.x`+third+`"`).Replace(odd),
	} {
		b := load(t, config)
		for _, node := range []string{"k1", "k2"} {
			request := wire.Request{Type: wire.RequestNodeDRBD, Query: wire.NewOptQuery(wire.NewStringQuery(node))}
			if reply, _ := b.Answer(&request, new(Scratch)); !reply.TooLarge {
				t.Errorf("long names of %s: a reply of %d bytes about %s", name, len(reply.Text), node)
			}
		}
	}
}
