package classic

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/rules"
	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/question"
)

// ask is ask in the dialect of Ganeti 2.6: status, answer and serial of the reply, with "-"
// for omitted members.
func ask(t *testing.T, b *Book, members string) string {
	t.Helper()
	reply, ok := b.Answer(question.Question(members).Classic(t), new(answer.Scratch))
	if !ok {
		return "silence"
	}
	var got wire.ClassicReply
	if err := got.Decode(jx.DecodeBytes(reply.Text)); err != nil {
		t.Fatalf("%s: %s: %v", members, reply.Text, err)
	}
	if got.Status != reply.Status {
		t.Errorf("%s: status %d in a reply with status %d", members, got.Status, reply.Status)
	}
	text, serial := "-", "-"
	if got.Answer != nil {
		text = string(got.Answer)
	}
	if got.Serial.Set {
		serial = fmt.Sprint(got.Serial.Value)
	}
	return fmt.Sprintf("%d %s %s", got.Status, text, serial)
}

func load(t *testing.T, config string) *Book {
	t.Helper()
	snapshot, err := cluster.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	return Prepare(snapshot)
}

const config = `{"version":2060000,"serial_no":734,"cluster":{"serial_no":41,"master_node":"a.x","master_ip":"192.0.2.100",
"enabled_hypervisors":[],"ssh_key_type":"rsa","nicparams":{"default":{"link":"br0"}}},
"nodes":{
"1":{"name":"a.x","primary_ip":"192.0.2.1","master_candidate":true,"offline":false,"drained":false,"uuid":"1","serial_no":1},
"2":{"name":"c.x","primary_ip":"192.0.2.2","master_candidate":true,"offline":true,"drained":true,"uuid":"2","serial_no":1},
"3":{"name":"b.x","primary_ip":"","master_candidate":false,"offline":true,"drained":true,"uuid":"3","serial_no":1}},
"instances":{
"i":{"uuid":"i","serial_no":1,"name":"one","primary_node":"a.x","disks":["d"],"nics":[{"ip":"10.0.0.9","nicparams":{}},
 {"ip":"10.0.0.9","nicparams":{}},{"ip":"10.0.0.1","nicparams":{"link":"br1"}},{"ip":"","nicparams":{}},{"nicparams":{}}]},
"h":{"uuid":"h","serial_no":1,"name":"two","primary_node":"2","nics":[{"ip":"10.0.0.10","nicparams":{}},{"ip":"10.0.0.3","nicparams":{}}]},
"j":{"uuid":"j","serial_no":1,"name":"three","primary_node":"b.x","nics":[{"ip":"10.0.0.3","nicparams":{}},{"ip":"10.0.0.4","nicparams":{}}]},
"k":{"uuid":"k","serial_no":1,"name":"four","primary_node":"a","nics":[{"ip":"10.0.0.5","nicparams":{}}]}},
"disks":{"d":{"uuid":"d","dev_type":"drbd","logical_id":["1","gone",11000,3,4,"s"]}}}`

