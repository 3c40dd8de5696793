package vectors

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gntconfd/internal/daemon"
	"gntconfd/spec/vectors"
)

// TestDaemon runs all vectors against the project's daemon, over UDP.
func TestDaemon(t *testing.T) {
	forEachConfig(t, load(t), func(t *testing.T, dialect, config string, vectors []Vector) {
		dir := t.TempDir()
		o := daemon.Options{
			Config:  filepath.Join(dir, "config.data"),
			Key:     filepath.Join(dir, "hmac.key"),
			Dialect: daemon.Dialect(dialect),
			Addr:    netip.MustParseAddrPort("127.0.0.1:0"),
			Logger:  slog.New(slog.DiscardHandler),
		}
		key := readKey(t)
		if err := os.WriteFile(o.Key, key, 0o600); err != nil {
			t.Fatal(err)
		}
		if text := readConfig(t, config); text != nil {
			if err := os.WriteFile(o.Config, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		d, err := daemon.Start(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		runAll(t, Target{Addr: d.Addr().String(), Key: key, Config: o.Config}, vectors, false)
		stop()
		if err := d.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestGaneti runs the vectors of its dialect against Ganeti's own daemon: they must
// tell the truth about it.
func TestGaneti(t *testing.T) {
	program, reason := findGaneti(t)
	if reason != "" {
		if os.Getenv("CONFD_INTEROP") == "require" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	files, err := Load(vectors.Files, Dialect)
	if err != nil {
		t.Fatal(err)
	}
	forEachConfig(t, files, func(t *testing.T, _, config string, vectors []Vector) {
		d, err := StartDaemon(t.Context(), program, t.TempDir(), readKey(t), readConfig(t, config))
		if err != nil {
			t.Fatal(err)
		}
		runAll(t, d.Target, vectors, true)
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// findGaneti returns the path of Ganeti's own ganeti-confd 3.0, or why there is
// none.
func findGaneti(t *testing.T) (program, reason string) {
	t.Helper()
	program, err := exec.LookPath("ganeti-confd")
	if err != nil {
		return "", "Ganeti is not installed: " + err.Error()
	}
	version, err := exec.CommandContext(t.Context(), program, "--version").Output()
	if err != nil {
		return "", program + " --version: " + err.Error()
	}
	if !strings.HasPrefix(string(version), "ganeti-confd (ganeti) version 3.0.") {
		return "", program + " is not Ganeti's own of release 3.0"
	}
	return program, ""
}

// forEachConfig runs test, for all configurations of all dialects at the same time,
// with the vectors that need the configuration.
func forEachConfig(t *testing.T, files []File, test func(t *testing.T, dialect, config string, vectors []Vector)) {
	t.Helper()
	type daemon struct{ dialect, config string }
	byDaemon := make(map[daemon][]Vector)
	for _, file := range files {
		for _, v := range file.Vectors {
			d := daemon{file.Dialect, v.Config}
			byDaemon[d] = append(byDaemon[d], v)
		}
	}
	for d, vectors := range byDaemon {
		t.Run(d.dialect+"/"+d.config, func(t *testing.T) {
			t.Parallel()
			test(t, d.dialect, d.config, vectors)
		})
	}
}

// runAll runs vectors, some at a time. Neighbours run one after the other: a
// receive buffer does not hold many of the largest datagrams.
func runAll(t *testing.T, target Target, vectors []Vector, real bool) {
	t.Helper()
	var group sync.WaitGroup
	for part := range slices.Chunk(vectors, len(vectors)/16+1) {
		group.Go(func() {
			for _, v := range part {
				if err := target.Run(t.Context(), &v, real); err != nil {
					t.Errorf("%s: %v (%s)", v.ID, err, v.Note)
				}
			}
		})
	}
	group.Wait()
}
