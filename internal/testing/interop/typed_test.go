package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	confd "gntconfd/client"
	"gntconfd/internal/testing/jsonvalue"
)

// typed is a daemon's answer to a question of the client library.
type typed struct {
	Answer any
	Serial int64
	Error  string
}

// noAnswer is the prefix of an Error that no daemon has sent.
const noAnswer = "no answer: "

// asked is a question of any type.
type asked struct {
	requestType int
	ask         func(context.Context, *confd.Client) typed
}

func of[A any](q confd.Question[A]) asked {
	return asked{q.Type(), func(ctx context.Context, c *confd.Client) typed {
		result, err := confd.Query(ctx, c, q)
		var status *confd.StatusError
		switch {
		case errors.As(err, &status):
			return typed{Serial: status.Serial, Error: fmt.Sprintf("%d: %v %s", status.Status, status.Code, status.Text)}
		case err != nil:
			return typed{Error: noAnswer + err.Error()}
		}
		return typed{Answer: result.Answer, Serial: result.Serial}
	}}
}

// TestTypedQuestions asks both daemons each question of the client library.
func TestTypedQuestions(t *testing.T) { besideEach(t, testTypedQuestions) }

func testTypedQuestions(t *testing.T, genuine program) {
	config := encode(t, production())
	var clients [2]*confd.Client
	for i, p := range []program{genuine, ours} {
		d := start(t, p, config)
		c, err := confd.New(confd.Options{Peers: []string{d.addr}, KeyFile: d.file("hmac.key")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		clients[i] = c
	}
	known, unknown := netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("203.0.113.250")
	six := netip.MustParseAddr("2001:db8::3")
	good := map[string]asked{
		"ping":               of(confd.Ping()),
		"role by name":       of(confd.NodeRole("node4.example.com")),
		"role by beginning":  of(confd.NodeRole("node5")),
		"role by key":        of(confd.NodeRole("uuid-node-1")),
		"locate":             of(confd.Locate("br0", known)),
		"locate IPv6":        of(confd.Locate("br1", six)),
		"locate all":         of(confd.LocateAll("br0", known, unknown, six)),
		"locate none":        of(confd.LocateAll("br0")),
		"master":             of(confd.Master()),
		"master details":     of(confd.MasterDetails()),
		"nodes":              of(confd.NodeIPs()),
		"candidates":         of(confd.CandidateIPs()),
		"addresses of links": of(confd.InstanceIPs("br1")),
		"addresses":          of(confd.InstanceIPs("")),
		"no such link":       of(confd.InstanceIPs("br9")),
		"minors":             of(confd.Minors("node1.example.com")),
		"instances":          of(confd.Instances("node1")),
		"disks":              of(confd.Disks("web2.example.com")),
		"config":             of(confd.Config("/cluster")),
		"config value":       of(confd.ConfigValue[map[string]json.RawMessage]("/nodes/uuid-node-0")),
		"collectors":         of(confd.Collectors()),
		"raw":                of(confd.Raw(3, json.RawMessage(`{"3":[2,0,1]}`))),
	}
	bad := map[string]asked{
		"no such node":     of(confd.NodeRole("node9")),
		"no such address":  of(confd.Locate("br0", unknown)),
		"no such minors":   of(confd.Minors("node9")),
		"no such owner":    of(confd.Instances("node9")),
		"no such instance": of(confd.Disks("web99")),
		"leads nowhere":    of(confd.Config("/nodes/uuid-node-9")),
		"no query":         of(confd.Raw(1, nil)),
		"not an address":   of(confd.Raw(2, json.RawMessage(`"br0"`))),
	}
	compare := func(name string, q asked) typed {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		theirs, our := q.ask(ctx, clients[0]), q.ask(ctx, clients[1])
		sameAddr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		sameError := cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		sameJSON := cmp.Comparer(func(a, b json.RawMessage) bool { return jsonvalue.Difference(value(t, a), value(t, b), same) == nil })
		if diff := cmp.Diff(theirs, our, sameAddr, sameError, sameJSON); diff != "" {
			t.Errorf("%s (-the real daemon +ours):\n%s", name, diff)
		}
		return theirs
	}
	types := make(map[int]bool)
	for name, q := range good {
		types[q.requestType] = true
		if got := compare(name, q); got.Error != "" || got.Answer == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	for name, q := range bad {
		if got := compare(name, q); got.Error == "" || strings.HasPrefix(got.Error, noAnswer) {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
	if len(types) != 12 {
		t.Errorf("%d request types were asked for, want 12", len(types))
	}
}

// value decodes a JSON text.
func value(t *testing.T, text json.RawMessage) any {
	t.Helper()
	v, err := jsonvalue.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
