package reload

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"gntconfd/internal/sample"
)

// counting is a Memory that counts its calls.
type counting struct{ relaxed, done, tightened atomic.Int32 }

func (c *counting) Relax() func() { c.relaxed.Add(1); return func() { c.done.Add(1) } }
func (c *counting) Tighten()      { c.tightened.Add(1) }

// The hooks for memory are called before and after each load.
func TestMemory(t *testing.T) {
	dir := t.TempDir()
	config, key := filepath.Join(dir, "config.data"), filepath.Join(dir, "hmac.key")
	for path, text := range map[string][]byte{config: sample.Config, key: sample.Key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var memory counting
	r, err := Start(t.Context(), Options{ConfigPath: config, KeyPath: key, Memory: &memory})
	if err != nil {
		t.Fatal(err)
	}
	if r.State().Snapshot == nil {
		t.Fatalf("not loaded: %v", r.State().Err)
	}
	if relaxed, done, tightened := memory.relaxed.Load(), memory.done.Load(), memory.tightened.Load(); relaxed == 0 || relaxed != done || tightened == 0 {
		t.Errorf("relaxed %d times and %d ended, tightened %d times", relaxed, done, tightened)
	}
}
