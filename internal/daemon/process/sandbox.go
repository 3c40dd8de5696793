package process

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// A Sandbox says which files the process may change once it is confined.
//
// What it may read is not in it: landlock's rules hold for the directories that are
// there now, and a directory that is restored, mounted or linked in the place of one of
// them would be out of reach. The modes of files, and their owners, are not so; they go
// on saying what may be read.
type Sandbox struct {
	// Append are directories beneath which files may be made and written to, so that a
	// directory in one of them can be replaced.
	Append []string
	// Remove are directories beneath which files may be removed.
	Remove []string
}

// Rights on directories and all that is beneath them.
const (
	readFile   landlock.AccessFSSet = llsys.AccessFSReadFile
	readDir    landlock.AccessFSSet = llsys.AccessFSReadDir
	appendFile landlock.AccessFSSet = llsys.AccessFSWriteFile | llsys.AccessFSMakeReg
	removeFile landlock.AccessFSSet = llsys.AccessFSRemoveFile
)

// Enter confines the process, with all its threads and for good: no new
// privileges, no capabilities, no core dumps, which would have secrets in them, no
// changes to files but those of the Sandbox, no programs, no listing of directories,
// and no outgoing TCP connections. All that begins with the changes to files is left
// out where the kernel has no landlock. What is so already is left alone, as a service
// manager's own sandbox may refuse to have it asked for. The error says what could not
// be done; the rest has been.
//
// Root keeps one capability: to use files whatever their modes are, which without
// it would be closed to root when another user owns them.
func (s Sandbox) Enter() error {
	return errors.Join(noCores(), noNewPrivileges(), dropCapabilities(), s.restrictFiles())
}

func noCores() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("limit of core dumps: %w", err)
	}
	if limit.Max != 0 {
		if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
			return fmt.Errorf("limit of core dumps: %w", err)
		}
	}
	// The limit is not heeded where dumps are piped to a program.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbidding core dumps: %w", err)
	}
	return nil
}

func noNewPrivileges() error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	return nil
}

func dropCapabilities() error {
	have, keep := cap.GetProc(), cap.NewSet()
	permitted := func(v cap.Value) bool {
		yes, err := have.GetFlag(cap.Permitted, v)
		return yes && err == nil
	}
	var kept []cap.Value
	if os.Geteuid() == 0 && permitted(cap.DAC_OVERRIDE) {
		kept = append(kept, cap.DAC_OVERRIDE)
	}
	if permitted(cap.SETPCAP) {
		// Others cannot, and need not: the bounding set is about new privileges.
		for v := range cap.MaxBits() {
			if slices.Contains(kept, v) {
				continue
			}
			if err := cap.DropBound(v); err != nil {
				return fmt.Errorf("dropping capability %v: %w", v, err)
			}
		}
	}
	for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
		if err := keep.SetFlag(flag, true, kept...); err != nil {
			return fmt.Errorf("keeping capabilities: %w", err)
		}
	}
	if difference, err := have.Cf(keep); err == nil && difference == 0 {
		return nil
	}
	// The ambient capabilities go with the permitted ones.
	if err := keep.SetProc(); err != nil {
		return fmt.Errorf("dropping capabilities: %w", err)
	}
	return nil
}

func (s Sandbox) restrictFiles() error {
	// Newer versions of landlock also restrict UDP and local sockets, and with
	// them answering, the service manager and the system's log.
	config, err := landlock.NewConfig(landlock.V5.HandledAccessFS, landlock.AccessNetSet(llsys.AccessNetConnectTCP))
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	err = config.BestEffort().Restrict(
		landlock.PathAccess(readFile, "/"),
		landlock.PathAccess(readDir, "/proc/self"), // how many files are open
		landlock.PathAccess(appendFile, s.Append...).IgnoreIfMissing(),
		landlock.PathAccess(removeFile, s.Remove...).IgnoreIfMissing(),
	)
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}
