package fuzz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gntconfd/gen/wire"
	"gntconfd/internal/testing/lacking"
)

// ganeti is a running ganeti-confd of the installed Ganeti.
type ganeti struct {
	config string
	key    []byte
	conn   *net.UDPConn
	loads  int
}

// startGaneti starts Ganeti's daemon below a temporary root, or skips the test if it is not
// installed; with CONFD_INTEROP=require that is a failure.
func startGaneti(t *testing.T) *ganeti {
	binary := "/usr/sbin/ganeti-confd"
	if _, err := os.Stat(binary); err != nil {
		lacking.Skip(t, "Ganeti is not installed: %v", err)
	}
	root := t.TempDir()
	for _, dir := range []string{"var/lib/ganeti", "var/run/ganeti", "var/log/ganeti"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	g := &ganeti{config: filepath.Join(root, "var/lib/ganeti/config.data"), key: []byte("secret")}
	if err := os.WriteFile(filepath.Join(root, "var/lib/ganeti/hmac.key"), g.key, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.config, smallestCluster, 0o600); err != nil {
		t.Fatal(err)
	}
	// The daemon does not report its port, so find a free one for it.
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().(*net.UDPAddr)
	free.Close()
	command := exec.Command(binary, "-f", "--no-user-checks", "-b", "127.0.0.1", "-p", strconv.Itoa(address.Port))
	command.Env = append(os.Environ(), "GANETI_ROOTDIR="+root, "LC_ALL=C.UTF-8")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		command.Wait()
		if t.Failed() {
			t.Logf("ganeti-confd wrote:\n%s", output.Bytes()[max(0, output.Len()-4000):])
		}
	})
	if g.conn, err = net.DialUDP("udp", nil, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.conn.Close() })
	return g
}

// load makes a configuration the current one, with a unique version: a client has no other
// way to see that it was loaded.
func (g *ganeti) load(c *drawnCluster) error {
	g.loads++
	version := json.Number(strconv.Itoa(4000000 + g.loads))
	file := decode(c.file).(object)
	file["version"], c.doc["version"] = version, version
	c.file = encode(file)
	// The daemon sometimes overlooks a file until its next slow check, most often if two
	// files are similar.
	for try := range 30 {
		padded := append(bytes.Clone(c.file), bytes.Repeat([]byte(" "), g.loads+try)...)
		if err := os.WriteFile(g.config+".new", padded, 0o600); err != nil {
			return err
		}
		if err := os.Rename(g.config+".new", g.config); err != nil {
			return err
		}
		refused := ""
		for start := time.Now(); time.Since(start) < time.Second; time.Sleep(5 * time.Millisecond) {
			r, err := g.ask(question{Type: wire.RequestPing}, 500*time.Millisecond)
			if err == nil && equal(r.Answer, version) {
				return nil
			}
			refused, _ = r.Answer.(string)
		}
		if refused != "" {
			return errors.New(refused)
		}
	}
	return errors.New("not loaded within thirty seconds")
}

// ask asks once. Every question has its own rsalt, and late answers to earlier ones are
// skipped.
func (g *ganeti) ask(q question, patience time.Duration) (reply, error) {
	rsalt := strconv.FormatInt(time.Now().UnixNano(), 36)
	request := object{"protocol": 1, "type": int(q.Type), "rsalt": rsalt, "query": q.Query}
	if _, err := g.conn.Write(sign(g.key, strconv.FormatInt(time.Now().Unix(), 10), string(encode(request)))); err != nil {
		return reply{}, err
	}
	g.conn.SetReadDeadline(time.Now().Add(patience))
	buffer := make([]byte, 65536)
	for {
		n, err := g.conn.Read(buffer)
		if err != nil {
			return reply{}, err
		}
		msg, salt, err := openReply(g.key, buffer[:n])
		if err != nil {
			return reply{}, err
		}
		if salt == rsalt {
			return parseReply([]byte(msg))
		}
	}
}

func parseReply(msg []byte) (reply, error) {
	value, err := tryDecode(msg)
	if err != nil {
		return reply{}, err
	}
	o, _ := value.(object)
	status, isNumber := o["status"].(json.Number)
	serial, isNumberToo := o["serial"].(json.Number)
	code, err := status.Int64()
	if !isNumber || !isNumberToo || err != nil {
		return reply{}, fmt.Errorf("not a reply: %s", msg)
	}
	return reply{int(code), o["answer"], serial}, nil
}

// TestModelIsGaneti checks the model, which checks everything else: Ganeti's own daemon
// must give the model's answers.
func TestModelIsGaneti(t *testing.T) {
	g := startGaneti(t)
	rapid.Check(t, func(t *rapid.T) {
		c := clusters().Draw(t, "cluster")
		if err := g.load(&c); err != nil {
			t.Fatal(err)
		}
		for _, q := range questions(t, c) {
			got, err := g.ask(q, 5*time.Second)
			if err != nil {
				t.Fatalf("type %d, query %s: %v\n%s", q.Type, encode(q.Query), err, c)
			}
			compare(t, c, q, got)
		}
	})
}

// compare fails unless got is the model's answer.
func compare(t *rapid.T, c drawnCluster, q question, got reply) {
	t.Helper()
	want := model{c.doc}.answer(q.Type, q.Query)
	if got.Status != want.Status || !equal(got.Answer, want.Answer) || !equal(got.Serial, want.Serial) {
		t.Fatalf("type %d, query %s:\n got %d %s serial %s\nwant %d %s serial %s\nof %s", q.Type, encode(q.Query),
			got.Status, encode(got.Answer), got.Serial, want.Status, encode(want.Answer), want.Serial, c)
	}
}
