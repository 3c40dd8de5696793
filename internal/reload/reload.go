// Package reload decides when the cluster's configuration file and its key file
// are read, and keeps the last good snapshot of the configuration.
//
// The directory of the files is watched, not the files, which Ganeti replaces
// by renaming. A change is left to settle for some milliseconds and then read.
// While changes keep coming, loading the configuration takes no more than a tenth
// of a processor, and the last change is always read. Where no watch can tell of a change (a symbolic
// link's target elsewhere, a hard link, a network file system, a queue that ran
// over) a slow poll finds it by comparing device, inode, size and times. Where
// there is no watch at all, for want of a directory or of inotify instances, the
// poll is quicker.
//
// A configuration is loaded in a goroutine of its own: neither those who use the
// snapshot wait for it, nor a changed key. A file that is newer than the one that is
// being loaded has that given up, but not so often that none is ever loaded.
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
	quiet    = 10 * time.Millisecond  // how long a change is left to settle
	arrived  = 2 * time.Millisecond   // the same for a new file: mostly it was renamed and is complete
	patience = 40 * time.Millisecond  // how long the first of several changes waits
	quick    = 250 * time.Millisecond // from poll to poll where there is no watch

	// Looks at the configuration take one in so many parts of a processor's time. It is
	// less than the tenth that a storm of changes may cost, as the collector and the
	// events of the watch take some, too.
	share = 25
	burst = 300 * time.Millisecond // what they may take at once beyond that

	calm = time.Second // how far apart loads are that do not come one after another

	// How long a load goes on at least, however many newer files come. It is more
	// after loads that took long, and doubles with each that is given up.
	respite = 100 * time.Millisecond

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

// Options say what is read and who is told. Calls of one hook come one at a time.
// The first of each come before Start returns.
type Options struct {
	ConfigPath string // the configuration file, config.data
	// KeyPath is the file with the HMAC key, hmac.key. Outside ConfigPath's
	// directory only the poll sees its changes.
	KeyPath string

	// RedactSecrets makes snapshots without secrets: see cluster.Options.
	RedactSecrets bool

	OnConfig func(State)  // called for every new State, before it is returned by Reloader.State
	OnKey    func([]byte) // called with every new key: all bytes of the file, at least one
	Logger   *slog.Logger // nil logs nothing

	// Memory, unless nil, is told when loading needs memory and when it has left some.
	Memory Memory
}

// Memory is the memory of the process that a Reloader is in.
type Memory interface {
	// Relax is called before a configuration is loaded, and what it returns afterwards.
	Relax() (done func())
	// Tighten is called when what loads have left can be given back, but not after
	// each of many that come one after another.
	Tighten()
}

// noMemory does without.
type noMemory struct{}

func (noMemory) Relax() func() { return func() {} }
func (noMemory) Tighten()      {}

// Reloader keeps up with the files. Its methods are safe for concurrent use.
type Reloader struct {
	onKey    func([]byte)
	onConfig func(State)
	load     func(ctx context.Context, former *cluster.Snapshot, text io.ReadSeeker) (*cluster.Snapshot, error)
	log      *slog.Logger
	memory   Memory

	dir         directory
	key         file
	config      file // belongs to the load that is under way
	untidy      bool // loads have left memory to give back; belongs to the load, too
	keyPace     pace
	configPace  pace
	keyAlarm    alarm // that the file cannot be used
	configAlarm alarm
	poll        time.Duration // from poll to poll where the directory is watched

	loading *loading        // the load that is under way; nil when there is none
	again   bool            // the configuration may have changed since that has begun
	respite time.Duration   // how long a load goes on at least
	took    time.Duration   // how long the last one took that was not given up
	givenUp int             // how many have been given up since
	spent   time.Duration   // what those have cost
	waiting []chan struct{} // closed by the next load that is not given up
	state   atomic.Pointer[State]

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
		respite:     respite,
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
	if err := r.lookAtKey(ctx, true); err != nil {
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

// Reload has the files looked at now, whatever the watch and the clock say, and
// returns when that is done or the reloader has ended. The key does not wait for a
// load that is under way; the configuration is looked at again after it.
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
// is under way is given up.
func (r *Reloader) Wait() { <-r.done }

func (r *Reloader) run(ctx context.Context) {
	defer close(r.done)
	defer r.dir.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	// After a change no more are taken in until it has settled: a storm costs less when
	// they come many at a time.
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
			r.look(ctx, time.Now())
		}
	}
}

// drain takes in the changes that are waiting, which may put off the next look.
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

// changed notes what an event in the directory may be about, and reports whether it is
// about one of the files.
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

// next returns when to look at one of the files.
func (r *Reloader) next() time.Time { return earlier(r.keyPace.next(), r.nextConfig()) }

// nextConfig returns when to look at the configuration: for its own sake or, while one
// is being loaded, to see whether there is a newer one.
func (r *Reloader) nextConfig() time.Time {
	at := r.configPace.next()
	if r.loading != nil {
		at = later(at, r.loading.respite)
	}
	return at
}

// look looks at the files whose time has come. They are read if they have changed and,
// after an event, even if they look the same: a clock that was set back can give a new
// file the times of the old.
func (r *Reloader) look(ctx context.Context, now time.Time) {
	if !now.Before(r.keyPace.next()) {
		r.followKey(ctx, r.keyPace.pending())
	}
	switch {
	case now.Before(r.nextConfig()):
	case r.loading == nil:
		r.begin(ctx, r.configPace.pending())
	default:
		r.again = r.again || r.configPace.pending()
		r.configPace.looked(r.nextPoll())
		if stampAt(r.config.path) != r.loading.file {
			r.log.Debug("the configuration file has changed while it was loaded", "file", r.config.path)
			r.loading.giveUp()
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
	if err := r.lookAtKey(ctx, force); err != nil {
		r.log.Debug("the key file cannot be used", "error", err)
	}
	now := time.Now()
	if r.keyAlarm.note(now, r.key.failure) {
		r.log.Info("the key file can be used again", "file", r.key.path)
	}
	if r.keyAlarm.ring(now) {
		r.log.Error("the key file cannot be used, the former key stays",
			"error", fmt.Sprintf("key file %s: %s", r.key.path, r.key.failure))
	}
	r.keyPace.pollBy(r.keyAlarm.due)
}

// lookAtKey returns an error if the key file has become unusable. As with the
// configuration, the watch comes first, so that no change falls between it and the
// reading.
func (r *Reloader) lookAtKey(ctx context.Context, force bool) error {
	r.dir.watch()
	r.keyPace.looked(r.nextPoll())
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
