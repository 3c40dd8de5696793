package interop

import (
	"errors"
	"runtime"
	"syscall"
	"testing"

	"gntconfd/internal/testing/lacking"

	"golang.org/x/sys/unix"
)

// isolate gives the test its own network and host name, where it may use the protocol's
// port: some of Ganeti's tools cannot be configured otherwise. Everything that the test
// starts and dials from now on is in there. The test's thread is not reused afterwards.
func isolate(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the runtime ends the thread with the test's goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWUTS); errors.Is(err, syscall.EPERM) {
		lacking.Skip(t, "a network of its own takes more privileges: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	loopback.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, loopback); err != nil {
		t.Fatal(err)
	}
}
