package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The spec explains exactly the existing forms.
func TestVocabulary(t *testing.T) {
	text, err := os.ReadFile("../../spec/config.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vocabulary struct {
			Forms map[string]string `json:"x-confd-form"`
		} `json:"x-confd-vocabulary"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	known := append(slices.Collect(maps.Keys(formKinds)), flagForm, omitEmptyForm)
	slices.Sort(known)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(file.Vocabulary.Forms)), known); diff != "" {
		t.Errorf("forms explained in the spec and known here (-spec +here):\n%s", diff)
	}
}

func TestMakeFormsErrors(t *testing.T) {
	for _, test := range []struct{ schema, want string }{
		{`{`, "JSON"},
		{`{"definitions":{"A":{"x-confd-form":"round"}}}`, `A: no form "round"`},
		{`{"definitions":{"A":{"properties":{"b":{"$ref":"#/definitions/B"}}}}}`, `A: b: no definition "B"`},
		{`{"definitions":{"A":{"items":[{},{"$ref":"#/definitions/B"}]}}}`, `A: element 1: no definition "B"`},
		{`{"definitions":{"A":{"properties":{"b":{}},"dependencies":{"b":["c"]}}}}`, "A: b depends on c, which does not exist"},
	} {
		if _, err := makeForms([]byte(test.schema)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.schema, err, test.want)
		}
	}
}
