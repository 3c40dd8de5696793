// Package reload decides when the cluster's configuration file and its key file
// are read, and keeps the last good snapshot of the configuration.
//
// The directory of the files is watched, not the files, which Ganeti replaces
// by renaming. A change is left to settle for some milliseconds and then read;
// while changes keep coming the configuration is loaded once a second, and the
// last change is always read. Where no watch can tell of a change (a symbolic
// link's target elsewhere, a hard link, a network file system, a queue that ran
// over) a slow poll finds it by comparing device, inode, size and times. Where
// there is no watch at all, for want of a directory or of inotify instances, the
// poll is quicker.
//
// All reading and loading is done in one goroutine of its own: those who use
// the snapshot never wait for it.
package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

const (
	quiet    = 10 * time.Millisecond  // how long a change is left to settle
	arrived  = 2 * time.Millisecond   // the same for a new file: mostly it was renamed and is complete
	patience = 40 * time.Millisecond  // how long the first of several changes waits
	quick    = 250 * time.Millisecond // from poll to poll where there is no watch

	maxKeySize    = 64 << 10
	maxConfigSize = 1 << 30
)

// State is what there is to serve and how it came about. It is never changed
// once it has been handed out.
type State struct {
	// Snapshot is the last good configuration. It is nil while the file is
	// gone, which means that this node is no master candidate any more, and
	// until a file has been loaded for the first time since.
	Snapshot *cluster.Snapshot
	// Problem is the text for those who ask while Snapshot is nil.
	Problem string
	// Err tells why the file as it is now is not in service, and is nil when it
	// is. It wraps fs.ErrNotExist when the file is gone.
	Err error

	Size     int           // Snapshot's size as a file, in bytes
	LoadedAt time.Time     // when Snapshot was loaded
	LoadTime time.Duration // how long that took

	// Loads counts the snapshots made, and Failures the contents that were
	// refused and the kinds of errors in reading that were met, a lasting
	// failure once.
	Loads, Failures uint64
}

// Options say what is read and who is told. The hooks are called one at a time,
// first by Start and then by the reloader's goroutine, and delay the next look.
type Options struct {
	ConfigPath string // the configuration file, config.data
	// KeyPath is the file with the HMAC key, hmac.key. Outside ConfigPath's
	// directory only the poll sees its changes.
	KeyPath string

	OnConfig func(State)  // called for every new State, before it is returned by Reloader.State
	OnKey    func([]byte) // called with every new key: all bytes of the file, at least one
	Logger   *slog.Logger // nil logs nothing
}

// Reloader keeps up with the files. Its methods are safe for concurrent use.
type Reloader struct {
	key, config file
	onKey       func([]byte)
	onConfig    func(State)
	load        func(ctx context.Context, former *cluster.Snapshot, text io.ReadSeeker) (*cluster.Snapshot, error)
	log         *slog.Logger

	dir   directory
	pace  pace
	poll  time.Duration // from poll to poll where the directory is watched
	state atomic.Pointer[State]

	forced chan chan struct{}
	done   chan struct{}
}

// Start reads both files, calls the hooks, and goes on to follow the files in a
// goroutine until ctx ends. A configuration that is missing or broken is a
// State; a key file that is missing, unreadable, empty, larger than 64 KiB or
// not a regular file is an error, and then nothing has been started or called.
func Start(ctx context.Context, o Options) (*Reloader, error) {
	r := newReloader(o)
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func newReloader(o Options) *Reloader {
	r := &Reloader{
		key:      file{path: filepath.Clean(o.KeyPath), limit: maxKeySize},
		config:   file{path: filepath.Clean(o.ConfigPath), limit: maxConfigSize},
		onKey:    o.OnKey,
		onConfig: o.OnConfig,
		load:     load,
		log:      o.Logger,
		pace:     pace{patience: patience, pause: wire.ReloadInterval * time.Second},
		poll:     wire.PollInterval * time.Second,
		forced:   make(chan chan struct{}),
		done:     make(chan struct{}),
	}
	if r.onKey == nil {
		r.onKey = func([]byte) {}
	}
	if r.onConfig == nil {
		r.onConfig = func(State) {}
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.dir = directory{path: filepath.Dir(r.config.path), log: r.log, open: fsnotify.NewWatcher}
	r.state.Store(new(State))
	return r
}

func (r *Reloader) start(ctx context.Context) error {
	r.dir.watch()
	if err := r.lookAtKey(true); err != nil {
		r.dir.close()
		return err
	}
	r.lookAtConfig(true)
	r.pace.rested = time.Time{} // the first load delays no later one
	r.looked()
	go r.run(ctx)
	return nil
}

// State returns the present state.
func (r *Reloader) State() State { return *r.state.Load() }

// Reload has the files looked at now, whatever the watch and the clock say, and
// returns when that is done or the reloader has ended.
func (r *Reloader) Reload() {
	looked := make(chan struct{})
	select {
	case r.forced <- looked:
	case <-r.done:
		return
	}
	select {
	case <-looked:
	case <-r.done:
	}
}

// Wait returns when the reloader has ended, after its context has. A load that
// is under way is finished first.
func (r *Reloader) Wait() { <-r.done }

func (r *Reloader) run(ctx context.Context) {
	defer close(r.done)
	defer r.dir.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(r.pace.next()))
		events, failures := r.dir.channels()
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			switch filepath.Clean(event.Name) {
			case r.config.path, r.key.path, r.dir.path:
				r.log.Debug("file event", "event", event.String())
				settle := quiet
				if event.Has(fsnotify.Create) {
					settle = arrived
				}
				r.pace.change(time.Now(), settle)
			}
		case err := <-failures:
			r.log.Debug("file events lost", "directory", r.dir.path, "error", err)
			r.pace.change(time.Now(), quiet)
		case looked := <-r.forced:
			r.look(true)
			close(looked)
		case <-timer.C:
			r.look(r.pace.pending())
		}
	}
}

