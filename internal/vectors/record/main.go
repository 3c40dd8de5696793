// Command record asks Ganeti's own ganeti-confd every vector of spec/vectors/3.0
// and writes what it answers into the files: run it at the root of the repository
// after a vector was added or changed.
//
//	go run ./internal/vectors/record
//
// A vector without a deviation gets the reply as recorded. One with a deviation
// keeps in "real" what was seen; its own expectation is recorded from its twin, or
// is the daemon's reply in UTF-8 where that one only sent the wrong bytes. Replies
// that hold {REASON} are kept while they match.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gntconfd/internal/vectors"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("record", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "spec/vectors", "the folder of the vectors")
	program := flags.String("daemon", "ganeti-confd", "Ganeti's own ganeti-confd")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := recordAll(ctx, *dir, *program); err != nil {
		fmt.Fprintf(stderr, "record: %v\n", err)
		return 1
	}
	return 0
}

// parallel is how many vectors are under way at a time.
const parallel = 16

// wait is how long after the answer to a later ping an answer may come.
const wait = 200 * time.Millisecond

// keptAnswer is the length, in bytes, up to which an answer that the project does
// not give is worth keeping.
const keptAnswer = 16 << 10

// recordAll asks all vectors and writes the files, or none of them when any vector
// cannot be recorded.
func recordAll(ctx context.Context, dir, program string) (err error) {
	files, err := vectors.Load(os.DirFS(dir), vectors.Dialect)
	if err != nil {
		return err
	}
	if program, err = exec.LookPath(program); err != nil {
		return err
	}
	daemons, stop, err := startDaemons(ctx, files, dir, program)
	if err != nil {
		return err
	}
	var all []*vectors.Vector
	for _, file := range files {
		for i := range file.Vectors {
			all = append(all, &file.Vectors[i])
		}
	}
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		bad   []error
	)
	// Neighbours are asked one after the other: a receive buffer does not hold
	// many of the largest datagrams.
	for part := range slices.Chunk(all, len(all)/parallel+1) {
		group.Go(func() {
			for _, v := range part {
				if err := record(ctx, v, daemons); err != nil {
					mu.Lock()
					bad = append(bad, fmt.Errorf("%s: %w", v.ID, err))
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	if err := errors.Join(append(bad, stop())...); err != nil {
		return err
	}
	for _, file := range files {
		text, err := file.Format()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, vectors.Dialect, file.Area+".json"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// startDaemons starts a daemon for every configuration that the vectors name. The
// function it returns stops them and removes what they wrote.
func startDaemons(ctx context.Context, files []vectors.File, dir, program string) (map[string]*vectors.Daemon, func() error, error) {
	root, err := os.MkdirTemp("", "vectors")
	if err != nil {
		return nil, nil, err
	}
	daemons := make(map[string]*vectors.Daemon)
	stop := func() error {
		var bad []error
		for _, d := range daemons {
			bad = append(bad, d.Stop())
		}
		return errors.Join(append(bad, os.RemoveAll(root))...)
	}
	key, err := os.ReadFile(filepath.Join(dir, "hmac.key"))
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	for _, name := range configs(files) {
		var config []byte
		if name != vectors.MissingConfig {
			if config, err = os.ReadFile(filepath.Join(dir, "configs", name+".json")); err != nil {
				return nil, nil, errors.Join(err, stop())
			}
		}
		d, err := vectors.StartDaemon(ctx, program, filepath.Join(root, name), key, config)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("configuration %s: %w", name, err), stop())
		}
		daemons[name] = d
	}
	return daemons, stop, nil
}

// configs names the configurations that vectors and their twins ask, each once.
func configs(files []vectors.File) []string {
	var names []string
	seen := map[string]bool{"": true}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, file := range files {
		for _, v := range file.Vectors {
			add(v.Config)
			if v.Twin != nil {
				add(v.Twin.Config)
			}
		}
	}
	return names
}

// record asks one vector and brings it up to date.
func record(ctx context.Context, v *vectors.Vector, daemons map[string]*vectors.Daemon) error {
	seen, err := daemons[v.Config].Ask(ctx, &v.Message, wait)
	if err != nil {
		return err
	}
	if v.Deviation == "" {
		return recordPlain(v, seen)
	}
	former := v.Real
	v.Real = &vectors.Real{Outcome: seen.Outcome}
	if seen.Reply != nil && len(seen.Reply.Answer) <= keptAnswer {
		v.Real.Reply = seen.Reply
		if former != nil {
			v.Real.Reply = keep(former.Reply, seen.Reply)
		}
	}
	if v.Outcome.Visible() == vectors.Silent {
		v.Reply = nil
	} else if err := recordOurs(ctx, v, seen, daemons); err != nil {
		return err
	}
	if same(v, seen) {
		return errors.New("the real daemon does the same: no deviation")
	}
	return nil
}

// recordPlain takes over what was seen of a vector that both daemons answer alike.
func recordPlain(v *vectors.Vector, seen vectors.Result) error {
	if v.Outcome.Visible() != seen.Outcome {
		return fmt.Errorf("%s, expected %s: mark a deviation or change the outcome", seen.Outcome, v.Outcome)
	}
	v.Real, v.Reply = nil, keep(v.Reply, seen.Reply)
	return nil
}

// recordOurs finds the reply that the project's daemon must give where the real
// one gives another or none.
func recordOurs(ctx context.Context, v *vectors.Vector, seen vectors.Result, daemons map[string]*vectors.Daemon) error {
	var reply *vectors.Reply
	switch {
	case v.Twin != nil:
		config := v.Config
		if v.Twin.Config != "" {
			config = v.Twin.Config
		}
		twin, err := daemons[config].Ask(ctx, &v.Twin.Message, wait)
		if err != nil {
			return fmt.Errorf("twin: %w", err)
		}
		if twin.Outcome != v.Outcome {
			return fmt.Errorf("twin: %s, expected %s", twin.Outcome, v.Outcome)
		}
		reply = twin.Reply
		if reply.Salt, err = rsalt(&v.Message); err != nil {
			return err
		}
	case seen.Outcome == vectors.Garbled:
		d := daemons[v.Config]
		var err error
		if reply, err = vectors.ParseReply(fromLatin1(seen.Datagram), d.Key, d.Config); err != nil {
			return fmt.Errorf("not to be read as Latin-1 either, give it a twin: %w", err)
		}
	default:
		if v.Reply == nil {
			return errors.New("needs a twin, or a reply with {REASON}")
		}
		return nil
	}
	v.Reply = keep(v.Reply, reply)
	return nil
}

// keep returns former when seen is what it asks for.
func keep(former, seen *vectors.Reply) *vectors.Reply {
	if former != nil && seen != nil && vectors.Compare(former, seen) == nil {
		return former
	}
	return seen
}

// same reports whether the real daemon did what the project's must do.
func same(v *vectors.Vector, seen vectors.Result) bool {
	return v.Outcome.Visible() == seen.Outcome &&
		(v.Reply == nil || vectors.Compare(v.Reply, seen.Reply) == nil)
}

// rsalt is the one that the message asks its reply to be tied with.
func rsalt(m *vectors.Message) (string, error) {
	text := m.Request
	switch {
	case m.RequestText != nil:
		text = []byte(*m.RequestText)
	case m.Datagram != nil:
		text = []byte(m.Datagram.Inner)
	}
	var request struct{ Rsalt string }
	err := json.Unmarshal(text, &request)
	return request.Rsalt, err
}

// fromLatin1 is the UTF-8 of a text that has one byte for each character.
func fromLatin1(text []byte) []byte {
	var out []byte
	for _, b := range text {
		out = append(out, string(rune(b))...)
	}
	return out
}
