package process

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	if err := os.WriteFile(path, []byte("4567 of long ago\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pid, err := CreatePIDFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("it contains %q, %v", data, err)
	}
	if err := pid.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after its removal: %v", err)
	}
}

func TestPIDFileIsLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	holder := helper(t, "pidfile", path)
	_, err := CreatePIDFile(path)
	if !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), "process "+strconv.Itoa(holder.Process.Pid)) {
		t.Errorf("while another process holds it: %v", err)
	}
	// That process is killed, and leaves its file behind.
	holder.Process.Kill()
	holder.Wait()
	pid, err := CreatePIDFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := pid.Remove(); err != nil {
		t.Error(err)
	}
}

func TestPIDFileErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "x.pid")
	if _, err := CreatePIDFile(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("without a directory: %v", err)
	}
}
