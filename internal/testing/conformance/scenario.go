package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"gntconfd/internal/testing/vectors"
)

const (
	// settling is how many times Options.Timeout an implementation may take to notice a
	// change; only a failure uses it up. One that is known to fail gets knownSettling.
	settling      = 4
	knownSettling = 2 * time.Second
	// hurry is how long to wait for an answer before the question is asked again.
	hurry = time.Second
	// pause is how long to wait after an answer that is not the expected one, yet.
	pause = 20 * time.Millisecond
)

// scenario is a scenario with its result.
type scenario struct {
	vectors.Scenario
	result *Result
}

func caseOfScenario(s *vectors.Scenario) Case {
	return Case{
		ID: s.Dialect + "/" + s.ID, Note: s.Note, File: "scenarios/" + path.Dir(s.ID) + ".json",
		Rule: s.Rule, Claim: s.Claim, Deviation: s.Deviation,
	}
}

// runScenario starts an implementation, and does and asks what the scenario says.
func (o *Options) runScenario(ctx context.Context, s *scenario) {
	s.result.End(o.play(ctx, s))
}

func (o *Options) play(ctx context.Context, s *scenario) (err error) {
	config, err := vectors.ReadConfig(o.Files, s.Config)
	if err != nil {
		return err
	}
	server, err := o.Start(ctx, Setup{
		Dialect: s.Dialect, Name: s.Config, Config: config, Key: o.Key, Clock: o.Clock,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if server.Root == "" {
		return fmt.Errorf("%w: the suite cannot change the files of a daemon that it has not started", ErrSkip)
	}
	for i := range s.Steps {
		if err := o.step(server, s, i); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// step makes the changes of a step, and asks its questions until the answers are the
// expected ones, and then for as long as they must stay so.
func (o *Options) step(server *Server, s *scenario, number int) error {
	step := &s.Steps[number]
	for i := range step.Changes {
		if err := server.Change(o.Files, &step.Changes[i]); err != nil {
			return err
		}
	}
	wait := settling * o.Timeout
	if o.Known.find(s.result.Case) != nil {
		wait = knownSettling
	}
	ctx, cancel := context.WithTimeoutCause(server.Context, wait, fmt.Errorf("%w within %v", vectors.ErrDeaf, wait))
	defer cancel()
	var wrong error // about the last answers
	for {
		err := o.ask(ctx, server, s, step)
		if err == nil {
			break
		} else if ctx.Err() != nil {
			if errors.Is(err, vectors.ErrDeaf) && wrong != nil {
				return wrong // it is not deaf: the last try had no time left
			}
			return err
		}
		wrong = err
		time.Sleep(pause)
	}
	for end := time.Now().Add(time.Duration(step.StayMS) * time.Millisecond); time.Now().Before(end); time.Sleep(pause) {
		if err := o.ask(server.Context, server, s, step); err != nil {
			return fmt.Errorf("not for long: %w", err)
		}
	}
	return nil
}

// ask asks the questions of a step once. The error is about the first answer that is not the
// expected one.
func (o *Options) ask(ctx context.Context, server *Server, s *scenario, step *vectors.Step) error {
	tests := make([]*test, len(step.Questions))
	probes := make([]vectors.Probe, len(step.Questions))
	target, mute := server.Target, true
	for i := range step.Questions {
		q := &step.Questions[i]
		tests[i] = &test{Vector: q.Vector(&s.Scenario)}
		outcome, _ := tests[i].Expected(o.Ganeti)
		probes[i] = vectors.Probe{Message: &q.Message, Key: server.Target.Key, Wanted: outcome != vectors.Silent}
		if q.Key != nil {
			probes[i].Key = q.Key
		}
		if mute && probes[i].Wanted {
			// Pings have a key that the daemon knows.
			target.Key, mute = probes[i].Key, false
		}
	}
	results, err := target.Exchange(ctx, probes, hurry, mute)
	for i, got := range results {
		if wrong := tests[i].Judge(got, o.Ganeti); wrong != nil {
			s.result.Details = append([]Detail{{"change", describe(step)}}, tests[i].details(got, o.Ganeti)...)
			return wrong
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// Change changes a file of the implementation. What it is to contain is in the folder of
// vectors.
func (s *Server) Change(files fs.FS, c *vectors.Change) error {
	name, text := configFile(s.Root), c.Key
	if c.File == vectors.KeyFile {
		name = keyFile(s.Root)
		if len(c.Key) > 0 {
			s.Target.Key = c.Key
		}
	} else if c.How != vectors.Remove {
		var err error
		if text, err = c.Read(files); err != nil {
			return err
		}
	}
	var former time.Time
	if c.KeepTime {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		former = info.ModTime()
	}
	switch c.How {
	case vectors.Remove:
		return os.Remove(name)
	case vectors.Write:
		return write(name, text, former)
	case vectors.Replace:
		if err := write(name+".new", text, former); err != nil {
			return err
		}
		return os.Rename(name+".new", name)
	case vectors.Link:
		dir, err := os.MkdirTemp(filepath.Dir(s.Root), "elsewhere")
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, "file"), text, former); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join(dir, "file"), name+".new"); err != nil {
			return err
		}
		return os.Rename(name+".new", name)
	}
	return fmt.Errorf("unknown change %q", c.How)
}

// write writes a file. With a time of modification it has that when it is closed, so that
// nobody who waits for that sees another.
func write(path string, text []byte, modified time.Time) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if modified.IsZero() {
		return nil
	}
	return os.Chtimes(path, modified, modified)
}

// describe tells what a step changes.
func describe(step *vectors.Step) string {
	var all []string
	for _, c := range step.Changes {
		what := c.File + " " + c.How
		if c.Config != "" {
			what += " " + c.Config
		}
		all = append(all, what)
	}
	return strings.Join(all, ", ")
}
