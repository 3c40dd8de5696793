package ask

import (
	"slices"
	"testing"

	"github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"

	"gntconfd/spec"
)

// TestTopMembers: the completion of pointers knows what configurations have.
func TestTopMembers(t *testing.T) {
	text, err := spec.Files.ReadFile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions struct {
			Config struct {
				Properties map[string]any `json:"properties"`
			}
		} `json:"definitions"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var want []string
	for name := range schema.Definitions.Config.Properties {
		want = append(want, "/"+name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(topMembers))); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}
