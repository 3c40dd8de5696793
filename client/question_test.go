package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-faster/jx"

	"gntconfd/gen/object"
	"gntconfd/gen/wire"
)

// asking is a Question of any type.
type asking func(context.Context, *Client) (any, error)

func of[A any](q Question[A]) asking {
	return func(ctx context.Context, c *Client) (any, error) {
		result, err := Query(ctx, c, q)
		return result.Answer, err
	}
}

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// alike compares answers: addresses by value, errors with errors.Is.
var alike = []cmp.Option{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }),
}

// TestQuestions: what is sent for each question, and how the answers are decoded. Replies
// are written like those of daemons of Ganeti 3.0 and, if their names begin with classic,
// of 2.6.
func TestQuestions(t *testing.T) {
	t.Parallel()
	const classic = "classic "
	ips := []netip.Addr{ip("203.0.113.9"), ip("203.0.113.99")}
	unknown := &StatusError{Status: 1, Code: ErrUnknownEntry}
	argument := &StatusError{Status: 1, Code: ErrArgument}
	type answers map[string]any
	for name, test := range map[string]struct {
		ask  asking
		want string // type and query
		good answers
		bad  []string
	}{
		"ping": {of(Ping()), `0`,
			answers{`3000000`: int64(3000000), `0`: int64(0), `9223372036854775807`: int64(9223372036854775807), classic + `"ok"`: int64(0)},
			[]string{`"pong"`, `""`, `null`, `[]`, `1.5`, `true`, `9223372036854775808`}},
		"node role": {of(NodeRole("node1")), `1 "node1"`,
			answers{`0`: RoleMaster, `1`: RoleCandidate, `2`: RoleOffline, `3`: RoleDrained, `4`: RoleRegular},
			[]string{`5`, `-1`, `"0"`, `null`, `[0]`, `4294967296`}},
		"node role, odd name": {of(NodeRole("é\"\\\u2028😀")), `1 "é\"\\ 😀"`, answers{`4`: RoleRegular}, nil},
		"locate": {of(Locate("br0", ips[0])), `2 {"0":"br0","1":"203.0.113.9"}`,
			answers{`"192.0.2.3"`: ip("192.0.2.3"), `"2001:db8::1"`: ip("2001:db8::1"), `""`: netip.Addr{}},
			[]string{`"node1"`, `null`, `0`, `["192.0.2.3"]`, `"192.0.2.3 "`}},
		"locate, default link": {of(Locate("", ip("2001:DB8::1"))), `2 {"1":"2001:db8::1"}`, answers{`"192.0.2.3"`: ip("192.0.2.3")}, nil},
		"locate all": {of(LocateAll("br0", ips...)), `2 {"0":"br0","2":["203.0.113.9","203.0.113.99"]}`,
			answers{
				`[[0,"192.0.2.3",77],[1,0,0]]`:             []Location{{ips[0], ip("192.0.2.3"), 77, nil}, {ips[1], netip.Addr{}, 0, unknown}},
				`[[1,2,5],[1,"text",0]]`:                   []Location{{ips[0], netip.Addr{}, 5, argument}, {ips[1], netip.Addr{}, 0, &StatusError{Status: 1, Text: "text"}}},
				`[[0,"2001:db8::1",1],[0,"",2]]`:           []Location{{ips[0], ip("2001:db8::1"), 1, nil}, {ips[1], netip.Addr{}, 2, nil}},
				`[[1,9,0],[2,1,0]]`:                        []Location{{ips[0], netip.Addr{}, 0, &StatusError{Status: 1, Text: "9"}}, {ips[1], netip.Addr{}, 0, &StatusError{Status: 2, Code: ErrNotImplemented}}},
				classic + `[[0,"192.0.2.3"],[1,1]]`:        []Location{{ips[0], ip("192.0.2.3"), 0, nil}, {ips[1], netip.Addr{}, 0, unknown}},
				classic + `[[1,3],[1,2]]`:                  []Location{{ips[0], netip.Addr{}, 0, argument}, {ips[1], netip.Addr{}, 0, &StatusError{Status: 1, Code: ErrInternal}}},
				classic + `[[0, "192.0.2.3"], [1, "x"]]`:   []Location{{ips[0], ip("192.0.2.3"), 0, nil}, {ips[1], netip.Addr{}, 0, &StatusError{Status: 1, Text: "x"}}},
				classic + `[[0, "192.0.2.3"], [1, 0, 77]]`: []Location{{ips[0], ip("192.0.2.3"), 0, nil}, {ips[1], netip.Addr{}, 77, unknown}},
			},
			[]string{
				`[]`, `null`, `{}`, `"192.0.2.3"`, `[[0,"192.0.2.3",77]]`, `[[0,"192.0.2.3",77],[1,0,0],[1,0,0]]`,
				`[[0],[1,0,0]]`, `[[],[1,0,0]]`, `[null,[1,0,0]]`, `[[0,"192.0.2.3",77,1],[1,0,0]]`, `[[3,0,0],[1,0,0]]`,
				`[[0,5,77],[1,0,0]]`, `[["0","192.0.2.3",77],[1,0,0]]`, `[[0,"192.0.2.3","77"],[1,0,0]]`,
			}},
		"locate none": {of(LocateAll("")), `2 {"2":[]}`, answers{`[]`: []Location{}}, []string{`[[1,0,0]]`}},
		"master": {of(Master()), `3`,
			answers{`"node1.example.com"`: "node1.example.com", `"n\u00f6"`: "nö"},
			[]string{`null`, `1`, `["node1"]`}},
		"master details": {of(MasterDetails()), `3 {"3":[0,1,2]}`,
			answers{
				`["node1","192.0.2.1","192.0.2.2"]`:      Details{"node1", ip("192.0.2.1"), ip("192.0.2.2")},
				`["node1","2001:db8::1","2001:db8::2"]`:  Details{"node1", ip("2001:db8::1"), ip("2001:db8::2")},
				classic + `["node1","192.0.2.1",null]`:   Details{Name: "node1", ClusterIP: ip("192.0.2.1")},
				`["node1","",""]`:                        Details{Name: "node1"},
				classic + `["node1", "192.0.2.1", null]`: Details{Name: "node1", ClusterIP: ip("192.0.2.1")},
			},
			[]string{`"node1"`, `null`, `[]`, `["node1"]`, `["node1","192.0.2.1"]`, `["node1","192.0.2.1","192.0.2.2","x"]`,
				`["node1","x","192.0.2.2"]`, `["node1","192.0.2.1","x"]`, `[1,"192.0.2.1","192.0.2.2"]`}},
		"nodes": {of(NodeIPs()), `4`,
			answers{`[]`: []netip.Addr{}, `["192.0.2.2","2001:db8::1"]`: []netip.Addr{ip("192.0.2.2"), ip("2001:db8::1")}},
			[]string{`null`, `"192.0.2.2"`, `["x"]`, `[1]`, `[["192.0.2.2"]]`, `{}`}},
		"candidates":               {of(CandidateIPs()), `5`, answers{`["192.0.2.2"]`: []netip.Addr{ip("192.0.2.2")}}, []string{`["x"]`}},
		"instances of a link":      {of(InstanceIPs("br0")), `6 "br0"`, answers{`["192.0.2.2"]`: []netip.Addr{ip("192.0.2.2")}}, []string{`["x"]`}},
		"instances, default link":  {of(InstanceIPs("")), `6`, answers{`[]`: []netip.Addr{}}, nil},
		"instances of an odd link": {of(InstanceIPs("null")), `6 "null"`, answers{`[]`: []netip.Addr{}}, nil},
		"instances": {of(Instances("node1")), `8 "node1"`,
			answers{
				`[[],[]]`: NodeInstances{[]object.Instance{}, []object.Instance{}},
				`[[{"name":"inst1","uuid":"u1","serial_no":3,"hvparams":{"a":[9223372036854775808]}}],[{"name":"inst2"},{}]]`: NodeInstances{
					[]object.Instance{{Name: "inst1", UUID: "u1", SerialNo: 3, HVParams: map[string]any{"a": []any{json.Number("9223372036854775808")}}}},
					[]object.Instance{{Name: "inst2"}, {}},
				},
			},
			[]string{`null`, `[]`, `[[]]`, `[[],[],[]]`, `{}`, `[{},{}]`, `[[1],[]]`, `[[{"name":1}],[]]`}},
		"disks": {of(Disks("inst1")), `9 "inst1"`,
			answers{`[]`: []object.Disk{}, `[{"uuid":"d1","size":1024},{"uuid":"d2"}]`: []object.Disk{{UUID: "d1", Size: 1024}, {UUID: "d2"}}},
			[]string{`null`, `{}`, `[1]`, `[{"size":"1"}]`, `[[]]`}},
		"config":            {of(Config("/cluster/serial_no")), `10 "/cluster/serial_no"`, answers{`7`: json.RawMessage(`7`), `null`: json.RawMessage(`null`), ` {"a": [1.50]}`: json.RawMessage(`{"a": [1.50]}`)}, nil},
		"config, all of it": {of(Config("")), `10 ""`, answers{`{}`: json.RawMessage(`{}`)}, nil},
		"config value":      {of(ConfigValue[map[string]int]("/x")), `10 "/x"`, answers{`{"a":1}`: map[string]int{"a": 1}, `null`: map[string]int(nil)}, []string{`[]`, `{"a":"1"}`}},
		"raw":               {of(Raw(8, json.RawMessage(`"node1"`))), `8 "node1"`, answers{`[[],[]]`: json.RawMessage(`[[],[]]`)}, nil},
		"raw, null":         {of(Raw(11, json.RawMessage(` null`))), `11 null`, answers{`{}`: json.RawMessage(`{}`)}, nil},
		"raw, parameters":   {of(Raw(2, json.RawMessage(`{"1": null, "2": ["x"], "3": ["0", 1]}`))), `2 {"1":null,"2":["x"],"3":["0",1]}`, answers{`[[1,2,0]]`: json.RawMessage(`[[1,2,0]]`)}, nil},
		"raw, without an answer": {of(Raw(3, nil)), `3`, answers{
			classic: json.RawMessage(`null`),
		}, nil},
		"minors": {of(Minors("node1")), `7 "node1"`,
			answers{
				`[]`: []Minor{},
				`[["node1",0,"inst1","disk/0","primary","node2"],["node1",3,"inst2","disk/1","secondary",""]]`: []Minor{
					{"node1", 0, "inst1", "disk/0", MinorPrimary, "node2"}, {"node1", 3, "inst2", "disk/1", MinorSecondary, ""},
				},
			},
			[]string{`null`, `{}`, `[[]]`, `[null]`, `["node1"]`, `[["node1",0,"inst1","disk/0","primary"]]`,
				`[["node1",0,"inst1","disk/0","primary","node2","x"]]`, `[["node1",0,"inst1","disk/0","other","node2"]]`,
				`[["node1","0","inst1","disk/0","primary","node2"]]`}},
		"collectors": {of(Collectors()), `11`,
			answers{`{}`: map[string]Collector{}, `{"lv":{"active":true,"interval":5000000},"drbd":{"active":false,"interval":1}}`: map[string]Collector{
				"lv": {true, 5 * time.Second}, "drbd": {false, time.Microsecond},
			}},
			[]string{`null`, `[]`, `{"lv":null}`, `{"lv":{"active":true}}`, `{"lv":{"active":1,"interval":1}}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var last string
			for reply, want := range test.good {
				text := fmt.Sprintf(`{"protocol":1,"status":0,"answer":%s,"serial":7}`, reply)
				if answer, ok := strings.CutPrefix(reply, classic); ok {
					text = fmt.Sprintf(`{"status": 0, "protocol": 1, "serial": 7, "answer": %s}`, answer)
					text = strings.Replace(text, `, "answer": }`, `}`, 1)
				}
				last = text
				c, _ := start(t, Options{}, func(r *request) {
					got := fmt.Sprint(int(r.Type))
					if r.Query.Set {
						var e jx.Encoder
						r.Query.Encode(&e)
						got += " " + e.String()
					}
					if r.Protocol != 1 || r.Rsalt == "" || got != test.want {
						t.Errorf("asked %s, want %s; salt %q", got, test.want, r.Rsalt)
					}
					r.reply(text)
				})
				got, err := test.ask(patient(t), c)
				if err != nil {
					t.Errorf("%s: %v", reply, err)
				} else if diff := cmp.Diff(want, got, alike...); diff != "" {
					t.Errorf("%s (-want +got):\n%s", reply, diff)
				}
			}
			for _, answer := range test.bad {
				c, servers := start(t, Options{}, says(answer, 99))
				got, err := test.ask(patient(t), c)
				if !errors.Is(err, ErrAnswer) || !strings.Contains(err.Error(), servers[0].name()) || !strings.Contains(err.Error(), answer) {
					t.Errorf("%s: got %+v, %v", answer, got, err)
				}
				c, _ = start(t, Options{}, says(answer, 99), func(r *request) { r.reply(last) })
				if _, err := test.ask(patient(t), c); err != nil {
					t.Errorf("%s, beside a good answer: %v", answer, err)
				}
			}
		})
	}
}

// TestLocationErrors: the error for one address works like that of a reply.
func TestLocationErrors(t *testing.T) {
	t.Parallel()
	c, _ := start(t, Options{}, says(`[[1,0,0]]`, 7))
	result, err := Query(patient(t), c, LocateAll("", ip("192.0.2.1")))
	if err != nil {
		t.Fatal(err)
	}
	var status *StatusError
	if got := result.Answer[0].Err; !errors.Is(got, ErrUnknownEntry) || !errors.As(got, &status) || status.Status != 1 || got.Error() != "unknown entry" {
		t.Errorf("got %v", got)
	}
}

// TestStatusError: the errors of replies with a status other than 0.
func TestStatusError(t *testing.T) {
	t.Parallel()
	sentinels := []error{ErrUnknownEntry, ErrInternal, ErrArgument, ErrNotImplemented}
	for name, test := range map[string]struct {
		reply  string // without its protocol
		code   error
		text   string
		status int
		serial int64
	}{
		"code 0":                    {`"status":1,"answer":0,"serial":0`, ErrUnknownEntry, "", 1, 0},
		"code 1":                    {`"status":1,"answer":1,"serial":0`, ErrInternal, "", 1, 0},
		"code 2":                    {`"status":1,"answer":2,"serial":0`, ErrArgument, "", 1, 0},
		"code 3":                    {`"status":1,"answer":3,"serial":0`, nil, "3", 1, 0},
		"classic code 0":            {`"status":1,"answer":0,"serial":5`, nil, "0", 1, 5},
		"classic code 1":            {`"status":1,"answer":1,"serial":5`, ErrUnknownEntry, "", 1, 5},
		"classic code 2":            {`"status":1,"answer":2,"serial":5`, ErrInternal, "", 1, 5},
		"classic code 3":            {`"status":1,"answer":3,"serial":5`, ErrArgument, "", 1, 5},
		"classic code, no serial":   {`"status":1,"answer":1`, ErrUnknownEntry, "", 1, 0},
		"text":                      {`"status":1,"answer":"no such node","serial":0`, nil, "no such node", 1, 0},
		"classic text":              {`"status":1,"answer":"non-empty ping query","serial":5`, nil, "non-empty ping query", 1, 5},
		"text that is a code":       {`"status":1,"answer":"2","serial":0`, nil, "2", 1, 0},
		"no answer":                 {`"status":1,"serial":5`, nil, "null", 1, 5},
		"an object":                 {`"status":1,"answer":{"a":1},"serial":0`, nil, `{"a":1}`, 1, 0},
		"fraction":                  {`"status":1,"answer":2.5,"serial":0`, nil, "2.5", 1, 0},
		"not implemented":           {`"status":2,"answer":"not implemented","serial":5`, ErrNotImplemented, "", 2, 5},
		"not implemented, no words": {`"status":2,"serial":5`, ErrNotImplemented, "", 2, 5},
		"not implemented, code":     {`"status":2,"answer":0,"serial":0`, ErrNotImplemented, "", 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, servers := start(t, Options{}, func(r *request) { r.reply(`{"protocol":1,` + test.reply + `}`) })
			result, err := Query(patient(t), c, NodeRole("node1"))
			var got *StatusError
			if !errors.As(err, &got) {
				t.Fatalf("got %+v, %v", result, err)
			}
			if got.Peer != servers[0].name() || got.Status != test.status || got.Code != test.code || got.Text != test.text || got.Serial != test.serial {
				t.Errorf("got %+v", got)
			}
			if !strings.HasPrefix(err.Error(), servers[0].name()+": ") || !strings.HasSuffix(err.Error(), test.text) {
				t.Errorf("text %q", err)
			}
			for _, sentinel := range sentinels {
				if errors.Is(err, sentinel) != (sentinel == test.code) {
					t.Errorf("is %v: %v", sentinel, errors.Is(err, sentinel))
				}
			}
			if errors.Is(err, ErrNoReply) || errors.Is(err, ErrAnswer) || errors.Is(err, ErrInconsistent) {
				t.Errorf("unexpected error %v", err)
			}
			if result.Answer != "" || len(result.Replies) != 1 || result.Replies[0].Err == nil || string(result.Replies[0].JSON) != string(got.JSON) {
				t.Errorf("result %+v", result)
			}
		})
	}
}

func TestNoReplyError(t *testing.T) {
	cause := errors.New("no route")
	err := error(&NoReplyError{
		Asked:  []Silence{{Peer: "192.0.2.1:1814"}, {"192.0.2.2:1814", cause}},
		Waited: 1500400 * time.Microsecond,
		cause:  context.DeadlineExceeded,
	})
	if got, want := err.Error(), "no reply within 1.5s from 192.0.2.1:1814, 192.0.2.2:1814 (no route)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, want := range []error{ErrNoReply, context.DeadlineExceeded, cause} {
		if !errors.Is(err, want) {
			t.Errorf("is not %v", want)
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(&NoReplyError{}, context.DeadlineExceeded) {
		t.Error("is too much")
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		RoleMaster.String(): "master", RoleCandidate.String(): "master candidate", RoleOffline.String(): "offline",
		RoleDrained.String(): "drained", RoleRegular.String(): "regular", Role("").String(): "unknown",
		Sent.String(): "sent", Unreachable.String(): "unreachable", EventKind(kinds).String(): "kind 10", EventKind(-1).String(): "kind -1",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestLocationWithoutAddress: what is no address spoils no other location.
func TestLocationWithoutAddress(t *testing.T) {
	t.Parallel()
	good, bad := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("203.0.113.99")
	all, err := LocateAll("", good, bad).Decode(json.RawMessage(`[[0,"192.0.2.3",77],[0,"node1",77]]`))
	if err != nil || len(all) != 2 || all[0].Err != nil || all[0].Node.String() != "192.0.2.3" || !errors.Is(all[1].Err, ErrAnswer) || all[1].Node.IsValid() {
		t.Errorf("got %+v, %v", all, err)
	}
}

// TestDecode: an answer received in another way is decoded the same.
func TestDecode(t *testing.T) {
	t.Parallel()
	if role, err := NodeRole("n").Decode(json.RawMessage(`3`)); err != nil || role != RoleDrained {
		t.Errorf("got %v, %v", role, err)
	}
	for _, text := range []string{`[["n", 1, "i", "disk/0", "primary"]]`, `{}`, `x`} {
		if minors, err := Minors("n").Decode(json.RawMessage(text)); !errors.Is(err, ErrAnswer) || minors != nil {
			t.Errorf("%s: got %v, %v", text, minors, err)
		}
	}
}

// Too many addresses for a daemon are rejected before sending.
func TestLocateTooMany(t *testing.T) {
	t.Parallel()
	c, s := start(t, Options{}, says("[]", 0))
	ips := make([]netip.Addr, wire.MaxListElements+1)
	for i := range ips {
		ips[i] = netip.AddrFrom4([4]byte{1, 1, byte(i >> 8), byte(i)})
	}
	if _, err := Query(t.Context(), c, LocateAll("", ips...)); !errors.Is(err, ErrTooLarge) || s[0].came.Load() > 0 {
		t.Errorf("%v after %d requests", err, s[0].came.Load())
	}
}
