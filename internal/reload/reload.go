// Package reload decides when to read the cluster's configuration file and its key file, and
// keeps the last good snapshot of the configuration.
//
// It watches the directory of the files, not the files, because Ganeti replaces them by
// renaming. It reads a change after waiting some milliseconds for further ones. While changes
// keep coming, loading the configuration takes at most a tenth of a processor, and the last
// change is always read. Some changes reach no watch: the target of a symbolic link elsewhere, a
// hard link, a network file system, a queue that overflowed. A slow poll finds them by comparing
// device, inode, size and times. Without any watch, because the directory or inotify instances
// are missing, polls are more frequent.
//
// A configuration is loaded in a goroutine of its own, so that neither users of the snapshot nor
// a changed key wait for it. A newer file cancels the load of an older one, but not so often
// that no file is ever loaded.
package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

const (
	quiet    = 10 * time.Millisecond  // how long to wait for further changes after one
	arrived  = 2 * time.Millisecond   // the same for a new file: most are renamed and complete
	patience = 40 * time.Millisecond  // how long the first of several changes waits
	quick    = 250 * time.Millisecond // poll interval without a watch

	// Checks of the configuration take one part in so many of a processor's time. That is less
	// than the tenth that a storm of changes may cost, because the garbage collector and the
	// events of the watch take some too.
	share = 25
	burst = 300 * time.Millisecond // how much they may take at once beyond their share

	calm = time.Second // loads further apart than this do not follow each other closely

	// A load is not cancelled before this time, however many newer files come. It is longer
	// after long loads, and doubles with each load that is cancelled.
	minLoad = 100 * time.Millisecond

	maxKeySize    = 64 << 10
	maxConfigSize = 1 << 30
)

// State is what to serve, and how it came about. It never changes after it has been handed out.
type State struct {
	// Snapshot is the last good configuration. It is nil when the file is missing, which means
	// that this node is not a master candidate any more, and stays nil until a file has been
	// loaded again.
	Snapshot *cluster.Snapshot
	// Problem is the answer to queries while Snapshot is nil.
	Problem string
	// Err is why the present file is not being served, and nil if it is. It wraps fs.ErrNotExist
	// if the file is missing.
	Err error

	Size     int           // size of Snapshot's file in bytes
	LoadedAt time.Time     // when Snapshot was loaded
	LoadTime time.Duration // how long loading took

	// Loads counts the snapshots made. Failures counts the contents that were refused, and the
	// errors in reading; an error that lasts counts once.
	Loads, Failures uint64
}

// Options say what to read and what to call. Calls of one hook never overlap. The first call of
// each hook comes before Start returns.
type Options struct {
	ConfigPath string // the configuration file, config.data
	// KeyPath is the file with the HMAC key, hmac.key. If it is outside ConfigPath's directory,
	// only polls notice its changes.
	KeyPath string

	// RedactSecrets makes snapshots without secrets: see cluster.Options.
	RedactSecrets bool

	OnConfig func(State)  // called for every new State, before Reloader.State returns it
	OnKey    func([]byte) // called with every new key: all bytes of the file, at least one
	Logger   *slog.Logger // nil logs nothing

	// Memory, unless nil, is called around loads, which need memory for a short time.
	Memory Memory
}

// Memory adjusts the process's use of memory to loads.
type Memory interface {
	// Relax is called before a configuration is loaded, and done afterwards.
	Relax() (done func())
	// Tighten is called when the memory that loads have left can be returned to the system. It
	// is not called after each of many loads in close succession.
	Tighten()
}

// noMemory does nothing.
type noMemory struct{}

func (noMemory) Relax() func() { return func() {} }
func (noMemory) Tighten()      {}

