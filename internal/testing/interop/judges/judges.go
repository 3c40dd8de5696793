// Package judges finds Ganeti's own daemons, of each release that the project is held against.
package judges

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Judge is Ganeti's own ganeti-confd of one release.
type Judge struct {
	Release string // as the vectors name it
	Program string // its path
	install string // how to get it
}

// All lists the judges, the oldest first. Where they differ the last one is right.
func All() []Judge {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/nonexistent" // without a home there is no cache either
	}
	return []Judge{
		{"3.0.2", "/usr/sbin/ganeti-confd", "apt-get install ganeti-3.0 ganeti-haskell-3.0, on Debian 12"},
		{"3.1", filepath.Join(cache, "gntconfd/ganeti-3.1/ganeti-confd"), "bash internal/testing/interop/judges/unpack-3.1"},
	}
}

// Check starts the program to ask for its version. The error says how to install the one that is
// wanted.
func (j Judge) Check() error {
	version, err := exec.Command(j.Program, "--version").Output()
	if err != nil {
		return fmt.Errorf("no ganeti-confd %s here: %w; install it: %s", j.Release, err, j.install)
	}
	if !strings.HasPrefix(string(version), "ganeti-confd (ganeti) version "+j.Release) {
		line, _, _ := strings.Cut(string(version), "\n")
		return fmt.Errorf("%s is not Ganeti's own of release %s, but %.100q; install it: %s", j.Program, j.Release, line, j.install)
	}
	return nil
}

// Args returns what the program is started with, to listen in the foreground.
func (j Judge) Args(host, port string) []string {
	return []string{j.Program, "-f", "--no-user-checks", "-b", host, "-p", port}
}
