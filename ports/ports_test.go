package ports

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gntconfd/client"
	"gntconfd/internal/sample"
	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/conformance/clientside"
	"gntconfd/internal/testing/interop/judges"
	"gntconfd/internal/testing/jsonvalue"
	"gntconfd/internal/testing/lacking"
	"gntconfd/spec/vectors"
)

// lack skips a test because a tool is missing, or fails it with CONFD_INTEROP=require.
func lack(t *testing.T, tool, pkg string) {
	t.Helper()
	lacking.Skip(t, "%s is not here: apt-get install %s", tool, pkg)
}

// need skips the test if a program is missing.
func need(t *testing.T, tool, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		lack(t, tool, pkg)
	}
}

// run runs a program in a folder and returns its standard output. A failure of the program ends
// the test.
func run(t *testing.T, dir string, command ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", command, err, out, &stderr)
	}
	return out
}

// copied returns a copy of a folder in which symbolic links are replaced by their targets: tools
// write where they build.
func copied(t *testing.T, folder string) string {
	t.Helper()
	copy := filepath.Join(t.TempDir(), "port")
	run(t, ".", "cp", "-rL", folder, copy)
	return copy
}

// scenarios runs the scenarios for clients with an adapter.
func scenarios(t *testing.T, command ...string) {
	report, err := clientside.Run(t.Context(), clientside.Options{Command: command, Files: vectors.Files})
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed() {
		var text strings.Builder
		if err := report.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		t.Error(text.String())
	}
	for _, result := range report.Results {
		// The host may lack IPv6.
		if result.Verdict == conformance.Skipped && result.ID != "request/ipv6" {
			t.Errorf("%s: %s", result.ID, result.Verdict)
		}
	}
}

// daemons runs a test with this project's daemon and with each of Ganeti's, all with the sample
// cluster.
func daemons(t *testing.T, test func(t *testing.T, server, keyFile string)) {
	starts := map[string]func(*testing.T) conformance.Start{
		"own": func(*testing.T) conformance.Start { return conformance.Own },
	}
	for _, judge := range judges.All() {
		starts["ganeti-"+judge.Release] = func(t *testing.T) conformance.Start {
			if err := judge.Check(); err != nil {
				lacking.Skip(t, "%v", err)
			}
			start, err := conformance.Command(judge.Args("127.0.0.1", "{port}")...)
			if err != nil {
				t.Fatal(err)
			}
			return start
		}
	}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			key := filepath.Join(t.TempDir(), "hmac.key")
			if err := os.WriteFile(key, sample.Key, 0o600); err != nil {
				t.Fatal(err)
			}
			server, err := start(t)(t.Context(), conformance.Setup{Dialect: "3.0", Name: "sample", Config: sample.Config, Key: sample.Key})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := server.Stop(); err != nil {
					t.Error(err)
				}
			}()
			if err := server.Target.Ready(server.Context); err != nil {
				t.Fatal(err)
			}
			test(t, server.Target.Addr.String(), key)
		})
	}
}

// drbd runs an example that lists the DRBD minors of a node of the sample cluster.
func drbd(t *testing.T, command ...string) {
	daemons(t, func(t *testing.T, server, keyFile string) {
		root := t.TempDir()
		state := filepath.Join(root, "var/lib/ganeti")
		if err := os.MkdirAll(state, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(state, "ssconf_master_candidates_ips"), []byte(server+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, state, "cp", keyFile, "hmac.key")
		out := run(t, ".", append(append([]string{"env", "GANETI_ROOTDIR=" + root}, command...), "node3")...)
		var rows [][]string
		for line := range strings.Lines(string(out)) {
			rows = append(rows, strings.Fields(line))
		}
		want := [][]string{
			{"0", "www1.example.org", "disk/0", "secondary", "node2.example.org"},
			{"1", "www1.example.org", "disk/1", "secondary", "node2.example.org"},
			{"2", "www2.example.org", "disk/0", "primary", "node2.example.org"},
			{"3", "www2.example.org", "disk/1", "primary", "node2.example.org"},
		}
		if !reflect.DeepEqual(rows, want) {
			t.Errorf("got %q, want %q", rows, want)
		}
	})
}

// TestLicences: each package contains the licence of the project.
func TestLicences(t *testing.T) {
	want, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"python", "typescript"} {
		if got, err := os.ReadFile(filepath.Join(port, "LICENSE")); !bytes.Equal(got, want) {
			t.Errorf("%s: it has not the project's LICENSE, %v", port, err)
		}
	}
}

// said is a line of a port's output: a question, and the answer as the port decoded it.
type said struct {
	Type   int             `json:"type"`
	Query  json.RawMessage `json:"query"`
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer"`
	Serial int64           `json:"serial"`
}

// live runs a port that asks a daemon every question, and compares its answers with those that
// this project's client library gets.
func live(t *testing.T, command ...string) {
	daemons(t, func(t *testing.T, server, keyFile string) {
		c, err := client.New(client.Options{Peers: []string{server}, Key: sample.Key})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		types := make(map[int]bool)
		decoder := json.NewDecoder(bytes.NewReader(run(t, ".", append(command, server, keyFile)...)))
		for decoder.More() {
			var got said
			if err := decoder.Decode(&got); err != nil {
				t.Fatal(err)
			}
			types[got.Type] = true
			want := ask(t, c, got)
			if got.Status != want.Status || got.Serial != want.Serial || !equal(t, got.Answer, want.Answer) {
				t.Errorf("type %d, query %s: status %d, serial %d, answer %s, want status %d, serial %d, answer %s",
					got.Type, got.Query, got.Status, got.Serial, got.Answer, want.Status, want.Serial, want.Answer)
			}
		}
		if len(types) != 12 {
			t.Errorf("asked %d types of questions, of 12", len(types))
		}
	})
}

// ask returns the answer to a question.
func ask(t *testing.T, c *client.Client, q said) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	result, err := client.Query(ctx, c, client.Raw(q.Type, q.Query))
	failure := (*client.StatusError)(nil)
	switch {
	case errors.As(err, &failure):
		return said{Status: failure.Status, Answer: failure.JSON, Serial: failure.Serial}
	case err != nil:
		t.Fatal(err)
	}
	return said{Answer: result.JSON, Serial: result.Serial}
}

// equal compares the values of two JSON texts.
func equal(t *testing.T, a, b json.RawMessage) bool {
	t.Helper()
	var values [2]any
	for i, text := range [][]byte{a, b} {
		value, err := jsonvalue.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		values[i] = value
	}
	return jsonvalue.Difference(values[0], values[1], func(want, got any) bool {
		x, okX := want.(json.Number)
		y, okY := got.(json.Number)
		return want == got || okX && okY && jsonvalue.SameNumber(x, y)
	}) == nil
}
