package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

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
		l.took, l.err = r.lookAtConfig(ctx, force)
	}()
}

// loaded ends what begin has begun. One that was given up is begun anew at once.
func (r *Reloader) loaded(ctx context.Context) {
	l := r.loading
	r.loading = nil
	if l.err != nil {
		r.givenUp++
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
	r.givenUp = 0
	if l.took > 0 {
		if r.took > 0 { // the first load delays no later one
			r.configPace.loaded(now)
		}
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

// lookAtConfig brings the state up to date, and returns how long it took to load what
// there was to load. It is an error only if ctx has ended, and changes nothing then.
func (r *Reloader) lookAtConfig(ctx context.Context, force bool) (took time.Duration, err error) {
	s := r.State()
	var loaded State
	var broken error
	err = r.config.read(ctx, force, func(text *io.SectionReader) error {
		began := time.Now()
		loaded, broken = r.loadConfig(ctx, s, text)
		took += time.Since(began)
		if broken != nil {
			return ctx.Err()
		}
		return nil
	})
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return took, err
	case errors.Is(err, errUnchanged):
		return took, nil
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
			"serial", s.Snapshot.Serial, "bytes", s.Size, "duration", s.LoadTime)
	}
	changed := s.Snapshot != r.State().Snapshot
	r.onConfig(s)
	r.state.Store(&s)
	if changed {
		settle()
	}
	return took, nil
}

// loader returns the function that makes a snapshot, with the help of the one before it,
// if any.
func loader(redactSecrets bool) func(context.Context, *cluster.Snapshot, io.ReadSeeker) (*cluster.Snapshot, error) {
	return func(ctx context.Context, former *cluster.Snapshot, text io.ReadSeeker) (*cluster.Snapshot, error) {
		if former == nil {
			former = &cluster.Snapshot{RedactSecrets: redactSecrets}
		}
		return former.Next(ctx, text)
	}
}

// loadConfig returns the state that follows s with a snapshot of text.
func (r *Reloader) loadConfig(ctx context.Context, s State, text *io.SectionReader) (State, error) {
	defer hurry()()
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