// Reloader follows the files. Its methods are safe for concurrent use.
type Reloader struct {
	onKey    func([]byte)
	onConfig func(State)
	load     func(ctx context.Context, former *cluster.Snapshot, text io.ReadSeeker) (*cluster.Snapshot, error)
	log      *slog.Logger
	memory   Memory

	dir         directory
	key         file
	config      file // used only by the check that is running
	untidy      bool // loads have left memory to return; used only by the check that is running
	keyPace     pace
	configPace  pace
	keyAlarm    alarm // reports that the file cannot be used
	configAlarm alarm
	poll        time.Duration // poll interval with a watch

	loading   *loading        // the check that is running; nil if there is none
	again     bool            // whether the configuration may have changed since that check began
	minLoad   time.Duration   // how long a load runs before it may be cancelled
	took      time.Duration   // how long the last load took that was not cancelled
	cancelled int             // loads cancelled since
	spent     time.Duration   // what those have cost
	waiting   []chan struct{} // closed by the next load that is not cancelled
	state     atomic.Pointer[State]

	forced chan chan struct{}
	done   chan struct{}
}

// Start reads both files, calls the hooks, and follows the files in a goroutine until ctx ends.
// A missing or broken configuration is a State. A key file that is missing, unreadable, empty,
// larger than 64 KiB or not a regular file is an error; then Start starts and calls nothing.
func Start(ctx context.Context, o Options) (*Reloader, error) {
	r := newReloader(o)
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func newReloader(o Options) *Reloader {
	r := &Reloader{
		onKey:       o.OnKey,
		onConfig:    o.OnConfig,
		load:        loader(o.RedactSecrets),
		log:         o.Logger,
		memory:      o.Memory,
		key:         file{path: filepath.Clean(o.KeyPath), limit: maxKeySize},
		config:      file{path: filepath.Clean(o.ConfigPath), limit: maxConfigSize},
		keyPace:     pace{patience: patience},
		configPace:  pace{patience: patience, share: share, longest: wire.ReloadInterval * time.Second, burst: burst},
		keyAlarm:    alarm{lasting: lasting},
		configAlarm: alarm{lasting: lasting},
		poll:        wire.PollInterval * time.Second,
		minLoad:     minLoad,
		forced:      make(chan chan struct{}),
		done:        make(chan struct{}),
	}
	if r.memory == nil {
		r.memory = noMemory{}
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
	r.dir = directory{path: filepath.Dir(r.config.path), log: r.log, open: fsnotify.NewWatcher, alarm: alarm{lasting: lasting}}
	r.state.Store(new(State))
	return r
}

func (r *Reloader) start(ctx context.Context) error {
	if err := r.checkKey(ctx, true); err != nil {
		r.dir.close()
		return err
	}
	loaded := make(chan struct{})
	r.waiting = append(r.waiting, loaded)
	r.begin(ctx, true)
	go r.run(ctx)
	select {
	case <-loaded:
	case <-r.done:
	}
	return nil
}

// State returns the present state.
func (r *Reloader) State() State { return *r.state.Load() }

// Reload checks the files now, whatever the watch and the clock say, and returns when that is
// done or the reloader has ended. The key does not wait for a load that is running; the
// configuration is checked again after it.
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

// Wait returns when the reloader has ended, which it does after its context. A load that is
// running is cancelled.
func (r *Reloader) Wait() { <-r.done }

func (r *Reloader) run(ctx context.Context) {
	defer close(r.done)
	defer r.dir.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	// After a change, wait until it has settled before taking in more: a storm of changes costs
	// less when taken in at once.
	var settled time.Time
	for {
		now := time.Now()
		events, failures := r.dir.channels()
		at := r.next()
		if now.Before(settled) {
			events, at = nil, earlier(at, settled)
		}
		timer.Reset(at.Sub(now))
		select {
		case <-ctx.Done():
			if r.loading != nil {
				<-r.loading.ended
			}
			return
		case event := <-events:
			if r.changed(event) {
				settled = earlier(r.next(), time.Now().Add(quiet))
			}
		case err := <-failures:
			r.log.Debug("file events lost", "directory", r.dir.path, "error", err)
			r.keyPace.change(time.Now(), quiet)
			r.configPace.change(time.Now(), quiet)
		case looked := <-r.forced:
			r.waiting = append(r.waiting, looked)
			r.followKey(ctx, true)
			if r.loading == nil {
				r.begin(ctx, true)
			} else {
				r.configPace.change(time.Now(), 0)
			}
		case <-r.loading.over():
			r.loaded(ctx)
		case <-timer.C:
			settled = time.Time{}
			r.drain()
			r.check(ctx, time.Now())
		}
	}
}

// drain takes in the changes that are waiting, which may postpone the next check.
func (r *Reloader) drain() {
	events, _ := r.dir.channels()
	for {
		select {
		case event := <-events:
			r.changed(event)
		default:
			return
		}
	}
}

// changed records which of the files an event in the directory may concern, and reports whether
// it concerns one.
func (r *Reloader) changed(event fsnotify.Event) bool {
	settle := quiet
	if event.Has(fsnotify.Create) {
		settle = arrived
	}
	path, now := filepath.Clean(event.Name), time.Now()
	ofKey := path == r.key.path || path == r.dir.path
	ofConfig := path == r.config.path || path == r.dir.path
	if ofKey {
		r.keyPace.change(now, settle)
	}
	if ofConfig {
		r.configPace.change(now, settle)
	}
	if ofKey || ofConfig {
		r.log.Debug("file event", "event", event.String())
	}
	return ofKey || ofConfig
}

// next returns when to check one of the files.
func (r *Reloader) next() time.Time { return earlier(r.keyPace.next(), r.nextConfig()) }

// nextConfig returns when to check the configuration. While one is being loaded, that is when to
// see whether there is a newer one.
func (r *Reloader) nextConfig() time.Time {
	at := r.configPace.next()
	if r.loading != nil {
		at = later(at, r.loading.keepUntil)
	}
	return at
}

// check checks the files that are due. It reads them if they have changed and, after an event,
// even if they look unchanged: after a clock was set back, a new file can have the times of the
// old one.
func (r *Reloader) check(ctx context.Context, now time.Time) {
	if !now.Before(r.keyPace.next()) {
		r.followKey(ctx, r.keyPace.pending())
	}
	switch {
	case now.Before(r.nextConfig()):
	case r.loading == nil:
		r.begin(ctx, r.configPace.pending())
	default:
		r.again = r.again || r.configPace.pending()
		r.configPace.checked(r.nextPoll())
		if stampAt(r.config.path) != r.loading.file {
			r.log.Debug("the configuration file has changed while it was loaded", "file", r.config.path)
			r.loading.cancel()
		}
		r.tellConfig(now)
	}
}

func (r *Reloader) nextPoll() time.Time {
	poll := r.poll
	if !r.dir.watched() {
		poll = min(poll, quick)
	}
	return time.Now().Add(poll)
}

func (r *Reloader) followKey(ctx context.Context, force bool) {
	if err := r.checkKey(ctx, force); err != nil {
		r.log.Debug("cannot use the key file", "error", err)
	}
	now := time.Now()
	if r.keyAlarm.note(now, r.key.failure) {
		r.log.Info("the key file can be used again", "file", r.key.path)
	}
	if r.keyAlarm.ring(now) {
		r.log.Error("cannot use the key file, keeping the former key",
			"error", fmt.Sprintf("key file %s: %s", r.key.path, r.key.failure))
	}
	r.keyPace.pollBy(r.keyAlarm.due)
}

// checkKey returns an error if the key file has become unusable. As with the configuration, it
// looks after the watch first, so that it misses no change before reading.
func (r *Reloader) checkKey(ctx context.Context, force bool) error {
	r.dir.watch()
	r.keyPace.checked(r.nextPoll())
	var key []byte
	err := r.key.read(ctx, force, func(text *summed) (err error) {
		key, err = io.ReadAll(text)
		return err
	})
	switch {
	case errors.Is(err, errUnchanged):
	case errors.Is(err, errInUse):
		r.log.Debug("the key file is again the one in use", "file", r.key.path)
	case err != nil:
		return fmt.Errorf("key file %s: %w", r.key.path, err)
	default:
		r.key.use()
		r.onKey(key)
		r.log.Info("key loaded", "file", r.key.path)
	}
	return nil
}
