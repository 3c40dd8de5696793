package gntconfd

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms says which packages of the project a package may import; CONTRIBUTING.md
// explains why. Tests may import what they need.
var rooms = map[string][]string{
	"":                           {},
	"spec":                       {},
	"spec/vectors":               {},
	"gen/wire":                   {},
	"gen/config":                 {},
	"gen/config/index":           {},
	"gen/config/classic":         {},
	"gen/object":                 {},
	"internal/specgen":           {},
	"internal/wire":              {"gen/wire"},
	"internal/cluster/canonical": {"spec"},
	"internal/cluster/classic":   {"gen/config/classic", "internal/cluster/canonical"},
	"internal/cluster":           {"gen/config/index", "gen/wire", "internal/cluster/canonical", "internal/cluster/classic"},
	"internal/answer":            {"gen/wire", "internal/cluster"},
	"internal/reload":            {"gen/wire", "internal/cluster"},
	"internal/udp":               {"gen/wire"},
	"internal/server":            {"gen/wire", "internal/wire", "internal/answer", "internal/udp"},
	"internal/daemon":            {"gen/wire", "internal/wire", "internal/cluster", "internal/answer", "internal/reload", "internal/server", "internal/daemon/web"},
	"internal/daemon/web":        {"gen/wire", "internal/cluster", "internal/release", "internal/reload", "internal/server"},
	"internal/daemon/log":        {"gen/wire", "internal/daemon/process"},
	"internal/daemon/process":    {},
	"internal/release":           {},
	"internal/sample":            {},
	"internal/vectors":           {},
	"internal/vectors/record":    {"internal/conformance", "internal/interop/judges", "internal/vectors"},
	"internal/conformance":       {"internal/daemon", "internal/udp", "internal/vectors", "spec"},
	"internal/interop":           {},
	"internal/interop/judges":    {},
	"internal/resilience":        {},
	"internal/soak":              {"gen/wire", "internal/bench", "internal/wire", "internal/udp", "internal/cluster", "internal/answer", "internal/sample"},
	"internal/bench":             {"gen/wire", "internal/wire", "internal/udp", "internal/cluster", "internal/sample", "client"},
	"client":                     {"gen/object", "gen/wire", "internal/wire"},
	"client/metrics":             {"client"},
	"cmd/ganeti-confd":           {"gen/wire", "internal/wire", "internal/daemon", "internal/daemon/log", "internal/daemon/process", "internal/daemon/web", "internal/release"},
	"cmd/confdctl":               {"gen/object", "gen/wire", "client", "internal/bench", "internal/daemon", "internal/sample"},
	"cmd/confd-conformance":      {"internal/conformance", "internal/conformance/clientside", "spec/vectors"},
	"examples/neighbour-map":     {"client"},
	"fuzz":                       {},
	"fuzz/costliest":             {"gen/wire", "internal/wire"},
	"packaging":                  {},

	"internal/interop/realcluster":             {},
	"internal/conformance/clientside":          {"internal/conformance", "internal/vectors"},
	"internal/conformance/clientside/goclient": {"client"},
	"packaging/build":                          {},
	"packaging/dependencies":                   {},
	"packaging/manual":                         {"internal/release"},
	"packaging/prometheus":                     {},
}

// generated lists which modules generated code may import beside the standard
// library: it ends up in every program that speaks the protocol.
var generated = []string{
	"github.com/go-faster/jx",
	"github.com/go-faster/errors",
	"github.com/ogen-go/ogen/validate",
	"github.com/ogen-go/ogen/ogenregex",
}

func TestRooms(t *testing.T) {
	const project = "gntconfd"
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		imports := strings.Fields(line)
		room := strings.Trim(strings.TrimPrefix(imports[0], project), "/")
		allowed, known := rooms[room]
		if !known {
			t.Errorf("package %s is not on the map of rooms", imports[0])
			continue
		}
		seen++
		for _, path := range imports[1:] {
			inside, ours := strings.CutPrefix(path, project+"/")
			if ours && !slices.Contains(allowed, inside) {
				t.Errorf("%s may not import %s", room, inside)
			}
			if strings.HasPrefix(room, "gen/") && strings.Contains(path, ".") && !slices.Contains(generated, path) {
				t.Errorf("%s may not import %s", room, path)
			}
		}
	}
	if seen != len(rooms) {
		t.Errorf("%d packages of the %d on the map exist", seen, len(rooms))
	}
}

// light lists the modules that end up in a program with the client library.
var light = []string{
	"github.com/dlclark/regexp2",
	"github.com/go-faster/errors",
	"github.com/go-faster/jx",
	"github.com/ogen-go/ogen",
	"github.com/segmentio/asm",
	"github.com/shopspring/decimal",
	"gntconfd",
	"golang.org/x/sys",
	"golang.org/x/text",
}

func TestClientStaysLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./client").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := slices.Compact(slices.Sorted(slices.Values(strings.Fields(string(out)))))
	if !slices.Equal(modules, light) {
		t.Errorf("client is made of %q, not %q", modules, light)
	}
}
