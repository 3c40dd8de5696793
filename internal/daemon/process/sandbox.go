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

// A Sandbox says which files the process may change inside it.
//
// It does not restrict reading: landlock rules apply to the directories that exist now, and
// a directory that is restored, mounted or linked in place of one of them would be out of
// reach. File modes and owners still restrict reading.
type Sandbox struct {
	// Append are directories beneath which files may be created and written, so that a
	// directory in one of them can be replaced.
	Append []string
	// Remove are directories beneath which files may be removed.
	Remove []string
}

// Rights on directories and everything beneath them.
const (
	readFile   landlock.AccessFSSet = llsys.AccessFSReadFile
	readDir    landlock.AccessFSSet = llsys.AccessFSReadDir
	appendFile landlock.AccessFSSet = llsys.AccessFSWriteFile | llsys.AccessFSMakeReg
	removeFile landlock.AccessFSSet = llsys.AccessFSRemoveFile
)

// Enter sandboxes the process with all its threads, irrevocably: no new privileges, no
// capabilities, no core dumps, which would contain secrets, no changes to files except
// those in the Sandbox, no running of programs, no listing of directories, and no outgoing
// TCP connections. The last four need landlock and are skipped if the kernel does not have
// it. Restrictions that already apply are left alone, because a service manager's sandbox
// may forbid the system calls. The error says what failed; everything else is done.
//
// Root keeps one capability, DAC_OVERRIDE: without it root could not use files of other
// users whatever their modes.
func (s Sandbox) Enter() error {
	return errors.Join(noCores(), noNewPrivileges(), dropCapabilities(), s.restrictFiles())
}

func noCores() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("core dump limit: %w", err)
	}
	if limit.Max != 0 {
		if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
			return fmt.Errorf("core dump limit: %w", err)
		}
	}
	// The limit is ignored if dumps are piped to a program.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("disabling core dumps: %w", err)
	}
	return nil
}

func noNewPrivileges() error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
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
		// Other processes cannot, and need not: the bounding set is about new privileges.
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
	// Dropping the permitted capabilities drops the ambient ones.
	if err := keep.SetProc(); err != nil {
		return fmt.Errorf("dropping capabilities: %w", err)
	}
	return nil
}

func (s Sandbox) restrictFiles() error {
	// Newer versions of landlock also restrict UDP and local sockets, and thus answering,
	// systemd notifications and syslog.
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
