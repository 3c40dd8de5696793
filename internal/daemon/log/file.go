package log

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"gntconfd/internal/daemon/process"
)

// logFile is a file that lines are appended to and that can be reopened. Once its sink
// runs, only the sink uses it.
type logFile struct {
	path   string
	file   *os.File
	output bool // whether standard output and error go to the file
}

// Write appends to the file.
func (l *logFile) Write(data []byte) (int, error) { return l.file.Write(data) }

// openPatience is how long startup waits for the log file to be opened: on a hanging device
// that takes forever.
const openPatience = 5 * time.Second

// openWithin is reopen with a timeout.
func (l *logFile) openWithin(patience time.Duration) error {
	done := make(chan error, 1)
	go func() { done <- l.reopen() }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%s cannot be opened within %v: check whether its device hangs, or use --syslog=only", l.path, patience)
	}
}

// reopen opens the file that is at the path now, and creates it if it is missing.
func (l *logFile) reopen() error {
	file, err := process.OpenOwnFile(l.path, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file = file
	return l.redirect()
}

func (l *logFile) takeOutput() error {
	l.output = true
	return l.redirect()
}

func (l *logFile) redirect() error {
	if !l.output {
		return nil
	}
	return redirect(l.file, 1, 2)
}

// redirect makes file descriptors of the process refer to a file.
func redirect(file *os.File, descriptors ...int) error {
	for _, fd := range descriptors {
		if err := syscall.Dup3(int(file.Fd()), fd, 0); err != nil {
			return fmt.Errorf("redirecting descriptor %d to %s: %w", fd, file.Name(), err)
		}
	}
	return nil
}
