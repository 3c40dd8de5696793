package process

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readyVariable is the environment variable with the file descriptor of the pipe on which a
// detached process reports that it is ready.
const readyVariable = "GANETI_CONFD_READY_FD"

// tellPatience is how long Tell waits.
const tellPatience = 200 * time.Millisecond

// Detach starts the program again with the same arguments, in its own session, in the root
// directory, with umask 077 and without standard input, and waits until that process calls
// Ready or exits. Until then it shares this process's standard output and error, to report
// why it cannot start. The error is nil if it is ready, and an *exec.ExitError if it
// exited.
func Detach(args []string) error {
	// Not /proc/self/exe: the process would be named "exe", and tools could not find the
	// daemon by name.
	program, err := os.Executable()
	if err != nil {
		return err
	}
	wait, ready, err := os.Pipe()
	if err != nil {
		return err
	}
	defer wait.Close()
	child := exec.Command(program, args...)
	child.Dir = "/"
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.ExtraFiles = []*os.File{ready}
	child.Env = append(os.Environ(), readyVariable+"=3") // the first one after the standard descriptors
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	syscall.Umask(0o077)
	// A caller that waits for the end of a pipe inherited by this process, like debconf,
	// must not wait for the daemon to exit. Old kernels cannot help that.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	err = child.Start()
	ready.Close()
	if err != nil {
		return err
	}
	if n, err := wait.Read(make([]byte, 1)); n == 1 {
		return nil
	} else if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := child.Wait(); err != nil {
		return err
	}
	return errors.New("the detached process exited before it was ready")
}

// A Launch is a start by Detach; nil if the program was not started by it.
type Launch struct{ ready *os.File }

// Detached returns the Launch if Detach started the program, and nil otherwise. Only the
// first call does.
func Detached() (*Launch, error) {
	text, ok := os.LookupEnv(readyVariable)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(readyVariable)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("environment variable %s: %q is not a file descriptor", readyVariable, text)
	}
	syscall.CloseOnExec(fd)
	return &Launch{os.NewFile(uintptr(fd), "ready")}, nil
}

// Ready makes Detach return successfully in the process that called it.
func (l *Launch) Ready() error {
	defer l.ready.Close()
	_, err := l.ready.Write([]byte{1})
	return err
}

// Tell writes a text, for example to standard error. It returns after a moment even if the
// text is not accepted: a pipe that nobody reads must not keep a process from exiting.
func Tell(w io.Writer, text string) {
	done := make(chan struct{})
	go func() {
		io.WriteString(w, text)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(tellPatience):
	}
}
