package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gntconfd/internal/testing/lacking"

	"golang.org/x/sys/unix"
)

// A link in place of a file is followed only if nobody else could have made it, and
// anything but a regular file is refused without blocking.
func TestOpenOwnFile(t *testing.T) {
	for name, test := range map[string]struct {
		mode os.FileMode // the mode of the directory
		make func(path string) error
		says string
	}{
		"nothing there":         {0o775, func(string) error { return nil }, ""},
		"file":                  {0o775, func(path string) error { return os.WriteFile(path, nil, 0o600) }, ""},
		"link, own directory":   {0o755, func(path string) error { return os.Symlink(path+".target", path) }, ""},
		"link, group may write": {0o775, func(path string) error { return os.Symlink(path+".target", path) }, "replace it by a file"},
		"link, all may write":   {0o777, func(path string) error { return os.Symlink(path+".target", path) }, "replace it by a file"},
		"link, sticky":          {0o777 | os.ModeSticky, func(path string) error { return os.Symlink(path+".target", path) }, "replace it by a file"},
		"link to a device":      {0o755, func(path string) error { return os.Symlink(os.DevNull, path) }, "not a regular file"},
		"named pipe":            {0o755, func(path string) error { return unix.Mkfifo(path, 0o600) }, "not a regular file"},
		"named pipe, all may":   {0o777, func(path string) error { return unix.Mkfifo(path, 0o600) }, "not a regular file"},
		"directory":             {0o755, func(path string) error { return os.Mkdir(path, 0o700) }, "is a directory"},
		"directory that is a link": {0o775, func(path string) error {
			dir := filepath.Dir(path)
			if err := os.Rename(dir, dir+".real"); err != nil {
				return err
			}
			return os.Symlink(dir+".real", dir)
		}, ""},
	} {
		path := filepath.Join(t.TempDir(), "dir", "file")
		if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(path), test.mode); err != nil {
			t.Fatal(err)
		}
		if err := test.make(path); err != nil {
			t.Fatal(err)
		}
		// A pid file is opened for reading and writing, which a named pipe allows.
		for _, flags := range []int{os.O_WRONLY | os.O_APPEND, os.O_RDWR} {
			file, err := OpenOwnFile(path, flags)
			switch {
			case err == nil:
				file.Close()
				if test.says != "" {
					t.Errorf("%s: opened", name)
				}
			case test.says == "" || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), test.says):
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A directory of another user counts as writable for others, whatever its mode.
func TestOpenOwnFileForeignDirectory(t *testing.T) {
	if os.Getuid() != 0 {
		lacking.Skip(t, "only root can give a directory away")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.Symlink(path+".target", path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOwnFile(path, os.O_RDWR); err == nil || !strings.Contains(err.Error(), "replace it by a file") {
		t.Errorf("error %v", err)
	}
	if _, err := CreatePIDFile(path); err == nil {
		t.Error("a pid file is a link")
	}
}
