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

	"gntconfd/internal/cluster"
)

// loading is a look at the configuration file that is under way in a goroutine of its
// own, with a load if there is something to load. A nil loading is none.
type loading struct {
	file    stamp           // of the file when the look began; zero when there was none
	respite time.Time       // it is not given up before
	waiting []chan struct{} // closed at the end, unless it is given up
	giveUp  context.CancelFunc

	ended chan struct{} // closed at the end, after which the rest is there
	took  time.Duration // how long the load took; 0 when there was nothing to load
	cost  time.Duration // how much of a processor's time all took
	err   error         // not nil when it was given up
}

// over returns what is closed when the look has ended.
func (l *loading) over() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.ended
}

// begin begins to look at the configuration; with force even if it looks the same.
func (r *Reloader) begin(ctx context.Context, force bool) {
	r.dir.watch()
	r.configPace.looked(r.nextPoll())
	r.configPace.wake()
	ctx, cancel := context.WithCancel(ctx)
	l := &loading{
		file:    stampAt(r.config.path),
		respite: time.Now().Add(max(r.respite, 2*r.took) << r.givenUp),
		waiting: r.waiting,
		giveUp:  cancel,
		ended:   make(chan struct{}),
	}
	r.loading, r.waiting, r.again = l, nil, false
	go func() {
		defer close(l.ended)
		defer cancel()
		last := r.State().LoadedAt
		runtime.LockOSThread() // whose time can be told
		began := threadTime()
		l.err = r.lookAtConfig(ctx, force, l)
		l.cost = threadTime() - began
		// A collection gives way to others very often, and each time takes much longer on a
		// locked thread.
		runtime.UnlockOSThread()
		if l.err == nil {
			r.tidy(last)
		}
	}()
}

// loaded ends what begin has begun. One that was given up is begun anew at once.
func (r *Reloader) loaded(ctx context.Context) {
	l := r.loading
	r.loading = nil
	if l.err != nil {
		r.givenUp++
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
	r.givenUp, r.spent = 0, 0
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

// tellConfig tells that the configuration cannot be loaded, when it is time to.
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

// threadTime returns how much of a processor's time the present thread has had. The clock
// would count what others have had meanwhile, and make loads look dear on a busy machine.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0 // not on Linux
	}
	return time.Duration(t.Nano())
}

// lookAtConfig brings the state up to date, and notes in l how long a load took. It is an
// error only if ctx has ended, and changes nothing then.
func (r *Reloader) lookAtConfig(ctx context.Context, force bool, l *loading) error {
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
		s.Problem = fmt.Sprintf("Failure during configuration update: %s: "+
			"getFileStatus: does not exist (No such file or directory)", r.config.path)
		r.log.Info("no configuration file: this node is no master candidate", "file", r.config.path)
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

// tidy gives back the memory that loads have left. It takes longer than a small
// configuration takes to load, so that it is left, while loads come one after another,
// to a look that comes later. Before it, the last load was at a time.
func (r *Reloader) tidy(last time.Time) {
	if r.untidy && time.Since(last) > calm {
		r.untidy = false
		r.memory.Tighten()
	}
}

// loader returns the function that makes a snapshot, with the help of the one before it,
// if any.
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

// refuse notes in s that the file as it is cannot be served.
func (r *Reloader) refuse(s *State, err error) {
	s.Err = err
	s.Failures++
	if s.Snapshot == nil {
		s.Problem = fmt.Sprintf("Cannot load configuration from %s: %v", r.config.path, err)
	}
	r.log.Debug("the configuration file cannot be loaded", "file", r.config.path, "error", err)
}
