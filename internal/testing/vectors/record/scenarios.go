package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/interop/judges"
	"gntconfd/internal/testing/vectors"
)

// settled is when a daemon has noticed a change that it notices at all without its slowest
// poll.
const settled = 1500 * time.Millisecond

// unheard is how long to wait for an answer before there is none.
const unheard = 5 * time.Second

// recordScenarios records the replies in the scenarios. The expected one is that of the newest
// daemon of the dialect when it is started with the configuration that is to be in service.
// "real" has what each release's daemon answers in the course of the scenario, if that is
// something else.
func recordScenarios(ctx context.Context, dir string, key []byte) error {
	folder := os.DirFS(dir)
	files, err := vectors.LoadScenarios(folder)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var bad []error
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, file := range files {
		for i := range file.Scenarios {
			s := &file.Scenarios[i]
			group.Go(func() error {
				if err := recordScenario(ctx, folder, key, s); err != nil {
					mu.Lock()
					defer mu.Unlock()
					bad = append(bad, fmt.Errorf("%s: %w", s.ID, err))
				}
				return nil
			})
		}
	}
	group.Wait()
	if err := errors.Join(bad...); err != nil {
		return err
	}
	for _, file := range files {
		text, err := file.Format()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "scenarios", file.Area+".json"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func recordScenario(ctx context.Context, folder fs.FS, key []byte, s *vectors.Scenario) error {
	starts, err := starts(s.Dialect)
	if err != nil {
		return err
	}
	releases := vectors.Releases[s.Dialect]
	if s.Dialect != vectors.Dialect {
		releases = nil // they cannot be asked
	}
	if err := recordServed(ctx, folder, key, s, starts[len(starts)-1]); err != nil {
		return err
	}
	deviates := false
	for i := range s.Steps {
		for j := range s.Steps[i].Questions {
			s.Steps[i].Questions[j].Real = nil
		}
	}
	for i, release := range releases {
		err := course(ctx, folder, key, s, starts[i], func(q *vectors.Question, got vectors.Result) {
			if q.Outcome.Visible() == got.Outcome && alike(q.Reply, got.Reply) {
				return
			}
			deviates = true
			if n := len(q.Real); n > 0 && q.Real[n-1].Outcome == got.Outcome && alike(q.Real[n-1].Reply, got.Reply) {
				q.Real[n-1].Releases = append(q.Real[n-1].Releases, release)
				return
			}
			q.Real = append(q.Real, vectors.Real{Releases: []string{release}, Outcome: got.Outcome, Reply: got.Reply})
		})
		if err != nil {
			return fmt.Errorf("release %s: %w", release, err)
		}
	}
	switch {
	case deviates && s.Deviation == "":
		return fmt.Errorf("%w: %s", errUnmarked, firstReal(s))
	case !deviates && s.Deviation != "":
		return errNoDeviation
	}
	return nil
}

// firstReal describes the first answer of a real daemon that is not the expected one.
func firstReal(s *vectors.Scenario) string {
	for i, step := range s.Steps {
		for _, q := range step.Questions {
			if q.Real != nil {
				text := ""
				if q.Real[0].Reply != nil {
					text = string(q.Real[0].Reply.Answer)
				}
				return fmt.Sprintf("step %d, %v: %s %.200s", i+1, q.Real[0].Releases, q.Real[0].Outcome, text)
			}
		}
	}
	return ""
}

// starts returns how to start the daemons of a dialect, oldest first: Ganeti's own, or this
// project's where those cannot be had, whose answers the vectors of the dialect check.
func starts(dialect string) ([]conformance.Start, error) {
	if dialect != vectors.Dialect {
		return []conformance.Start{conformance.Own}, nil
	}
	var all []conformance.Start
	for _, judge := range judges.All() {
		start, err := conformance.Command(judge.Args("127.0.0.1", "{port}")...)
		if err != nil {
			return nil, err
		}
		all = append(all, start)
	}
	return all, nil
}

// recordServed records the expected replies.
func recordServed(ctx context.Context, folder fs.FS, key []byte, s *vectors.Scenario, start conformance.Start) error {
	inFile := vectors.Content{Config: s.Config}
	for i := range s.Steps {
		step := &s.Steps[i]
		for _, c := range step.Changes {
			switch {
			case c.File == vectors.KeyFile:
				if len(c.Key) > 0 {
					key = c.Key
				}
			case c.How == vectors.Remove:
				inFile = vectors.Content{Config: vectors.MissingConfig}
			default:
				inFile = c.Content
			}
		}
		served := inFile
		if step.Serves != nil {
			served = *step.Serves
		}
		config, err := served.Read(folder)
		if err != nil {
			return err
		}
		setup := conformance.Setup{Dialect: s.Dialect, Name: served.Config, Config: config, Key: key}
		if err := recordStep(ctx, setup, step, start); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// recordStep records the expected replies of a step from daemons that are started with what
// is then in service, one for each key.
func recordStep(ctx context.Context, setup conformance.Setup, step *vectors.Step, start conformance.Start) error {
	byKey := make(map[string][]*vectors.Question)
	for j := range step.Questions {
		q := &step.Questions[j]
		if q.Outcome.Visible() == vectors.Silent {
			continue
		}
		key := setup.Key
		if q.Key != nil {
			key = q.Key
		}
		byKey[string(key)] = append(byKey[string(key)], q)
	}
	for key, questions := range byKey {
		setup.Key = []byte(key)
		var probes []vectors.Probe
		for _, q := range questions {
			probes = append(probes, vectors.Probe{Message: &q.Message, Wanted: true})
		}
		answers, err := ask(ctx, start, setup, probes)
		if err != nil {
			return err
		}
		for i, q := range questions {
			if answers[i].Outcome != q.Outcome {
				return fmt.Errorf("%s, expected %s", answers[i].Outcome, q.Outcome)
			}
			q.Reply = keepFormer(q.Reply, answers[i].Reply)
		}
	}
	return nil
}

// course does what a scenario says, and calls each with every answer.
func course(ctx context.Context, folder fs.FS, key []byte, s *vectors.Scenario, start conformance.Start, each func(*vectors.Question, vectors.Result)) (err error) {
	config, err := vectors.ReadConfig(folder, s.Config)
	if err != nil {
		return err
	}
	server, err := start(ctx, conformance.Setup{Dialect: s.Dialect, Name: s.Config, Config: config, Key: key})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	for i := range s.Steps {
		step := &s.Steps[i]
		for j := range step.Changes {
			if err := server.Change(folder, &step.Changes[j]); err != nil {
				return err
			}
		}
		time.Sleep(settled)
		probes := make([]vectors.Probe, len(step.Questions))
		for j := range step.Questions {
			probes[j] = vectors.Probe{Message: &step.Questions[j].Message, Key: step.Questions[j].Key, Wanted: true}
		}
		// A daemon that does not know the key does not answer pings either.
		results, err := server.Target.Exchange(server.Context, probes, unheard, true)
		if err != nil {
			return err
		}
		for j, got := range results {
			each(&step.Questions[j], got)
		}
	}
	return nil
}
