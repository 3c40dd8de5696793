package interop

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gntconfd/internal/testing/interop/judges"
	"gntconfd/internal/testing/lacking"
)

var (
	clusters = flag.Int("clusters", 4, "how many random clusters to compare the daemons on")
	seed     = flag.Uint64("seed", 1, "the seed of the first random cluster; the following ones count up")
)

// A program is a confd daemon that the tests can start.
type program struct {
	name string
	path string
	// latin1 means that the program sends only the low byte of each character, like the
	// real daemon.
	latin1 bool
}

var (
	// genuine is the daemon of the release whose clients are installed.
	genuine = program{name: "genuine", path: judges.All()[0].Program, latin1: true}
	ours    = program{name: "ours"} // path is set by TestMain
)

// besideEach runs a test for the real daemon of each release.
func besideEach(t *testing.T, test func(t *testing.T, genuine program)) {
	t.Helper()
	for _, judge := range judges.All() {
		t.Run(judge.Release, func(t *testing.T) {
			if err := judge.Check(); err != nil {
				lacking.Skip(t, "%v", err)
			}
			test(t, program{name: "genuine " + judge.Release, path: judge.Program, latin1: true})
		})
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if path := os.Getenv("CONFD_INTEROP_DAEMON"); path != "" {
		ours.path, ours.latin1 = path, path == genuine.path
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// The program's name is part of the contract: process lists and init scripts look for
	// it.
	ours.path = filepath.Join(dir, "ganeti-confd")
	if out, err := exec.Command("go", "build", "-o", ours.path, "gntconfd/cmd/ganeti-confd").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the daemon: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// need skips the test if one of the files, parts of Ganeti, is not installed, or fails it
// with CONFD_INTEROP=require.
func need(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			lacking.Skip(t, "Ganeti is not installed here: %v", err)
		}
	}
}
