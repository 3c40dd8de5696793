package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/bench"
)

// fault is something that goes wrong on a node. do causes it, waits until the daemon has
// met it, and repairs the node. Questions continue meanwhile, and so do the checks of their
// replies. The error is about this machine, or says what the daemon did not do.
type fault struct {
	name, what string
	do         func(*world) error
}

// faultTime is how long a fault lasts.
const faultTime = 1200 * time.Millisecond

var allFaults = []fault{
	{"broken-file", "the file is not a configuration for a while", func(w *world) error { return w.bad([]byte("{}")) }},
	{"cut-file", "the file is cut off", func(w *world) error { return w.bad(config(1)[:20_000]) }},
	{"empty-file", "the file is empty", func(w *world) error { return w.bad(nil) }},
	{"costly-file", "the file would be expensive to load", (*world).costly},
	{"file-gone", "the file is missing for a while", (*world).fileGone},
	{"in-place", "the file is rewritten in place, with the same size", (*world).inPlace},
	{"file-linked", "the file is a link to another directory", (*world).fileLinked},
	{"directory-restored", "the directory of the file is replaced by another one", (*world).restored},
	{"directory-anew", "the directory of the file is removed and recreated", (*world).anew},
	{"key-changed", "the cluster gets a new key", (*world).keyChanged},
	{"key-gone", "the key is missing for a while", (*world).keyGone},
	{"hangup", "the daemon gets HUP, twenty times", (*world).hangup},
	{"log-replaced", "the log directory is replaced", (*world).logReplaced},
	{"stopped", "the process is stopped for a moment", (*world).stopped},
	{"forged-flood", "ten thousand forged and broken datagrams arrive in a second", func(w *world) error { return w.flood(10_000, forged) }},
	{"hostile-flood", "five hundred datagrams arrive in a second that should be expensive", func(w *world) error { return w.flood(500, func(*rand.Rand) [][]byte { return bench.Hostile() }) }},
	{"idle-connections", "the status page has as many idle connections as allowed", (*world).idle},
	{"slow-reader", "a client requests metrics and does not read them", (*world).slowReader},
}

// choose returns the faults with the given names, or all if there are none.
func choose(names []string) ([]fault, error) {
	if len(names) == 0 {
		return slices.Clone(allFaults), nil
	}
	var chosen []fault
	for _, name := range names {
		i := slices.IndexFunc(allFaults, func(f fault) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no fault %q: --list-faults lists them", name)
		}
		chosen = append(chosen, allFaults[i])
	}
	return chosen, nil
}

// bad puts a bad file in place for a while.
func (w *world) bad(text []byte) error {
	if err := replace(w.path("lib/config.data"), text); err != nil {
		return err
	}
	time.Sleep(faultTime)
	return w.rewrite()
}

func (w *world) costly() error {
	for _, member := range []string{
		`"x":[` + strings.Repeat("1.5e61439,", 5_000) + `1]`,
		`"x":` + strings.Repeat("[", 500_000),
		`"disks":{"d":{"children":[` + strings.Repeat(`{"children":[`, 10_000),
	} {
		if err := replace(w.path("lib/config.data"), []byte(`{"version":3000000,`+member+`}`)); err != nil {
			return err
		}
		time.Sleep(faultTime / 3)
	}
	return w.rewrite()
}

func (w *world) fileGone() error {
	w.now(nil)
	if err := os.Remove(w.path("lib/config.data")); err != nil {
		return err
	}
	time.Sleep(faultTime)
	return w.rewrite()
}

func (w *world) inPlace() error {
	w.mu.Lock()
	serial := w.serial
	w.mu.Unlock()
	text := bytes.ReplaceAll(config(serial), []byte("node4.example.org"), []byte("node9.example.org"))
	if err := w.note(text); err != nil {
		return err
	}
	if err := os.WriteFile(w.path("lib/config.data"), text, 0o600); err != nil {
		return err
	}
	time.Sleep(faultTime)
	return w.rewrite()
}

func (w *world) fileLinked() error {
	elsewhere := filepath.Join(w.dir, "elsewhere")
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		return err
	}
	if err := w.put(elsewhere, config(w.next())); err != nil {
		return err
	}
	link := w.path("lib/link")
	err := errors.Join(os.Symlink(filepath.Join(elsewhere, "config.data"), link), os.Rename(link, w.path("lib/config.data")))
	time.Sleep(faultTime)
	return errors.Join(err, w.rewrite())
}

// next returns the next serial number.
func (w *world) next() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	return w.serial
}

