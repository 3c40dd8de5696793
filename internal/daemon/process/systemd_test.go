package process

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestNotify(t *testing.T) {
	NotifyReady() // there is no manager
	next := manager(t)
	for want, notify := range map[string]func(){
		`^READY=1$`: NotifyReady,
		`^RELOADING=1\nMONOTONIC_USEC=[1-9]\d*\n$`: NotifyReloading,
		`^STOPPING=1$`:     NotifyStopping,
		`^STATUS=one two$`: func() { NotifyStatus("one\ntwo") },
	} {
		notify()
		if got := next(); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}

// TestStuckManager: a service manager that does not read does not block the process
// forever.
func TestStuckManager(t *testing.T) {
	manager(t)
	fill, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		t.Fatal(err)
	}
	defer fill.Close()
	for err == nil { // until the socket accepts no more
		fill.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, err = fill.Write(make([]byte, 1024))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		NotifyReady()
		NotifyReloading()
		NotifyStatus("loading")
		NotifyStopping()
	}()
	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Fatal("held up")
	}
}

func TestWatchdog(t *testing.T) {
	next := manager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	var stuck, asked atomic.Int64
	go func() {
		done <- FeedWatchdog(ctx, func() time.Duration {
			asked.Add(1)
			return time.Duration(stuck.Load())
		})
	}()
	for range 3 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("got %q", got)
		}
	}
	// No watchdog pings while the work makes no progress.
	stuck.Store(int64(time.Second))
	for before := asked.Load(); asked.Load() < before+2; {
		time.Sleep(time.Millisecond)
	}
	NotifyStatus("stuck")
	for next() != "STATUS=stuck" {
	}
	for before := asked.Load(); asked.Load() < before+2; {
		time.Sleep(time.Millisecond)
	}
	NotifyStatus("still")
	if got := next(); got != "STATUS=still" {
		t.Errorf("got %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNoWatchdog(t *testing.T) {
	for usec, fails := range map[string]bool{"": false, "soon": true, "-1": true} {
		t.Setenv("WATCHDOG_USEC", usec)
		err := FeedWatchdog(t.Context(), func() time.Duration { return 0 })
		if fails != (err != nil) {
			t.Errorf("WATCHDOG_USEC=%q: %v", usec, err)
		}
	}
}

// A service manager's sockets are for the process that it names, and there must be exactly
// one.
func TestInheritedSocket(t *testing.T) {
	const shell = `LISTEN_PID=$$ LISTEN_FDS=$1 exec "$0" -test.run '^TestInherit$' -test.v`
	for n, want := range []string{"socket <nil>, error <nil>", "a socket", "the service manager passes 2 sockets"} {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		file, err := conn.File()
		if err != nil {
			t.Fatal(err)
		}
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", "-c", shell, program, strconv.Itoa(n))
		cmd.ExtraFiles = []*os.File{file, file}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%d sockets: %s%v", n, out, err)
		}
		file.Close()
		conn.Close()
	}
}

// TestInherit is run by TestInheritedSocket.
func TestInherit(t *testing.T) {
	socket, err := InheritedSocket()
	if socket == nil {
		t.Logf("socket <nil>, error %v", err)
		return
	}
	conn, err := net.FilePacketConn(socket)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	socket.Close()
	t.Log("a socket")
}
