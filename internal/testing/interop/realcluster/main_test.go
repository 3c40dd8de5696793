package realcluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// worldVar in the environment means that the test binary has started itself again, as the first
// process of the namespaces that all nodes are in.
const worldVar = "REALCLUSTER_WORLD"

// How long the test waits for something that must happen. Only failing tests wait that long.
const (
	patience  = time.Minute  // for daemons
	endurance = 8 * patience // for Ganeti's tools, which are slow on a busy machine
)

// noWorld is why there are no namespaces.
var noWorld error

func TestMain(m *testing.M) {
	if os.Getenv(worldVar) == "" {
		os.Exit(enter(m))
	}
	os.Exit(m.Run())
}

// enter runs the tests in their own namespaces and returns their exit code. Without namespaces
// it runs them here, where they are skipped. When the first process of the namespaces ends, the
// kernel ends all others.
func enter(m *testing.M) int {
	if os.Geteuid() != 0 {
		noWorld = errors.New("only root can make nodes")
		return m.Run()
	}
	runtime.LockOSThread() // the child would end with the thread
	self := exec.Command("/proc/self/exe", os.Args[1:]...)
	self.Env = append(os.Environ(), worldVar+"=1")
	self.Stdin, self.Stdout, self.Stderr = os.Stdin, os.Stdout, os.Stderr
	self.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := self.Start(); err != nil {
		noWorld = fmt.Errorf("namespaces take more privileges: %w", err)
		return m.Run()
	}
	err := self.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return self.ProcessState.ExitCode()
}
