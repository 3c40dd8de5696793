package daemon

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// logFile is a file that lines are added to and that can be opened anew.
type logFile struct {
	path string

	mutex  sync.Mutex
	file   *os.File
	output bool // whether standard output and error go to the file
}

// Write adds to the file.
func (l *logFile) Write(data []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.file.Write(data)
}

// reopen opens the file that has the path now, and makes it if there is none.
func (l *logFile) reopen() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	file, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file = file
	return l.redirect()
}

func (l *logFile) takeOutput() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.output = true
	return l.redirect()
}

func (l *logFile) redirect() error {
	if !l.output {
		return nil
	}
	return redirect(l.file, 1, 2)
}

// redirect makes descriptors of the process lead to a file.
func redirect(file *os.File, descriptors ...int) error {
	for _, fd := range descriptors {
		if err := syscall.Dup3(int(file.Fd()), fd, 0); err != nil {
			return fmt.Errorf("redirecting descriptor %d to %s: %w", fd, file.Name(), err)
		}
	}
	return nil
}
