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

// directory is the watched directory. Only one goroutine may use it.
type directory struct {
	path string
	log  *slog.Logger

	open    func() (*fsnotify.Watcher, error)
	watcher *fsnotify.Watcher // nil without a watch
	info    fs.FileInfo       // of the directory that is watched
	alarm   alarm             // reports that there is no watch
}

// watched reports whether the directory is being watched.
func (d *directory) watched() bool { return d.watcher != nil }

// watch makes sure that the directory that now has the path is watched.
func (d *directory) watch() {
	// Stat comes first: if the directory is replaced in between, the next call notices it.
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
			d.log.Warn("cannot watch the directory, polling it instead", "directory", d.path,
				"interval", quick, "error", err)
		}
		return
	}
	if d.alarm.note(time.Now(), "") {
		d.log.Info("the directory is watched again", "directory", d.path)
	}
	d.info = info
}

// alive reports whether there is a watch and the kernel has not ended it, as it does when the
// directory is removed, renamed or unmounted.
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

// channels returns the channels of the watch, or nil channels if there is none.
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