func TestAnswers(t *testing.T) {
	b := load(t, config)
	for _, test := range []struct{ request, want string }{
		{`"type":0`, `0 "ok" 734`},
		{`"type":0,"query":null`, `0 "ok" 734`},
		{`"type":0,"query":false`, `1 "non-empty ping query" 734`},
		{`"type":1,"query":"a.x"`, `0 0 734`},
		{`"type":1,"query":"c.x"`, `0 1 734`}, // candidate takes precedence over drained
		{`"type":1,"query":"b.x"`, `0 3 734`}, // drained takes precedence over offline
		{`"type":1,"query":"b"`, `1 1 734`},
		{`"type":1,"query":"2"`, `1 1 734`}, // keys are not accepted
		{`"type":1,"query":7`, `1 1 734`},
		{`"type":1`, `1 1 734`},
		{`"type":1,"query":{}`, `silence`},
		{`"type":1,"query":[]`, `silence`},
		{`"type":2`, `1 3 734`},
		{`"type":2,"query":{}`, `1 3 734`},
		{`"type":2,"query":"10.0.0.9"`, `1 3 734`},
		{`"type":2,"query":{"1":"10.0.0.9","2":[]}`, `0 "192.0.2.1" 734`},
		{`"type":2,"query":{"1":"10.0.0.9","0":"br1"}`, `1 1 734`},
		{`"type":2,"query":{"1":"10.0.0.9","0":0e9}`, `0 "192.0.2.1" 734`},
		{`"type":2,"query":{"1":"10.0.0.9","0":1e-999}`, `0 "192.0.2.1" 734`},
		{`"type":2,"query":{"1":"10.0.0.9","0":1e999}`, `1 1 734`},
		{`"type":2,"query":{"1":"10.0.0.9","0":{}}`, `0 "192.0.2.1" 734`},
		{`"type":2,"query":{"1":"10.0.0.9","0":["br0"]}`, `silence`},
		{`"type":2,"query":{"1":5,"0":["br0"]}`, `1 3 734`},
		{`"type":2,"query":{"1":""}`, `1 1 734`},
		{`"type":2,"query":{"1":"10.0.0.3"}`, `0 "192.0.2.2" 734`}, // two follows three
		{`"type":2,"query":{"1":"10.0.0.4"}`, `1 2 734`},           // the node has no address
		{`"type":2,"query":{"1":"10.0.0.5"}`, `1 2 734`},           // not a node: names cannot be abbreviated
		{`"type":2,"query":{"2":["10.0.0.5","x","10.0.0.9"]}`, `0 [[1,2],[1,1],[0,"192.0.2.1"]] 734`},
		{`"type":2,"query":{"2":["10.0.0.9",null]}`, `1 3 734`},
		{`"type":2,"query":{"2":"é1"}`, `0 [[1,1],[1,1]] 734`},
		{`"type":2,"query":{"2":{"x":1,"10.0.0.9":2,"y":3,"x":4}}`, `0 [[0,"192.0.2.1"],[1,1],[1,1]] 734`},
		{`"type":2,"query":{"2":null}`, `silence`},
		{`"type":2,"query":{"2":1}`, `silence`},
		{`"type":3`, `0 "a.x" 734`},
		{`"type":3,"query":[]`, `0 "a.x" 734`},
		{`"type":3,"query":[1]`, `1 3 734`},
		{`"type":3,"query":{}`, `1 3 734`},
		{`"type":3,"query":{"3":null}`, `1 3 734`},
		{`"type":3,"query":{"3":["2",[],0,"0",null,"3","1",{}]}`, `0 ["192.0.2.1","a.x","192.0.2.100"] 734`},
		{`"type":4`, `0 ["192.0.2.2","","192.0.2.1"] 734`},
		{`"type":4,"query":""`, `1 "non-empty node primary IPs query" 734`},
		{`"type":5`, `0 ["192.0.2.2","192.0.2.1"] 734`},
		{`"type":5,"query":{}`, `1 "non-empty master candidates primary IPs query" 734`},
		{`"type":6`, `0 ["10.0.0.10","10.0.0.3","10.0.0.3","10.0.0.4","10.0.0.5","10.0.0.9","10.0.0.9"] 734`},
		{`"type":6,"query":"br1"`, `0 ["10.0.0.1"] 734`},
		{`"type":6,"query":"br2"`, `0 [] 734`},
		{`"type":6,"query":true`, `0 [] 734`},
		{`"type":6,"query":["br1"]`, `silence`},
		{`"type":7,"query":"a"`, `0 [["a.x",3,"one","disk/0","secondary","gone"]] 734`},
		{`"type":7,"query":"z"`, `1 "Node name z not found" 734`},
		{`"type":7`, `1 "Invalid query type EmptyQuery" 734`},
		{`"type":7,"query":{"3":["9"]}`, `silence`},
		{`"type":7,"query":7`, `silence`},
		{`"type":8,"query":"a.x"`, `2 "not implemented" 734`},
		{`"type":11,"query":[]`, `2 "not implemented" 734`},
	} {
		if got := ask(t, b, test.request); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.request, got, test.want)
		}
	}
}

