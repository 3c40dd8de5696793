package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// OpenOwnFile opens a file for the daemon to write, and creates it with mode 0600 if it is
// missing. It must be a regular file: opening or writing a named pipe could block forever.
// If anyone but root and the daemon's user can write to the directory, as in Ganeti's
// shared ones, the path must not be a symbolic link: others could use it to make the daemon
// write to any file that it may write to. Links further up the path are followed. The error
// says what to do.
func OpenOwnFile(path string, flags int) (*os.File, error) {
	directory, name := filepath.Split(path)
	if directory == "" {
		directory = "."
	}
	dir, err := unix.Open(directory, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(dir)
	shared, err := sharedDirectory(dir)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: directory, Err: err}
	}
	// Without O_NONBLOCK opening a named pipe waits for somebody at the other end.
	flags |= unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK
	if shared {
		flags |= unix.O_NOFOLLOW
	}
	var fd int
	for {
		if fd, err = unix.Openat(dir, name, flags, 0o600); err != unix.EINTR {
			break
		}
	}
	switch {
	case shared && errors.Is(err, unix.ELOOP):
		return nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("a symbolic link in a directory that others can write "+
			"is not followed: replace it by a file, or make the directory a link (%w)", err)}
	case errors.Is(err, unix.ENXIO):
		return nil, &fs.PathError{Op: "open", Path: path, Err: errIrregular}
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var stat unix.Stat_t
	if err = unix.Fstat(fd, &stat); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errIrregular
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// errIrregular means that the path is not a regular file.
var errIrregular = errors.New("it is a pipe, a device or a socket, not a regular file: remove it")

// sharedDirectory reports whether anyone but root and the user of this process can write to
// a directory.
func sharedDirectory(dir int) (bool, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(dir, &stat); err != nil {
		return false, err
	}
	ours := stat.Uid == 0 || stat.Uid == uint32(os.Geteuid())
	return !ours || stat.Mode&0o022 != 0, nil
}
