// Package judges finds Ganeti's own daemons that serve as reference, one per release.
package judges

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Judge is Ganeti's own ganeti-confd of one release, used as a reference.
type Judge struct {
	Release string // as in the vectors
	Program string // its path
	install string // how to install it
}

// All lists the judges, oldest first. If they differ, the last one is right.
func All() []Judge {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/nonexistent" // without a home directory there is no cache either
	}
	return []Judge{
		{"3.0.2", "/usr/sbin/ganeti-confd", "apt-get install ganeti-3.0 ganeti-haskell-3.0, on Debian 12"},
		{"3.1", filepath.Join(cache, "gntconfd/ganeti-3.1/ganeti-confd"), "bash internal/testing/interop/judges/unpack-3.1"},
	}
}

// Check runs the program to get its version. The error says how to install the right one.
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

// Args returns the arguments to run the program in the foreground.
func (j Judge) Args(host, port string) []string {
	return []string{j.Program, "-f", "--no-user-checks", "-b", host, "-p", port}
}