// Null members are omitted from replies, but null elements stay in lists.
func TestNulls(t *testing.T) {
	b := load(t, strings.NewReplacer(`"serial_no":734,`, ``, `"master_node":"a.x"`, `"master_node":""`).Replace(config))
	for request, want := range map[string]string{
		`"type":0`:                            `0 "ok" -`,
		`"type":1`:                            `0 0 -`,
		`"type":1,"query":"a.x"`:              `0 1 -`,
		`"type":1,"query":""`:                 `1 1 -`,
		`"type":3`:                            `0 - -`,
		`"type":3,"query":{"3":["0","2"]}`:    `0 [null,null] -`,
		`"type":2,"query":{"1":"10.0.0.9"}`:   `0 "192.0.2.1" -`,
		`"type":2,"query":{"2":["10.0.0.9"]}`: `0 [[0,"192.0.2.1"]] -`,
	} {
		if got := ask(t, b, request); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

// A master that is not a node is known by its name and has no address.
func TestForeignMaster(t *testing.T) {
	b := load(t, strings.Replace(config, `"master_node":"a.x"`, `"master_node":"a"`, 1))
	for request, want := range map[string]string{
		`"type":1,"query":"a"`:             `0 0 734`,
		`"type":1,"query":"a.x"`:           `0 1 734`,
		`"type":3`:                         `0 "a" 734`,
		`"type":3,"query":{"3":["0","2"]}`: `0 ["a",null] 734`,
	} {
		if got := ask(t, b, request); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

// Old clients can query a configuration of Ganeti 3.0, by names.
func TestOnSample(t *testing.T) {
	b := load(t, string(sample.Config))
	for request, want := range map[string]string{
		`"type":1,"query":"node1.example.org"`:  `0 0`,
		`"type":3`:                              `0 "node1.example.org"`,
		`"type":3,"query":{"3":["0","1","2"]}`:  `0 ["node1.example.org","192.0.2.10","192.0.2.11"]`,
		`"type":2,"query":{"1":"203.0.113.10"}`: `0 "192.0.2.12"`,
	} {
		if got := ask(t, b, request); !strings.HasPrefix(got, want+" ") {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

func TestNeedsADefaultLink(t *testing.T) {
	if b := load(t, strings.Replace(config, `"default":{`, `"other":{`, 1)); b != nil {
		t.Error("a configuration without default NIC parameters is served")
	}
}

func TestTooLarge(t *testing.T) {
	var nodes, nics strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&nodes, `,"n%d":{"name":"node%d","primary_ip":"2001:db8::%d","master_candidate":true,`+
			`"offline":false,"drained":false,"uuid":"n%d","serial_no":1}`, i, i, i, i)
		fmt.Fprintf(&nics, `,{"ip":"2001:db8:1::%d","nicparams":{}}`, i)
	}
	large := strings.NewReplacer(`"nodes":{`, `"nodes":{`+nodes.String()[1:]+`,`,
		`"nics":[`, `"nics":[`+nics.String()[1:]+`,`).Replace(config)
	b := load(t, large)
	for _, request := range []string{`"type":4`, `"type":5`, `"type":6`} {
		if got := ask(t, b, request); !strings.HasPrefix(got, `1 "Reply too large`) || !strings.HasSuffix(got, `" 734`) {
			t.Errorf("%s: %.100s", request, got)
		}
	}
	if !b.TooLarge().TooLarge {
		t.Error("the reply is not marked")
	}
}

// The peer of a minor goes by its name, or by its reference if it is no node.
func TestMinors(t *testing.T) {
	b := load(t, strings.NewReplacer(`"1","gone"`, `"3","1"`, `"primary_node":"a.x"`, `"primary_node":"1"`).Replace(config))
	for request, want := range map[string]string{
		`"type":7,"query":"a.x"`: `0 [["a.x",4,"one","disk/0","primary","b.x"]] 734`,
		`"type":7,"query":"b"`:   `0 [["b.x",3,"one","disk/0","secondary","a.x"]] 734`,
		`"type":7,"query":"c"`:   `0 [] 734`,
	} {
		if got := ask(t, b, request); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

// Minors with names that do not fit are not written, whichever of the names it is.
func TestMinorsTooLarge(t *testing.T) {
	all, third := strings.Repeat("x", wire.MaxDatagramSize), strings.Repeat("x", wire.MaxDatagramSize/3)
	placed := strings.NewReplacer(`"1","gone"`, `"3","1"`, `"primary_node":"a.x"`, `"primary_node":"1"`).Replace(config)
	for name, config := range map[string]string{
		"node or peer":  strings.Replace(placed, `"name":"a.x"`, `"name":"a.x`+all+`"`, 1),
		"instance":      strings.Replace(placed, `"one"`, `"one`+all+`"`, 1),
		"node and peer": strings.NewReplacer(`"name":"a.x"`, `"name":"a.x`+third+third+`"`, `"name":"b.x"`, `"name":"b.x`+third+`"`).Replace(placed),
		"all": strings.NewReplacer(`"name":"a.x"`, `"name":"a.x`+third+`"`, `"name":"b.x"`, `"name":"b.x`+third+`"`,
			`"name":"one"`, `"name":"one`+third+`"`).Replace(placed),
	} {
		b := load(t, config)
		for _, node := range []string{"1", "3"} {
			request := wire.ClassicRequest{Type: wire.RequestNodeDRBD, Query: jx.Raw(`"` + node + `"`)}
			if reply, _ := b.Answer(&request, new(answer.Scratch)); !reply.TooLarge {
				t.Errorf("long names of %s: a reply of %d bytes about %s", name, len(reply.Text), node)
			}
		}
	}
}

// TestOutcomes: every kind of query gets what spec/requests.json has for it, and so does the
// query that several nodes match.
func TestOutcomes(t *testing.T) {
	config := strings.Replace(string(sample.Config), `"name": "node2.example.org"`, `"name": "node1.example.net"`, 1)
	snapshot, err := cluster.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	b := Prepare(snapshot)
	queries := map[int]string{
		rules.ClassicKindNone: `null`, rules.ClassicKindFalse: `0.0`, rules.ClassicKindTrue: `2`,
		rules.ClassicKindEmptyText: `""`, rules.ClassicKindText: `"node1"`, rules.ClassicKindEmptyList: `[]`, rules.ClassicKindList: `[0]`,
		rules.ClassicKindEmptyObject: `{}`, rules.ClassicKindObject: `{"2":[],"3":[]}`,
	}
	errors := map[rules.Outcome]string{
		rules.OutcomePingQuery:                `1 "non-empty ping query"`,
		rules.OutcomeNodesQuery:               `1 "non-empty node primary IPs query"`,
		rules.OutcomeCandidatesQuery:          `1 "non-empty master candidates primary IPs query"`,
		rules.OutcomeEmptyQuery:               `1 "Invalid query type EmptyQuery"`,
		rules.OutcomeObjectQuery:              `1 "Invalid query type DictQuery (ConfdReqQ {confdReqQIp = Nothing, confdReqQIpList = [], confdReqQLink = Nothing, confdReqQFields = []})"`,
		rules.OutcomeNotImplemented:           `2 "not implemented"`,
		rules.OutcomeClassicErrorUnknownEntry: `1 1`,
		rules.OutcomeClassicErrorArgument:     `1 3`,
	}
	for number, kinds := range rules.ClassicRequests {
		for kind, outcome := range kinds {
			got := ask(t, b, fmt.Sprintf(`"type":%d,"query":%s`, number, queries[kind]))
			want := errors[outcome]
			switch {
			case outcome == rules.OutcomeSilence:
				want = "silence"
			case outcome == rules.OutcomeAnswer && wire.RequestType(number) == wire.RequestNodeRoleByName:
				want = `1 1` // no node has that name exactly
			case outcome == rules.OutcomeAnswer && wire.RequestType(number) == wire.RequestNodeDRBD && kind == rules.ClassicKindText:
				want = `1 "Node name node1 has multiple matches"`
			case outcome == rules.OutcomeAnswer && wire.RequestType(number) == wire.RequestNodeDRBD:
				want = `1 "Node name  not found"`
			case outcome == rules.OutcomeAnswer:
				want = `0 `
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("type %d, query %s: %s, want %s", number, queries[kind], got, want)
			}
		}
	}
}

// An address that does not fit is not written, and a text with more characters than answers
// fit is not looked at to its end.
func TestNodeAddressTooLarge(t *testing.T) {
	b := load(t, strings.Replace(config, `"192.0.2.1"`, `"192.0.2.1`+strings.Repeat("x", wire.MaxDatagramSize)+`"`, 1))
	for _, query := range []string{`{"1":"10.0.0.9"}`, `{"2":["10.0.0.9"]}`} {
		if got := ask(t, b, `"type":2,"query":`+query); !strings.HasPrefix(got, `1 "Reply too large`) {
			t.Errorf("%.20s: %.100s", query, got)
		}
	}
	for size, want := range map[int]int{maxClassicAnswers: maxClassicAnswers, 2 * maxClassicAnswers: maxClassicAnswers + 1} {
		if all, _ := elements(strings.Repeat("1", size)); len(all) != want {
			t.Errorf("a text of %d characters is taken for %d addresses, want %d", size, len(all), want)
		}
	}
}

func TestRespond(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	codec := protocol.NewCodec(protocol.NewKeyring(sample.Key))
	b := load(t, config)
	for request, want := range map[string]struct {
		refusal protocol.Refusal
		kind    wire.RequestType
	}{
		`{"protocol":1,"type":3,"rsalt":"rs"}`:            {protocol.Accepted, wire.RequestClusterMaster},
		`{"protocol":1,"type":3}`:                         {protocol.RefusedRequest, 0},
		`{"protocol":1,"type":1,"rsalt":"rs","query":[]}`: {protocol.RefusedRequest, 0},
	} {
		datagram, err := codec.Seal(nil, strconv.FormatInt(now.Unix(), 10), []byte(request), nil)
		if err != nil {
			t.Fatal(err)
		}
		if refusal := codec.Authenticate(datagram, now); refusal != protocol.Accepted {
			t.Fatal(refusal)
		}
		response, refusal := b.Respond(codec, now, new(answer.Scratch))
		if refusal != want.refusal || response.Type != want.kind || (response.Rsalt == "rs") != (refusal == protocol.Accepted) {
			t.Errorf("%s: response %+v, refusal %d", request, response, refusal)
		}
	}
}
