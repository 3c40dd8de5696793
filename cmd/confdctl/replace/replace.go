// Package replace writes files of which readers see the old or the new content, never a part.
package replace

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// File calls write with a new file in the same directory, and renames it when it is complete,
// as Ganeti does with its configuration. After an error the old file is still there.
func File(path string, mode os.FileMode, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	if err := errors.Join(write(file), file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
