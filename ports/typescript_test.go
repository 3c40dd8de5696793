package ports

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gntconfd/internal/testing/lacking"
)

// TestTypeScript compiles, tests and packs the library, and then asks using only the package.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	need(t, "node", "nodejs")
	need(t, "npm", "npm")
	source := copied(t, "typescript")
	for _, made := range []string{"node_modules", "dist"} {
		if err := os.RemoveAll(filepath.Join(source, made)); err != nil {
			t.Fatal(err)
		}
	}
	fetch := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
	fetch.Dir = source
	if out, err := fetch.CombinedOutput(); err != nil {
		lacking.Skip(t, "the TypeScript compiler cannot be fetched: %v\n%s", err, out)
	}
	run(t, source, "env", "CONFD_VECTORS="+absolute(t, "../spec/vectors"), "npm", "test")
	run(t, source, "npm", "pack")

	user := t.TempDir()
	installed := filepath.Join(user, "node_modules", "gntconfd")
	if err := os.MkdirAll(installed, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, user, "tar", "-xzf", glob(t, filepath.Join(source, "gntconfd-*.tgz"))[0], "-C", installed, "--strip-components=1")
	for _, program := range []string{"test/adapter", "test/live", "test/readers", "examples/drbd"} {
		run(t, user, "cp", filepath.Join(source, program+".js"), filepath.Base(program)+".mjs")
	}
	t.Run("scenarios", func(t *testing.T) { scenarios(t, "node", filepath.Join(user, "adapter.mjs")) })
	t.Run("readers", func(t *testing.T) { readers(t, "node", filepath.Join(user, "readers.mjs")) })
	t.Run("example", func(t *testing.T) { drbd(t, "node", filepath.Join(user, "drbd.mjs")) })
	t.Run("live", func(t *testing.T) { live(t, "node", filepath.Join(user, "live.mjs")) })
}
