package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/demonstrate"
	"gntconfd/gen/wire"
	"gntconfd/internal/sample"
	"gntconfd/internal/sample/serve"
	"gntconfd/internal/testing/lacking"
	"gntconfd/internal/udp"
)

func readDemo(t *testing.T, output []byte) []demonstrate.Entry {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(output))
	decoder.DisallowUnknownFields()
	var entries []demonstrate.Entry
	if err := decoder.Decode(&entries); err != nil {
		t.Fatal(err)
	}
	if decoder.More() {
		t.Error("something follows the document")
	}
	return entries
}

func TestDemoJSON(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"demo", "--json"}, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	types := map[wire.RequestType]bool{}
	failed := 0
	for _, entry := range readDemo(t, stdout.Bytes()) {
		types[entry.Request.Type] = true
		if entry.Title == "" || entry.RTT < 0 || entry.Reply.Answer == nil {
			t.Errorf("incomplete: %+v", entry)
		}
		if entry.Reply.Status != wire.StatusOK {
			failed++
		}
	}
	for _, typ := range wire.RequestType(0).AllValues() {
		if !types[typ] {
			t.Errorf("request type %d is not asked", typ)
		}
	}
	if failed != 2 {
		t.Errorf("%d questions are answered with an error, want the last 2", failed)
	}
}

// TestDemoOfGaneti asks Ganeti's own daemon the questions of the demonstration. For that, the
// daemon must load the sample cluster.
func TestDemoOfGaneti(t *testing.T) {
	ganeti := startGaneti(t)
	var got []demonstrate.Entry
	if err := serve.Sample(t.Context(), func(c *client.Client) (err error) {
		got, err = demonstrate.Document(t.Context(), c)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want, err := demonstrate.Document(t.Context(), ganeti)
	if err != nil {
		t.Fatal(err)
	}
	for _, entries := range [][]demonstrate.Entry{want, got} {
		for i := range entries {
			entries[i].RTT = 0
		}
	}
	if diff := cmp.Diff(want, got, sameJSON); diff != "" {
		t.Errorf("demonstration (-Ganeti +ours):\n%s", diff)
	}
}

// sameJSON compares JSON by its value.
var sameJSON = cmp.Transformer("value", func(text json.RawMessage) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return err.Error()
	}
	return value
})

// startGaneti starts Ganeti's daemon with the sample cluster and waits until it answers.
func startGaneti(t *testing.T) *client.Client {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/ganeti-confd")
	if err != nil {
		lacking.Skip(t, "Ganeti is not installed here: %v", err)
	}
	root := t.TempDir()
	for _, dir := range []string{"lib", "run", "log"} {
		if err := os.MkdirAll(filepath.Join(root, "var", dir, "ganeti"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(root, "var/lib/ganeti")
	for name, content := range map[string][]byte{"config.data": sample.Config, "hmac.key": sample.Key} {
		if err := os.WriteFile(filepath.Join(data, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address, err := udp.FreePort()
	if err != nil {
		t.Fatal(err)
	}

	command := exec.Command(path, "-f", "--no-user-checks", "-b", "127.0.0.1", "-p", strconv.Itoa(int(address.Port())))
	command.Env = append(os.Environ(), "GANETI_ROOTDIR="+root, "LC_ALL=C.UTF-8")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		command.Wait()
	})
	c, err := client.New(client.Options{Peers: []string{address.String()}, Key: sample.Key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_, err := client.Query(short, c, client.Ping())
		cancel()
		if err == nil {
			return c
		}
	}
	t.Fatalf("%s does not answer", path)
	return nil
}

// TestDemoLines: the demonstration keeps to its width.
func TestDemoLines(t *testing.T) {
	var stdout bytes.Buffer
	if code := run([]string{"demo"}, &stdout, &stdout); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stdout)
	}
	lines := bytes.Split(stdout.Bytes(), []byte("\n"))
	if i := slices.IndexFunc(lines, func(line []byte) bool { return len(line) > demonstrate.Width }); i >= 0 {
		t.Errorf("longer than %d columns: %s", demonstrate.Width, lines[i])
	}
	if bytes.Contains(stdout.Bytes(), []byte("\x1b")) {
		t.Error("coloured without a terminal")
	}
}
