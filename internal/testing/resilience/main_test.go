package resilience

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary runs in three roles, selected by these environment variables: go test
// starts it without any; it starts itself again as the client's host, in a network
// namespace where the tests run; and from there as the daemons.
const (
	clientVar    = "RESILIENCE_CLIENT"
	candidateVar = "RESILIENCE_CANDIDATE" // contains a setup as JSON
)

// patience is how long the tests wait for something that must happen. Only failing tests
// use it up.
const patience = 30 * time.Second

// noHosts says why namespaces are not available.
var noHosts error

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(candidateVar) != "":
		serve(os.Getenv(candidateVar))
	case os.Getenv(clientVar) != "":
		goleak.VerifyTestMain(m)
	default:
		os.Exit(enter(m))
	}
}

// enter runs the tests in their own namespace or, if there is none, here, where they skip.
// It returns their exit code.
func enter(m *testing.M) int {
	if _, noHosts = exec.LookPath("ip"); noHosts != nil {
		return m.Run()
	}
	self := exec.Command("/proc/self/exe", os.Args[1:]...)
	self.Env = append(os.Environ(), clientVar+"=1")
	self.Stdin, self.Stdout, self.Stderr = os.Stdin, os.Stdout, os.Stderr
	self.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		self.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		self.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		self.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	err := self.Start()
	if err != nil {
		noHosts = fmt.Errorf("network namespaces need more privileges: %w", err)
		return m.Run()
	}
	err = self.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return self.ProcessState.ExitCode()
}
