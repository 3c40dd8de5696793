package ganeti

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// KeyMode returns the mode that a file with the cluster's key should have, given its present
// mode: whoever has the key can query the cluster and impersonate the daemon.
func KeyMode(mode fs.FileMode) fs.FileMode { return mode.Perm() &^ 0o027 }

// Redistribute is the advice about a broken file that Ganeti distributes.
const Redistribute = "gnt-cluster redist-conf on the master distributes it again"

// ExplainAccess removes the path from the error of opening a file, because callers add it, and
// adds who may open the file if access was refused.
func ExplainAccess(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS) == nil {
		return fmt.Errorf("%w: not by its mode, but by a security policy of this system", err)
	}
	me := userName(os.Geteuid())
	info, statErr := os.Stat(path)
	if statErr != nil {
		return fmt.Errorf("%w: user %s needs search permission for all directories of the path", err, me)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Errorf("%w: mode %04o, owner %s, group %s, but user %s needs read permission",
		err, info.Mode().Perm(), userName(int(st.Uid)), groupName(int(st.Gid)), me)
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid int) string {
	id := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
