package cluster

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/internal/sample"
)

// Without secrets a configuration is what it is with them, but for the texts and objects
// that are secret: these are empty.
func TestRedactSecrets(t *testing.T) {
	var config map[string]any
	if err := json.Unmarshal(sample.Config, &config); err != nil {
		t.Fatal(err)
	}
	padding := strings.Repeat("x", 5_000) // makes a large object of one
	secrets := 0
	hide := func(object any, member string, nothing any) {
		if of, ok := object.(map[string]any); ok && of[member] != nil {
			of[member] = nothing
		}
	}
	give := func(object any, member string, secret any) { object.(map[string]any)[member] = secret }
	for key, instance := range config["instances"].(map[string]any) {
		give(instance, "osparams_private", map[string]any{"password": "top secret " + key, "padding": padding})
		secrets++
	}
	give(config["cluster"], "osparams_private_cluster", map[string]any{"os": map[string]any{"token": "top secret"}})
	var drbd func(disk any)
	drbd = func(disk any) {
		id, _ := disk.(map[string]any)["logical_id"].([]any)
		if len(id) == 6 {
			id[5] = "top secret"
			secrets++
		}
		children, _ := disk.(map[string]any)["children"].([]any)
		for _, child := range children {
			drbd(child)
		}
	}
	for _, disk := range config["disks"].(map[string]any) {
		drbd(disk)
	}
	if secrets < 10 {
		t.Fatalf("only %d secrets", secrets)
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	open, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	redacted, err := Load(t.Context(), strings.NewReader(string(text)), Options{RedactSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(t.Context(), strings.NewReader(string(text)+" "), Options{RedactSecrets: true, Former: redacted})
	if err != nil {
		t.Fatal(err)
	}
	for _, pointer := range []string{"/instances", "/disks", "/cluster", "/nodes", "/version", "/networks"} {
		want := valueOf(t, open, pointer)
		switch pointer {
		case "/cluster":
			hide(want, "osparams_private_cluster", map[string]any{})
		case "/instances":
			for _, instance := range want.(map[string]any) {
				hide(instance, "osparams_private", map[string]any{})
			}
		case "/disks":
			for _, disk := range want.(map[string]any) {
				blank(disk)
			}
		}
		for name, s := range map[string]*Snapshot{"first": redacted, "next": again} {
			if diff := cmp.Diff(want, valueOf(t, s, pointer)); diff != "" {
				t.Errorf("%s of the %s snapshot (-want +got):\n%s", pointer, name, diff)
			}
		}
	}
}

// blank empties the secrets of a disk and of those below it.
func blank(disk any) {
	if id, _ := disk.(map[string]any)["logical_id"].([]any); len(id) == 6 {
		id[5] = ""
	}
	children, _ := disk.(map[string]any)["children"].([]any)
	for _, child := range children {
		blank(child)
	}
}

func valueOf(t *testing.T, s *Snapshot, pointer string) (value any) {
	t.Helper()
	text, err := s.AppendValue(nil, pointer, math.MaxInt)
	if err != nil {
		t.Fatalf("%s: %v", pointer, err)
	}
	if s.document.redact && strings.Contains(string(text), "top secret") {
		t.Errorf("%s tells a secret", pointer)
	}
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