// look reads the files if they have changed and, with force, even if they look
// the same: a clock that was set back can give a new file the times of the old.
// The watch comes first, so that no change falls between it and the reading.
func (r *Reloader) look(force bool) {
	r.dir.watch()
	if err := r.lookAtKey(force); err != nil {
		r.log.Error("the key file cannot be used, the former key stays", "error", err)
	}
	r.lookAtConfig(force)
	r.looked()
}

func (r *Reloader) looked() {
	poll := r.poll
	if !r.dir.watched() {
		poll = min(poll, quick)
	}
	r.pace.looked(time.Now().Add(poll))
}

// lookAtKey returns an error if the key file has become unusable.
func (r *Reloader) lookAtKey(force bool) error {
	var key []byte
	err := r.key.read(force, func(text *io.SectionReader) (err error) {
		key, err = io.ReadAll(text)
		return err
	})
	switch {
	case errors.Is(err, errUnchanged):
	case errors.Is(err, errInUse):
		r.log.Info("the key file is again the one in use", "file", r.key.path)
	case err != nil:
		return fmt.Errorf("key file %s: %w", r.key.path, err)
	default:
		r.key.use()
		r.onKey(key)
		r.log.Info("key loaded", "file", r.key.path)
	}
	return nil
}

func (r *Reloader) lookAtConfig(force bool) {
	s := r.State()
	var loaded State
	var broken error
	err := r.config.read(force, func(text *io.SectionReader) error {
		loaded, broken = r.loadConfig(s, text)
		return nil
	})
	switch {
	case errors.Is(err, errUnchanged):
		return
	case errors.Is(err, fs.ErrNotExist):
		r.config.forget()
		s = State{Loads: s.Loads, Failures: s.Failures, Err: err}
		// The words of Ganeti 3.0, which has no others for this case.
		s.Problem = fmt.Sprintf("Failure during configuration update: %s: "+
			"getFileStatus: does not exist (No such file or directory)", r.config.path)
		r.log.Info("no configuration file: this node is no master candidate", "file", r.config.path)
	case errors.Is(err, errInUse):
		s.Err = nil
		r.log.Info("the configuration file is again the one in service", "file", r.config.path)
	case err != nil:
		r.refuse(&s, err)
	case broken != nil:
		r.refuse(&s, broken)
	default:
		r.config.use()
		s = loaded
		r.log.Info("configuration loaded", "file", r.config.path,
			"serial", s.Snapshot.Serial, "bytes", s.Size, "duration", s.LoadTime)
	}
	changed := s.Snapshot != r.State().Snapshot
	r.onConfig(s)
	r.state.Store(&s)
	if changed {
		settle()
	}
}

// load makes a snapshot, with the help of the one before it, if any.
func load(ctx context.Context, former *cluster.Snapshot, text io.ReadSeeker) (*cluster.Snapshot, error) {
	if former == nil {
		former = new(cluster.Snapshot)
	}
	return former.Next(ctx, text)
}

// loadConfig returns the state that follows s with a snapshot of text.
func (r *Reloader) loadConfig(s State, text *io.SectionReader) (State, error) {
	defer hurry()()
	began := time.Now()
	snapshot, err := r.load(context.TODO(), s.Snapshot, text)
	ended := time.Now()
	r.pace.loaded(ended)
	if err != nil {
		return State{}, err
	}
	return State{
		Snapshot: snapshot,
		Size:     int(text.Size()),
		LoadedAt: ended,
		LoadTime: ended.Sub(began),
		Loads:    s.Loads + 1,
		Failures: s.Failures,
	}, nil
}

// refuse notes in s that the file as it is cannot be served.
func (r *Reloader) refuse(s *State, err error) {
	s.Err = err
	s.Failures++
	serving := "nothing"
	if s.Snapshot != nil {
		serving = fmt.Sprintf("serial %d", s.Snapshot.Serial)
	} else {
		s.Problem = fmt.Sprintf("Cannot load configuration from %s: %v", r.config.path, err)
	}
	r.log.Error("the configuration file cannot be loaded", "file", r.config.path,
		"error", err, "serving", serving)
}