func (w *world) restored() error {
	restored, failed := w.path("lib")+".restored", w.path("lib")+".failed"
	if err := os.Mkdir(restored, 0o755); err != nil {
		return err
	}
	if err := w.copyKey(restored); err != nil {
		return err
	}
	if err := w.put(restored, config(w.next())); err != nil {
		return err
	}
	err := errors.Join(os.Rename(w.path("lib"), failed), os.Rename(restored, w.path("lib")), os.RemoveAll(failed))
	time.Sleep(faultTime)
	return err
}

func (w *world) anew() error {
	key, err := os.ReadFile(w.path("lib/hmac.key"))
	if err != nil {
		return err
	}
	w.now(nil)
	if err := os.RemoveAll(w.path("lib")); err != nil {
		return err
	}
	time.Sleep(faultTime / 2)
	err = errors.Join(os.Mkdir(w.path("lib"), 0o755), os.WriteFile(w.path("lib/hmac.key"), key, 0o600), w.rewrite())
	time.Sleep(faultTime)
	return err
}

func (w *world) copyKey(directory string) error {
	key, err := os.ReadFile(w.path("lib/hmac.key"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, "hmac.key"), key, 0o600)
}

// keyChanged gives the cluster a new key. Clients learn it a while later.
func (w *world) keyChanged() error {
	w.key++
	key := fmt.Appendf(nil, "key %d\n", w.key)
	if err := replace(w.path("lib/hmac.key"), key); err != nil {
		return err
	}
	time.Sleep(faultTime)
	w.ring.Replace(key, time.Now())
	return nil
}

func (w *world) keyGone() error {
	key, err := os.ReadFile(w.path("lib/hmac.key"))
	if err != nil {
		return err
	}
	if err := os.Remove(w.path("lib/hmac.key")); err != nil {
		return err
	}
	time.Sleep(faultTime)
	return replace(w.path("lib/hmac.key"), key)
}

func (w *world) hangup() error {
	for range 20 {
		if err := w.daemon.Process.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		time.Sleep(faultTime / 20)
	}
	return nil
}

// logReplaced replaces the log directory with an empty one. After HUP the daemon must use
// it.
func (w *world) logReplaced() error {
	old := w.path("log") + ".old"
	if err := errors.Join(os.Rename(w.path("log"), old), os.Mkdir(w.path("log"), 0o755)); err != nil {
		return err
	}
	if err := w.daemon.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if info, err := os.Stat(w.path("log/conf-daemon.log")); err == nil && info.Size() > 0 {
			return os.RemoveAll(old)
		}
		if time.Now().After(deadline) {
			return errors.New("the daemon does not log to the new directory")
		}
	}
}

func (w *world) stopped() error {
	err := w.daemon.Process.Signal(syscall.SIGSTOP)
	time.Sleep(300 * time.Millisecond)
	return errors.Join(err, w.daemon.Process.Signal(syscall.SIGCONT))
}

// flood sends datagrams within a second.
func (w *world) flood(number int, kinds func(*rand.Rand) [][]byte) error {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(w.addr))
	if err != nil {
		return err
	}
	defer conn.Close()
	all := kinds(rand.New(rand.NewPCG(uint64(number), 0)))
	begin := time.Now()
	for i := range number {
		_, _ = conn.Write(all[i%len(all)]) // a full queue is not the daemon's fault
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(number))))
	}
	return nil
}

// forged returns datagrams that are broken, or signed with another key.
func forged(random *rand.Rand) [][]byte {
	all := [][]byte{nil, []byte("plj"), []byte("plj0"), []byte("hello"), []byte(wire.Magic + `{"msg":"{\"type\":0}","salt":"1","hmac":"` + strings.Repeat("0", 40) + `"}`)}
	for range 50 {
		noise := make([]byte, random.IntN(1_400))
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		all = append(all, append([]byte(wire.Magic), noise...))
	}
	return all
}

// idle opens connections to the status page that send nothing. The health check must work
// meanwhile.
func (w *world) idle() error {
	for range 70 {
		conn, err := net.Dial("tcp", w.web)
		if err != nil {
			return err
		}
		defer conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.web+"/-/healthy", nil)
	if err != nil {
		return err
	}
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("the health check gets no answer while there are idle connections: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the health check gets %s", resp.Status)
	}
	return nil
}

func (w *world) slowReader() error {
	conn, err := net.Dial("tcp", w.web)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	time.Sleep(faultTime)
	return nil
}
