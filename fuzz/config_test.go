package fuzz

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/jsontext"
)

// TestConfigurationsAreGanetis: Ganeti loads every configuration that spec/config.json
// allows, and both daemons answer it alike, member by member.
func TestConfigurationsAreGanetis(t *testing.T) {
	g := startGaneti(t)
	rapid.Check(t, func(t *rapid.T) {
		doc := tame(values("config.json").Draw(t, "configuration")).(object)
		doc["cluster"].(object)["nicparams"] = object{"default": object{"mode": "bridged", "link": "br0", "vlan": ""}}
		c := drawnCluster{doc, encode(doc)}
		if err := g.load(&c); err != nil {
			t.Skip(err)
		}
		snapshot, err := cluster.Parse(slices.Clone(c.file))
		if err != nil {
			t.Fatalf("%v\n%s", err, c.file)
		}
		book := answer.Prepare(snapshot)
		for _, pointer := range pointers("", doc, 2) {
			q := question{wire.RequestConfigQuery, pointer}
			want, err := g.ask(q, 5*time.Second)
			if err != nil {
				t.Fatalf("%s: %v", pointer, err)
			}
			got, err := ask(book, q)
			if err != nil {
				t.Fatalf("%s: %v", pointer, err)
			}
			if got.Status != want.Status || !equal(got.Answer, want.Answer) {
				t.Fatalf("%s: -Ganeti +ours\n%s\nfrom %s", pointer, difference(want.Answer, got.Answer), c.file)
			}
		}
	})
}

// pointers lists pointers to the members of a document, down to a depth.
func pointers(prefix string, value any, depth int) []string {
	var list []string
	if members, ok := value.(object); ok && depth > 0 {
		for _, name := range sortedKeys(members) {
			pointer := prefix + "/" + jsontext.EscapeToken(name)
			list = append(append(list, pointer), pointers(pointer, members[name], depth-1)...)
		}
	}
	return list
}

var longPrefix = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+){3})/(?:3[3-9]|[4-9][0-9])$`)

// tame removes from all texts what Ganeti's daemon rejects or its replies cannot contain.
func tame(value any) any {
	switch value := value.(type) {
	case object:
		clean := object{}
		for name, member := range value {
			clean[tame(name).(string)] = tame(member)
		}
		return clean
	case []any:
		clean := []any{}
		for _, element := range value {
			clean = append(clean, tame(element))
		}
		return clean
	case string:
		// The schema does not say that a prefix is no longer than an address.
		value = longPrefix.ReplaceAllString(value, "$1/32")
		return strings.Map(func(r rune) rune {
			if r < 0x80 {
				return r
			}
			return '?'
		}, value)
	}
	return value
}

// difference returns where two decoded values differ.
func difference(before, after any) string {
	return cmp.Diff(before, after, cmp.Comparer(func(a, b json.Number) bool { return equal(a, b) }))
}

// nearly reports whether two numbers differ at most in the last digits.
func nearly(a, b json.Number) bool {
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && math.Abs(x-y) <= 1e-12*math.Abs(x)
}
