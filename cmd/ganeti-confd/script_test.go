package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"gntconfd/internal/daemon/process"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/sample"
	"gntconfd/internal/udp"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ganeti-confd": main,
	})
}

// TestScripts runs the scripts in testdata/script. Each has its own root directory with a
// node's files, except for the configuration, which is next to it, and a free port in
// $PORT.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GANETI_ROOTDIR", env.WorkDir)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise the race detector delays the exit by a second
			env.Setenv("PORT", freePort(t))
			for _, dir := range []string{"var/lib/ganeti", "var/log/ganeti", "var/run/ganeti"} {
				if err := os.MkdirAll(filepath.Join(env.WorkDir, dir), 0o755); err != nil {
					return err
				}
			}
			for name, data := range map[string][]byte{
				"var/lib/ganeti/hmac.key": sample.Key,
				"sample":                  sample.Config,
			} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), data, 0o600); err != nil {
					return err
				}
			}
			env.Defer(func() {
				if pid, err := pidOf(filepath.Join(env.WorkDir, pidFile)); err == nil {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			})
			return nil
		},
		Condition: func(condition string) (bool, error) {
			switch condition {
			case "landlock":
				_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
				return errno == 0, nil
			case "ipv6":
				_, err := os.Stat("/proc/net/if_inet6")
				return err == nil, nil
			case "root":
				return os.Getuid() == 0, nil
			case "user":
				_, err := user.Lookup(ganeti.User)
				return err == nil, nil
			case "gnt-confd":
				return process.CheckUser("", ganeti.User) == nil, nil
			}
			return false, fmt.Errorf("no such condition: %s", condition)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":     await,
			"detached":  detached,
			"signal":    sendSignal,
			"terminate": terminate,
		},
	})
}

// await FILE TEXT waits until a file contains a text.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if data, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(data), args[1]) {
			return
		}
	}
	ts.Fatalf("%s does not contain %q", args[0], args[1])
}

// pidFile is the path of the daemon's pid file in a script's root directory.
const pidFile = "var/run/ganeti/ganeti-confd.pid"

func pidOf(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	line, ok := strings.CutSuffix(string(data), "\n")
	if !ok {
		return 0, fmt.Errorf("%s has no newline: %q", path, data)
	}
	return strconv.Atoi(line)
}

func daemonPID(ts *testscript.TestScript) int {
	pid, err := pidOf(ts.MkAbs(pidFile))
	ts.Check(err)
	return pid
}

// detached checks that tools can find the process of the pid file by name, and that it has
// detached.
func detached(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: detached")
	}
	pid := daemonPID(ts)
	proc := fmt.Sprintf("/proc/%d", pid)
	status, err := os.ReadFile(proc + "/status")
	ts.Check(err)
	got := make(map[string]string)
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		got[name] = strings.TrimSpace(value)
	}
	for name, fd := range map[string]string{"cwd": "cwd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		got[name], err = os.Readlink(filepath.Join(proc, fd))
		ts.Check(err)
	}
	session, err := unix.Getsid(pid)
	ts.Check(err)
	got["session"] = strconv.Itoa(session)
	info, err := os.Stat(ts.MkAbs(pidFile))
	ts.Check(err)
	got["pid file"] = info.Mode().String()
	log := ts.MkAbs("var/log/ganeti/conf-daemon.log")
	for name, want := range map[string]string{
		"Name": "ganeti-confd", "Umask": "0077", "NoNewPrivs": "1", "session": strconv.Itoa(pid),
		"cwd": "/", "stdin": os.DevNull, "stdout": log, "stderr": log, "pid file": "-rw-------",
	} {
		if got[name] != want {
			ts.Fatalf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// signal NAME... sends signals to the process of the pid file.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		number := unix.SignalNum("SIG" + name)
		if neg || number == 0 {
			ts.Fatalf("usage: signal NAME...")
		}
		ts.Check(syscall.Kill(daemonPID(ts), number))
	}
}

// terminate NAME sends a signal to the process of the pid file and waits until it
// has ended.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	pid := daemonPID(ts)
	sendSignal(ts, neg, args)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	ts.Fatalf("process %d still runs", pid)
}

func freePort(t *testing.T) string {
	addr, err := udp.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(addr.Port()))
}
