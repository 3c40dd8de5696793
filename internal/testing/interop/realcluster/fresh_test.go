package realcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"gntconfd/client"
)

const (
	promised = 100 * time.Millisecond // from the rename of a configuration to the first answer from it
	// On a slow or busy machine everything takes longer. There the test counts the older answers
	// before the new one: more than a daemon may give before it has loaded a file.
	inVain = 100
	pause  = 2 * time.Millisecond // between two questions
)

// A write is a configuration that has arrived on a node; without a serial number the file has
// been removed.
type write struct {
	serial int64
	at     time.Time // of the rename, by the file system's clock
}

// freshness records how soon a daemon answers from new configurations.
type freshness struct {
	client *client.Client
	run    func() string // identifies a run of the daemon

	mu       sync.Mutex
	writes   int
	restarts int           // writes after which the daemon was restarted; they are not timed
	over     []string      // writes that took longer than promised
	late     int           // how many of those also got too many older answers
	slowest  time.Duration // the longest of all that were timed
}

// awaited is a write that the daemon does not answer from yet.
type awaited struct {
	write
	run  string // of the daemon that got it
	vain int    // how many answers were older
}

// follow times the writes that arrive on the channel, until ctx ends.
func (f *freshness) follow(ctx context.Context) chan<- write {
	writes := make(chan write, 1000)
	go func() {
		var open []awaited
		for {
			var more <-chan time.Time
			if len(open) > 0 {
				more = time.After(pause)
			}
			select {
			case <-ctx.Done():
				return
			case w := <-writes:
				open = append(open, awaited{write: w, run: f.run()})
				if w.serial == 0 {
					open = nil
				}
			case <-more:
				if serial := serialAt(ctx, f.client); serial > 0 {
					open = f.answered(open, serial, time.Now())
				}
			}
		}
	}()
	return writes
}

// answered records that the daemon answers from a serial number, and returns the newer writes.
func (f *freshness) answered(open []awaited, serial int64, now time.Time) (newer []awaited) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range open {
		if a.serial > serial {
			a.vain++
			newer = append(newer, a)
			continue
		}
		f.writes++
		if a.run != f.run() {
			f.restarts++
			continue
		}
		took := now.Sub(a.at)
		f.slowest = max(f.slowest, took)
		if took > promised {
			f.over = append(f.over, fmt.Sprintf("serial number %d after %v and %d older answers", a.serial, took, a.vain))
			if a.vain > inVain {
				f.late++
			}
		}
	}
	return newer
}

func (f *freshness) String() string {
	return fmt.Sprintf("%d writes, slowest fresh answer after %.1f ms, %d after more than %v; not timed across restarts: %d",
		f.writes, f.slowest.Seconds()*1000, len(f.over), promised, f.restarts)
}

// sum adds up the freshness of several daemons.
func sum(daemons []*freshness) *freshness {
	all := new(freshness)
	for _, f := range daemons {
		f.mu.Lock()
		all.writes += f.writes
		all.restarts += f.restarts
		all.over = append(all.over, f.over...)
		all.late += f.late
		all.slowest = max(all.slowest, f.slowest)
		f.mu.Unlock()
	}
	return all
}

// watchWrites sends every configuration that arrives on the node to all channels, until ctx
// ends.
func (n *node) watchWrites(ctx context.Context, t *testing.T, channels ...chan<- write) {
	t.Helper()
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	if err := watcher.Add(n.path("/var/lib/ganeti")); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer watcher.Close()
		var last write
		for {
			select {
			case <-ctx.Done():
				return
			case err := <-watcher.Errors:
				t.Errorf("%s: %v", n.name, err)
			case event := <-watcher.Events:
				if filepath.Base(event.Name) != "config.data" || !event.Has(fsnotify.Create|fsnotify.Remove) {
					continue
				}
				w, err := readWrite(event.Name)
				switch {
				case errors.Is(err, io.EOF): // Ganeti first creates an empty file, and then renames another over it
				case err != nil && !errors.Is(err, fs.ErrNotExist):
					t.Errorf("%s: %v", n.name, err)
				case w != last:
					last = w
					for _, c := range channels {
						c <- w
					}
				}
			}
		}
	}()
}

// readWrite reads a renamed file; its ctime is the time of the rename.
func readWrite(path string) (write, error) {
	file, err := os.Open(path)
	if err != nil {
		return write{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return write{}, err
	}
	var config struct {
		Serial int64 `json:"serial_no"`
	}
	err = json.NewDecoder(file).Decode(&config)
	return write{config.Serial, time.Unix(info.Sys().(*syscall.Stat_t).Ctim.Unix())}, err
}
