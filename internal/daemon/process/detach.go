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

// readyVariable tells a detached process the descriptor of the pipe on which the
// process that started it waits to hear that it is ready.
const readyVariable = "GANETI_CONFD_READY_FD"

// tellPatience is how long Tell waits.
const tellPatience = 200 * time.Millisecond

// Detach starts the program again with the same arguments, in a session of its
// own, in the root directory, with a file mode mask of 077 and without standard
// input, and waits until that process calls Ready or ends. Until then it has this
// one's standard output and error, for what keeps it from starting. The error is
// nil when it is ready, and an *exec.ExitError when it ended instead.
func Detach(args []string) error {
	// Not /proc/self/exe: the name of the process would be "exe", and those who
	// look for the daemon by its name would not find it.
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
	child.Env = append(os.Environ(), readyVariable+"=3") // the first after the standard ones
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	syscall.Umask(0o077)
	// Whoever waits for the end of a pipe that this process was given, as debconf
	// does, shall not wait for the end of the daemon. Old kernels cannot help it.
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
	return errors.New("the detached process ended before it was ready")
}

// A Launch is how the program was started by Detach; nil when it was not.
type Launch struct{ ready *os.File }

// Detached returns how Detach started the program, nil if it did not. Only the
// first call does.
func Detached() (*Launch, error) {
	text, ok := os.LookupEnv(readyVariable)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(readyVariable)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("environment variable %s: %q is no descriptor", readyVariable, text)
	}
	syscall.CloseOnExec(fd)
	return &Launch{os.NewFile(uintptr(fd), "ready")}, nil
}

// Ready lets the process that called Detach end in success.
func (l *Launch) Ready() error {
	defer l.ready.Close()
	_, err := l.ready.Write([]byte{1})
	return err
}

// Tell writes a text to standard error, say. It returns after a moment even if that
// takes nothing: a pipe that nobody reads shall not keep a process from its end.
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
