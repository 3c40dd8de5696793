package ask

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/gen/wire"
)

// TestRequests: every type has a word of its own, and is explained.
func TestRequests(t *testing.T) {
	names := map[string]bool{}
	for _, typ := range wire.RequestType(0).AllValues() {
		if int(typ) >= len(requests) || requests[typ].answer == "" {
			t.Fatalf("request type %d is not explained", typ)
		}
		if name := wire.RequestWords[typ]; name == "" || names[name] {
			t.Errorf("the word for request type %d is %q", typ, name)
		}
		names[wire.RequestWords[typ]] = true
	}
}

func TestParseType(t *testing.T) {
	for text, want := range map[string]wire.RequestType{
		"0":          wire.RequestPing,
		"ping":       wire.RequestPing,
		"11":         wire.RequestDataCollectors,
		"collectors": wire.RequestDataCollectors,
	} {
		if got, err := ParseType(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "12", "-1", "00", "1.0", "Ping", "pin"} {
		if got, err := ParseType(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestParseQuery(t *testing.T) {
	for text, want := range map[string]wire.Query{
		"":                wire.NewStringQuery(""),
		"node1":           wire.NewStringQuery("node1"),
		" node1":          wire.NewStringQuery(" node1"),
		"7":               wire.NewStringQuery("7"),
		"true":            wire.NewStringQuery("true"),
		"[1]":             wire.NewStringQuery("[1]"),
		`"`:               wire.NewStringQuery(`"`),
		`"a" and "b"`:     wire.NewStringQuery(`"a" and "b"`),
		`"null"`:          wire.NewStringQuery("null"),
		`"a\u0020b"`:      wire.NewStringQuery("a b"),
		"null":            wire.NewNullQuery(struct{}{}),
		"{}":              wire.NewQueryParametersQuery(wire.QueryParameters{}),
		` {"1": "x"} `:    wire.NewQueryParametersQuery(wire.QueryParameters{IP: wire.NewOptNilString("x")}),
		`{"2":["a","b"]}`: wire.NewQueryParametersQuery(wire.QueryParameters{IPList: wire.NewOptNilStringArray([]string{"a", "b"})}),
	} {
		got, err := ParseQuery(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for _, text := range []string{"{", `{"1": 2}`, `{"5": ""}`, `{"3": [3]}`, `{} {}`} {
		got, err := ParseQuery(text)
		if err == nil {
			t.Errorf("%s: got %+v, want an error", text, got)
		} else if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error %q does not quote it", text, err)
		}
	}
}
