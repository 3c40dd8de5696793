package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrRunning says that another process holds the pid file.
var ErrRunning = errors.New("another process has locked it")

// A PIDFile contains the process ID while the process runs. A lock on it, which ends with
// the process in any case, distinguishes it from a stale one.
type PIDFile struct{ file *os.File }

// CreatePIDFile creates the file with mode 0600 or takes over a stale one, like
// OpenOwnFile, locks it, and writes the process ID and a newline. The error wraps
// ErrRunning if another process has locked it. The process must not open the file again:
// closing it would release the lock.
func CreatePIDFile(path string) (*PIDFile, error) {
	for {
		file, err := OpenOwnFile(path, os.O_RDWR)
		if err != nil {
			return nil, fmt.Errorf("pid file: %w", err)
		}
		err = lock(file)
		if err == nil && !current(file, path) {
			file.Close() // its previous owner has just removed it
			continue
		}
		if err == nil {
			err = fill(file, fmt.Sprintf("%d\n", os.Getpid()))
		}
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("pid file %s: %w", path, err)
		}
		return &PIDFile{file}, nil
	}
}

func lock(file *os.File) error {
	err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart})
	if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
		return err
	}
	holder := make([]byte, 20)
	n, _ := file.Read(holder)
	return fmt.Errorf("%w: process %s; stop it first", ErrRunning, strings.TrimSpace(string(holder[:n])))
}

// current reports whether the path still refers to the file.
func current(file *os.File, path string) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(held, named)
}

func fill(file *os.File, text string) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// Remove removes the file and then releases the lock.
func (p *PIDFile) Remove() error {
	defer p.file.Close()
	if err := os.Remove(p.file.Name()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // another process was faster
}
