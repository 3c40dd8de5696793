package fuzz

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	genobject "gntconfd/gen/object"
	"gntconfd/internal/cluster/canonical"
)

// TestObjects: the canonical form of a generated instance or disk is the same after going
// through the types of package object, except for the last digits of long times and for
// members that become zero instead of missing, or missing instead of empty.
func TestObjects(t *testing.T) {
	for name, make := range map[string]func() any{
		"Instance": func() any { return new(genobject.Instance) },
		"Disk":     func() any { return new(genobject.Disk) },
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				drawn := encode(values("config.json#/definitions/"+name).Draw(t, name))
				before, err := canonical.Of(name).Append(nil, drawn)
				if err != nil {
					t.Fatal(err)
				}
				typed := make()
				d := json.NewDecoder(bytes.NewReader(before))
				d.UseNumber()
				if err := d.Decode(typed); err != nil {
					t.Fatalf("%v\n%s", err, before)
				}
				after, err := json.Marshal(typed)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(withoutZero(decode(before)), withoutZero(decode(after)), cmp.Comparer(nearly)); diff != "" {
					t.Fatalf("-before +after\n%s\nfrom %s", diff, before)
				}
			})
		})
	}
}

// withoutZero removes members from objects whose zero value means the same as a missing
// one.
func withoutZero(value any) any {
	switch value := value.(type) {
	case object:
		for _, name := range []string{"name", "primary_node", "os", "disks_active", "size", "ip", "network"} {
			if slices.Contains([]any{"", false, json.Number("0")}, value[name]) {
				delete(value, name)
			}
		}
		for _, member := range value {
			withoutZero(member)
		}
	case []any:
		for _, element := range value {
			withoutZero(element)
		}
	}
	return value
}
