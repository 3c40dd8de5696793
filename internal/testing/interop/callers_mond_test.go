package interop

import (
	"bufio"
	"gntconfd/internal/testing/written"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	mond     = "/usr/sbin/ganeti-mond"
	mondAddr = "127.0.0.1:1815"
)

// TestMond reads the reports of Ganeti's monitoring daemon. It gets from the confd daemon
// which collectors are active and how often they collect, and to which instance a volume, a
// minor or a hypervisor domain belongs.
func TestMond(t *testing.T) {
	need(t, genuine.path, mond)
	collectors := object{}
	for _, load := range []string{"cpu-avg-load", "xen-cpu-avg-load"} { // these are never the same twice
		collectors[load] = object{"active": false, "interval": 5000000}
	}
	config := production()
	member(config, "cluster")["data_collectors"] = collectors
	reports := sameBeside(t, encode(t, config), func(t *testing.T, d *daemon) string {
		startMond(t, d)
		const active = `[["diskstats","storage",0],["drbd","storage",1],["inst-status-xen","instance",1],["lv","storage",0]]`
		for deadline := time.Now().Add(patience); get(t, "/1/list/collectors") != active; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("collectors are %s instead of %s", get(t, "/1/list/collectors"), active)
			}
		}
		var all strings.Builder
		for _, path := range []string{"/1/report/all", "/1/report/storage/drbd", "/1/report/storage/lv", "/1/report/instance/inst-status-xen"} {
			all.WriteString(path + "\n" + get(t, path) + "\n")
		}
		return all.String()
	})
	for part, print := range map[string]string{
		"drbd":            `"outOfSync":0},"instance":"web0.example.com"}`,
		"lv":              `"devices":"/dev/vdb(0)","instance":"web1.example.com"}`,
		"inst-status-xen": `"name":"web1.example.com","uuid":"uuid-inst-1","adminState":"up"`,
	} {
		if n := strings.Count(reports, print); n != 2 {
			t.Errorf("the report of %s is there %d times, not in all reports and alone:\n%s", part, n, reports)
		}
	}
}

// startMond runs Ganeti's monitoring daemon with a prepared /proc, and waits until it
// listens. It stops at the end of the test.
func startMond(t *testing.T, d *daemon) {
	t.Helper()
	proc := t.TempDir()
	if err := os.CopyFS(proc, os.DirFS("testdata/proc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(proc, "sys"), 0o755); err != nil { // it reads random numbers from there
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `mount --bind /proc/sys "$1/sys" && mount --rbind "$1" /proc && shift && exec "$@"`, "sh",
		proc, mond, "-f", "--no-user-checks", "-b", "127.0.0.1")
	cmd.Env = clientEnviron(t, d)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	launch(t, cmd, new(written.Buffer), func() bool {
		conn, err := net.Dial("tcp", mondAddr)
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			return false
		}
		conn.Close()
		return true
	})
}

// get requests a page from the monitoring daemon. It dials by itself, because http.Get
// would dial from outside the test's network.
func get(t *testing.T, path string) string {
	t.Helper()
	conn, err := net.Dial("tcp", mondAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	request, err := http.NewRequest(http.MethodGet, "http://"+mondAddr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", path, response.Status, body)
	}
	return string(body)
}
