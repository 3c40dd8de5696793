package reload

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"gntconfd/internal/ganeti"

	"github.com/fsnotify/fsnotify"
)

// directory is the watched directory. It belongs to one goroutine.
type directory struct {
	path string
	log  *slog.Logger

	open    func() (*fsnotify.Watcher, error)
	watcher *fsnotify.Watcher // nil when there is no watch
	info    fs.FileInfo       // of what had the path's name when it was watched
	alarm   alarm             // that there is no watch
}

// watched reports whether changes in the directory will be told.
func (d *directory) watched() bool { return d.watcher != nil }

// watch sees to it that the directory is watched that has the name now.
func (d *directory) watch() {
	// Stat goes first: should the directory be replaced in between, the next
	// call finds that the watched one is another.
	info, err := os.Stat(d.path)
	if err == nil && d.alive() && os.SameFile(info, d.info) {
		return
	}
	d.close()
	if err == nil {
		d.watcher, err = d.begin()
	}
	if err != nil {
		err = ganeti.ExplainAccess(d.path, err)
		now := time.Now()
		d.alarm.note(now, err.Error())
		if d.alarm.ring(now) {
			d.log.Warn("the directory cannot be watched, it is polled", "directory", d.path,
				"interval", quick, "error", err)
		}
		return
	}
	if d.alarm.note(time.Now(), "") {
		d.log.Info("the directory is watched again", "directory", d.path)
	}
	d.info = info
}

// alive reports whether there is a watch that the kernel has not ended, as it
// does when the directory is removed, renamed or unmounted.
func (d *directory) alive() bool { return d.watcher != nil && len(d.watcher.WatchList()) > 0 }

func (d *directory) begin() (*fsnotify.Watcher, error) {
	w, err := d.open()
	if errors.Is(err, syscall.EMFILE) {
		return nil, fmt.Errorf("%w: see sysctl fs.inotify.max_user_instances and the limit of open files", err)
	} else if err != nil {
		return nil, err
	}
	if err := w.Add(d.path); err != nil {
		w.Close()
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: see sysctl fs.inotify.max_user_watches", err)
		}
		return nil, err
	}
	return w, nil
}

// channels returns where the watch reports; nil channels when there is none.
func (d *directory) channels() (<-chan fsnotify.Event, <-chan error) {
	if d.watcher == nil {
		return nil, nil
	}
	return d.watcher.Events, d.watcher.Errors
}

func (d *directory) close() {
	if d.watcher != nil {
		d.watcher.Close()
		d.watcher = nil
	}
}
