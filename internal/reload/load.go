package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"gntconfd/gen/rules"
	"gntconfd/internal/cluster"
)

// loading is a check of the configuration file in a goroutine of its own, which loads the file
// if it has changed. A nil loading means that none is running.
type loading struct {
	file      stamp           // of the file when the check began; zero if there was none
	keepUntil time.Time       // the load is not cancelled before this time
	waiting   []chan struct{} // closed at the end, unless the load is cancelled
	cancel    context.CancelFunc

	ended chan struct{} // closed at the end, when the fields below are set
	took  time.Duration // how long the load took; 0 if there was nothing to load
	cost  time.Duration // processor time of the whole check
	err   error         // not nil if it was cancelled
}

// over returns a channel that is closed when the check has ended.
func (l *loading) over() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.ended
}

// begin begins to check the configuration. With force it reads a file that looks unchanged too.
func (r *Reloader) begin(ctx context.Context, force bool) {
	r.dir.watch()
	r.configPace.checked(r.nextPoll())
	r.configPace.wake()
	ctx, cancel := context.WithCancel(ctx)
	l := &loading{
		file:      stampAt(r.config.path),
		keepUntil: time.Now().Add(max(r.minLoad, 2*r.took) << r.cancelled),
		waiting:   r.waiting,
		cancel:    cancel,
		ended:     make(chan struct{}),
	}
	r.loading, r.waiting, r.again = l, nil, false
	go func() {
		defer close(l.ended)
		defer cancel()
		last := r.State().LoadedAt
		runtime.LockOSThread() // so that threadTime counts only this check
		began := threadTime()
		l.err = r.checkConfig(ctx, force, l)
		l.cost = threadTime() - began
		// A collection gives way to others very often, and each time takes much longer on a
		// locked thread.
		runtime.UnlockOSThread()
		if l.err == nil {
			r.tidy(last)
		}
	}()
}

// loaded finishes the check that begin began. If it was cancelled, the next one begins at once.
func (r *Reloader) loaded(ctx context.Context) {
	l := r.loading
	r.loading = nil
	if l.err != nil {
		r.cancelled++
		r.spent += l.cost
		r.waiting = append(l.waiting, r.waiting...)
		r.begin(ctx, true)
		return
	}
	now, s := time.Now(), r.State()
	wrong := ""
	if s.Err != nil && !errors.Is(s.Err, fs.ErrNotExist) {
		wrong = s.Err.Error()
	}
	if r.configAlarm.note(now, wrong) && s.Err == nil {
		r.log.Info("the configuration file can be loaded again", "file", r.config.path)
	}
	r.tellConfig(now)
	r.configPace.pollBy(r.configAlarm.due)
	for _, waits := range l.waiting {
		close(waits)
	}
	r.configPace.worked(now, r.spent+l.cost)
	r.cancelled, r.spent = 0, 0
	if l.took > 0 {
		r.took = l.took
	}
	if r.again {
		r.configPace.change(now, 0)
	}
	if len(r.waiting) > 0 {
		r.begin(ctx, true)
	}
}

// tellConfig logs that the configuration cannot be loaded, when the alarm says so.
func (r *Reloader) tellConfig(now time.Time) {
	if !r.configAlarm.ring(now) {
		return
	}
	serving := "nothing"
	if snapshot := r.State().Snapshot; snapshot != nil {
		serving = fmt.Sprintf("serial %d", snapshot.Serial)
	}
	r.log.Error("the configuration file cannot be loaded", "file", r.config.path,
		"error", r.configAlarm.wrong, "serving", serving)
}

// threadTime returns the processor time of the present thread. Elapsed time would include what
// other threads did meanwhile, so that loads would seem expensive on a busy machine.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0 // not on Linux
	}
	return time.Duration(t.Nano())
}

// checkConfig updates the state and records in l how long a load took. It returns an error, and
// changes nothing, only if ctx has ended.
func (r *Reloader) checkConfig(ctx context.Context, force bool, l *loading) error {
	s := r.State()
	var loaded State
	var broken error
	err := r.config.read(ctx, force, func(text *summed) error {
		began := time.Now()
		loaded, broken = r.loadConfig(ctx, s, text)
		l.took += time.Since(began)
		if broken != nil {
			return ctx.Err()
		}
		return nil
	})
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case errors.Is(err, errUnchanged):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		r.config.forget()
		s = State{Loads: s.Loads, Failures: s.Failures, Err: err}
		// The words of Ganeti 3.0, which has no others for this case.
		s.Problem = rules.TextConfigMissing(r.config.path)
		r.log.Info("no configuration file: this node is not a master candidate", "file", r.config.path)
	case errors.Is(err, errInUse):
		s.Err = nil
		r.log.Debug("the configuration file is again the one in service", "file", r.config.path)
	case err != nil:
		r.refuse(&s, err)
	case broken != nil:
		r.refuse(&s, broken)
	default:
		r.config.use()
		s = loaded
		r.log.Info("configuration loaded", "file", r.config.path,
			"serial", s.Snapshot.Serial, "file_serial", s.Snapshot.ConfigSerial, "bytes", s.Size, "duration", s.LoadTime)
	}
	former := r.State()
	r.onConfig(s)
	r.state.Store(&s)
	r.untidy = r.untidy || s.Snapshot != former.Snapshot
	return nil
}

// tidy returns the memory that loads have left to the system. This takes longer than loading a
// small configuration, so while loads follow each other closely it is put off. last is the time
// of the load before.
func (r *Reloader) tidy(last time.Time) {
	if r.untidy && time.Since(last) > calm {
		r.untidy = false
		r.memory.Tighten()
	}
}

// loader returns the function that makes a snapshot. It takes over what has not changed from the
// former snapshot, if there is one.
func loader(redactSecrets bool) func(context.Context, *cluster.Snapshot, io.ReadSeeker) (*cluster.Snapshot, error) {
	return func(ctx context.Context, former *cluster.Snapshot, text io.ReadSeeker) (*cluster.Snapshot, error) {
		return cluster.Load(ctx, text, cluster.Options{Former: former, RedactSecrets: redactSecrets})
	}
}

// loadConfig returns the state that follows s with a snapshot of text.
func (r *Reloader) loadConfig(ctx context.Context, s State, text *summed) (State, error) {
	defer r.memory.Relax()()
	began := time.Now()
	snapshot, err := r.load(ctx, s.Snapshot, text)
	ended := time.Now()
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

// refuse records in s that the present file cannot be served.
func (r *Reloader) refuse(s *State, err error) {
	s.Err = err
	s.Failures++
	if s.Snapshot == nil {
		s.Problem = rules.TextConfigUnreadable(r.config.path, err.Error())
	}
	r.log.Debug("the configuration file cannot be loaded", "file", r.config.path, "error", err)
}
