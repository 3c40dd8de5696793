package answer

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	"gntconfd/internal/sample"
)

// ask returns the status, answer and serial of the reply to a request. The request's type
// and query are given as members of a JSON object.
func ask(t *testing.T, b *Book, members string) string {
	t.Helper()
	var request wire.Request
	if err := request.Decode(jx.DecodeStr(`{"protocol":1,"rsalt":"rs",` + members + `}`)); err != nil {
		t.Fatalf("%s: %v", members, err)
	}
	var s Scratch
	reply, ok := b.Answer(&request, &s)
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
		"\U0001f600":       `"\128512"`,
	} {
		if got := show(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
