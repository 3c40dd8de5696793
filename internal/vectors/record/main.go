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
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gntconfd/internal/conformance"
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

// parallel is how many daemons run at a time, and batch how many vectors are under
// way against each.
const (
	parallel = 8
	batch    = 100
)

// wait is how long after the answer to a later ping an answer may come.
const wait = 300 * time.Millisecond

// keptAnswer is the length, in bytes, up to which an answer that the project does
// not give is worth keeping.
const keptAnswer = 16 << 10

// setup is what a daemon is started with.
type setup struct {
	config string
	key    string // all bytes of it
}

// seen is what came of a message, and from which daemon.
type seen struct {
	vectors.Result
	from vectors.Target
}

// recordAll asks all vectors and writes the files, or none of them when any vector
// cannot be recorded.
func recordAll(ctx context.Context, dir, program string) error {
	folder := os.DirFS(dir)
	files, err := vectors.Load(folder, vectors.Dialect)
	if err != nil {
		return err
	}
	key, err := fs.ReadFile(folder, "hmac.key")
	if err != nil {
		return err
	}
	start, err := conformance.Command(program, "-f", "--no-user-checks", "-b", "127.0.0.1", "-p", "{port}")
	if err != nil {
		return err
	}
	var all []*vectors.Vector
	probes := make(map[setup][]vectors.Probe)
	for _, file := range files {
		for i := range file.Vectors {
			v := &file.Vectors[i]
			all = append(all, v)
			s := setup{v.Config, string(key)}
			if v.Key != nil {
				s.key = string(v.Key)
			}
			probes[s] = append(probes[s], vectors.Probe{Message: &v.Message, Wanted: v.Deviation == "" && v.Outcome.Visible() != vectors.Silent})
			if v.Twin != nil {
				if v.Twin.Config != "" {
					s.config = v.Twin.Config
				}
				probes[s] = append(probes[s], vectors.Probe{Message: &v.Twin.Message, Wanted: true})
			}
		}
	}

	results := make(map[*vectors.Message]seen)
	var mu sync.Mutex
	group, askCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for s, probes := range probes {
		group.Go(func() error {
			config, err := vectors.ReadConfig(folder, s.config)
			if err != nil {
				return err
			}
			answers, err := ask(askCtx, start, conformance.Setup{Dialect: vectors.Dialect, Name: s.config, Config: config, Key: []byte(s.key)}, probes)
			if err != nil {
				return fmt.Errorf("configuration %s: %w", s.config, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, probe := range probes {
				results[probe.Message] = answers[i]
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var bad []error
	for _, v := range all {
		if err := record(v, results); err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", v.ID, err))
		}
	}
	if err := errors.Join(bad...); err != nil {
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

// ask sends all that one daemon is asked.
func ask(ctx context.Context, start conformance.Start, s conformance.Setup, probes []vectors.Probe) (all []seen, err error) {
	server, err := start(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	for some := range slices.Chunk(probes, batch) {
		results, err := server.Target.Exchange(server.Context, some, wait, false)
		if err != nil {
			return nil, err
		}
		for _, result := range results {
			all = append(all, seen{result, server.Target})
		}
	}
	return all, nil
}

// record brings a vector up to date with what was seen of it and of its twin.
func record(v *vectors.Vector, results map[*vectors.Message]seen) error {
	got := results[&v.Message]
	if got.Err != nil && got.Outcome != vectors.Garbled {
		return got.Err
	}
	if v.Deviation == "" {
		return recordPlain(v, got)
	}
	former := v.Real
	v.Real = &vectors.Real{Outcome: got.Outcome}
	if got.Reply != nil && len(got.Reply.Answer) <= keptAnswer {
		v.Real.Reply = got.Reply
		if former != nil {
			v.Real.Reply = keep(former.Reply, got.Reply)
		}
	}
	if v.Outcome.Visible() == vectors.Silent {
		v.Reply = nil
	} else if err := recordOurs(v, got, results); err != nil {
		return err
	}
	if same(v, got) {
		return errors.New("the real daemon does the same: no deviation")
	}
	return nil
}

// recordPlain takes over what was seen of a vector that both daemons answer alike.
func recordPlain(v *vectors.Vector, got seen) error {
	if v.Outcome.Visible() != got.Outcome {
		return fmt.Errorf("%s, expected %s: mark a deviation or change the outcome", got.Outcome, v.Outcome)
	}
	v.Real, v.Reply = nil, keep(v.Reply, got.Reply)
	return nil
}

// recordOurs finds the reply that the project's daemon must give where the real
// one gives another or none.
func recordOurs(v *vectors.Vector, got seen, results map[*vectors.Message]seen) error {
	var reply *vectors.Reply
	switch {
	case v.Twin != nil:
		twin := results[&v.Twin.Message]
		if twin.Outcome != v.Outcome {
			return fmt.Errorf("twin: %s, expected %s", twin.Outcome, v.Outcome)
		}
		reply = twin.Reply
		var err error
		if reply.Salt, err = rsalt(&v.Message); err != nil {
			return err
		}
	case got.Outcome == vectors.Garbled:
		var err error
		if reply, err = vectors.ParseReply(fromLatin1(got.Datagram), got.from.Key, got.from.Config); err != nil {
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
func same(v *vectors.Vector, got seen) bool {
	return v.Outcome.Visible() == got.Outcome &&
		(v.Reply == nil || vectors.Compare(v.Reply, got.Reply) == nil)
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
