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

// worldVar in the environment says that the test binary has started itself again, as the first
// process of the namespaces that all nodes are in.
const worldVar = "REALCLUSTER_WORLD"

// How long the test waits for what must happen; it is only ever used up by a failure.
const (
	patience  = time.Minute  // with daemons
	endurance = 8 * patience // with Ganeti's tools, which take their time on a busy machine
)

// noWorld says why there are no namespaces here.
var noWorld error

func TestMain(m *testing.M) {
	if os.Getenv(worldVar) == "" {
		os.Exit(enter(m))
	}
	os.Exit(m.Run())
}

// enter runs the tests in namespaces of their own, or here, where they skip, if there are none to
// be had, and returns their exit code. With the first process there the kernel ends all others.
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
