package process

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// TestMain lets the test program play the processes that the tests need.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		if play, ok := helpers[os.Args[1]]; ok {
			if err := play(os.Args[2]); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println("done")
			time.Sleep(time.Hour)
		}
	}
	goleak.VerifyTestMain(m)
}

var helpers = map[string]func(argument string) error{
	"pidfile": func(path string) error {
		_, err := CreatePIDFile(path)
		return err
	},
	"sandbox": confined,
}

// helper runs a helper process until the end of the test, and returns when it is ready.
func helper(t *testing.T, name, argument string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, name, argument)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "done" {
		t.Error(lines.Text())
	}
	return cmd
}

// confined enters a sandbox and tries what is allowed there and what is not.
func confined(root string) error {
	path := func(names ...string) string { return filepath.Join(append([]string{root}, names...)...) }
	box := Sandbox{
		Append: []string{path("log"), path("missing")},
		Remove: []string{path("run")},
	}
	if err := box.Enter(); err != nil {
		return err
	}
	var errs []error
	expect := func(what string, err error, allowed bool) {
		if allowed != (err == nil) {
			errs = append(errs, fmt.Errorf("%s: %v", what, err))
		}
	}
	read := func(path string) error { _, err := os.ReadFile(path); return err }
	add := func(path string) error {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err == nil {
			err = file.Close()
		}
		return err
	}
	closed := landlocked()
	list := func(path string) error { _, err := os.ReadDir(path); return err }
	expect("reading", read(path("config", "a")), true)
	expect("making a log file", add(path("log", "new")), true)
	expect("making one in a directory of it", add(path("log", "dir", "new")), true)
	expect("adding to a log file", add(path("log", "dir", "a")), true)
	expect("removing", os.Remove(path("run", "dir", "a")), true)
	expect("counting open files", list("/proc/self/fd"), true)
	expect("listing a directory", list(path("config")), !closed)
	expect("making a directory", os.Mkdir(path("log", "b"), 0o700), !closed)
	expect("making a link", os.Symlink("/", path("log", "c")), !closed)
	expect("emptying a log file", os.Truncate(path("log", "dir", "a"), 0), !closed)
	expect("adding to the configuration", add(path("config", "a")), !closed)
	expect("making a file beside it", add(path("config", "b")), !closed)
	expect("removing a log file", os.Remove(path("log", "dir", "a")), !closed)
	expect("making a file to be removed", add(path("run", "b")), !closed)
	expect("running a program", exec.Command("/bin/true").Run(), !closed)

	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if dumpable != 0 || err != nil {
		errs = append(errs, fmt.Errorf("dumpable: %d, %v", dumpable, err))
	}
	return errors.Join(errs...)
}

func landlocked() bool {
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0
}

func TestSandbox(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"config/a", "log/dir/a", "run/dir/a"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	confined := helper(t, "sandbox", root)
	// Each thread has its own.
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", confined.Process.Pid))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %v, %v", threads, err)
	}
	keeps := "0000000000000000"
	if os.Geteuid() == 0 {
		keeps = fmt.Sprintf("%016x", 1<<unix.CAP_DAC_OVERRIDE)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			continue // the thread has exited
		}
		for name, want := range map[string]string{"NoNewPrivs": "1", "CapPrm": keeps, "CapEff": keeps,
			"CapInh": "0000000000000000", "CapAmb": "0000000000000000"} {
			if !strings.Contains(string(status), name+":\t"+want+"\n") {
				t.Errorf("%s: %s is not %s:\n%s", thread, name, want, status)
			}
		}
	}
}

// manager is a socket on which a service manager listens.
func manager(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		message := make([]byte, 4096)
		n, err := conn.Read(message)
		if err != nil {
			t.Fatal(err)
		}
		return string(message[:n])
	}
}
