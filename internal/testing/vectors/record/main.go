// Command record sends every vector of spec/vectors/3.0 to Ganeti's own ganeti-confd of
// each release and writes the replies into the files. Run it in the root of the repository
// after adding or changing a vector.
//
//	go run ./internal/testing/vectors/record
//
// A vector without a deviation gets the recorded reply, which must be the same for all
// releases. A vector with a deviation keeps in "real" the replies of the releases that
// differ from it; its own reply is recorded from its twin, or is the newest daemon's reply
// in UTF-8 if that daemon only sent the wrong bytes, or is this project's own reply. Replies that contain {REASON} are kept
// while they match.
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
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/interop/judges"
	"gntconfd/internal/testing/vectors"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("record", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "spec/vectors", "the folder of the vectors")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := recordAll(ctx, *dir); err != nil {
		fmt.Fprintf(stderr, "record: %v\n", err)
		return 1
	}
	return 0
}

// The errors for a vector with a missing or an unnecessary deviation.
var (
	errUnmarked    = errors.New("mark a deviation or change the outcome")
	errNoDeviation = errors.New("the real daemons all do the same: remove the deviation")
)

// parallel is how many daemons run at a time, and batch how many vectors are in progress
// for each.
const (
	parallel = 8
	batch    = 100
)

// wait is how long after the answer to a later ping an answer may come: a large one takes a
// while on a busy machine.
const wait = 2 * time.Second

// keptAnswer is the maximum length, in bytes, of an answer of Ganeti's that is worth
// keeping in "real".
const keptAnswer = 16 << 10

// setup is the configuration and key to start a daemon with.
type setup struct {
	config string // the ID of its Content
	key    string // all bytes of it
}

// observation is the result of a message, and the daemon that gave it.
type observation struct {
	vectors.Result
	from   vectors.Target
	config []byte // that it served
}

// results has the result of each message.
type results map[*vectors.Message]observation

// recording is what one release's daemon did.
type recording struct {
	release string
	results
}

// recordAll sends all vectors and writes the files. It writes none of them if a vector
// cannot be recorded.
func recordAll(ctx context.Context, dir string) error {
	folder := os.DirFS(dir)
	files, err := vectors.Load(folder, vectors.Dialect)
	if err != nil {
		return err
	}
	key, err := fs.ReadFile(folder, "hmac.key")
	if err != nil {
		return err
	}
	var all []*vectors.Vector
	probes, own := make(map[setup][]vectors.Probe), make(map[setup][]vectors.Probe)
	for _, file := range files {
		for i := range file.Vectors {
			v := &file.Vectors[i]
			all = append(all, v)
			s := setup{v.Content().ID(), string(key)}
			if v.Key != nil {
				s.key = string(v.Key)
			}
			probes[s] = append(probes[s], vectors.Probe{Message: &v.Message, Wanted: v.Deviation != "" || v.Outcome.Visible() != vectors.Silent})
			if v.Twin == nil && v.Deviation != "" {
				own[s] = append(own[s], vectors.Probe{Message: &v.Message, Wanted: v.Outcome.Visible() != vectors.Silent})
			}
			if v.Twin != nil {
				if v.Twin.Config != "" {
					s.config = vectors.Content{Config: v.Twin.Config}.ID()
				}
				probes[s] = append(probes[s], vectors.Probe{Message: &v.Twin.Message, Wanted: true})
			}
		}
	}

	var recordings []recording
	for _, judge := range judges.All() {
		if err := judge.Check(); err != nil {
			return err
		}
		start, err := conformance.Command(judge.Args("127.0.0.1", "{port}")...)
		if err != nil {
			return err
		}
		answers, err := askAll(ctx, start, folder, probes)
		if err != nil {
			return fmt.Errorf("release %s: %w", judge.Release, err)
		}
		recordings = append(recordings, recording{judge.Release, answers})
	}
	ours, err := askAll(ctx, conformance.Own, folder, own)
	if err != nil {
		return err
	}
	var bad []error
	for _, v := range all {
		if err := record(v, recordings, ours[&v.Message]); err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", v.ID, err))
		}
	}
	if err := errors.Join(bad...); err != nil {
		return err
	}
	if err := write(dir, files); err != nil {
		return err
	}
	if err := recordOwn(ctx, dir, key); err != nil {
		return err
	}
	return recordScenarios(ctx, dir, key)
}

// write writes the files of a dialect.
func write(dir string, files []vectors.File) error {
	for _, file := range files {
		text, err := file.Format()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file.Dialect, file.Area+".json"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// recordOwn records the vectors of configurations that Ganeti's daemons do not load, as other
// releases wrote them, from this project's daemon. A test compares its answers with those of
// Ganeti's after cfgupgrade.
func recordOwn(ctx context.Context, dir string, key []byte) error {
	files, err := vectors.Load(os.DirFS(dir), vectors.AutoDialect)
	if err != nil {
		return err
	}
	var bad []error
	for _, file := range files {
		byContent := make(map[string][]*vectors.Vector)
		for i := range file.Vectors {
			v := &file.Vectors[i]
			byContent[v.Content().ID()] = append(byContent[v.Content().ID()], v)
		}
		for _, same := range byContent {
			content := same[0].Content()
			config, err := content.Read(os.DirFS(dir))
			if err != nil {
				return err
			}
			probes := make([]vectors.Probe, len(same))
			for i, v := range same {
				probes[i] = vectors.Probe{Message: &v.Message, Wanted: v.Outcome.Visible() != vectors.Silent}
			}
			answers, err := ask(ctx, conformance.Own, conformance.Setup{Dialect: file.Dialect, Name: content.Config, Config: config, Key: key}, probes)
			if err != nil {
				return err
			}
			for i, v := range same {
				if answers[i].Outcome != v.Outcome.Visible() {
					bad = append(bad, fmt.Errorf("%s: %s, expected %s", v.ID, answers[i].Outcome, v.Outcome))
				}
				v.Reply = keepFormer(v.Reply, answers[i].Reply)
			}
		}
	}
	if err := errors.Join(bad...); err != nil {
		return err
	}
	return write(dir, files)
}

// askAll sends all messages to daemons, one for each setup.
func askAll(ctx context.Context, start conformance.Start, folder fs.FS, probes map[setup][]vectors.Probe) (results, error) {
	all := make(results)
	var mu sync.Mutex
	group, askCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for s, probes := range probes {
		group.Go(func() error {
			var content vectors.Content
			if err := json.Unmarshal([]byte(s.config), &content); err != nil {
				return err
			}
			config, err := content.Read(folder)
			if err != nil {
				return err
			}
			answers, err := ask(askCtx, start, conformance.Setup{Dialect: vectors.Dialect, Name: content.Config, Config: config, Key: []byte(s.key)}, probes)
			if err != nil {
				return fmt.Errorf("configuration %s: %w", s.config, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, probe := range probes {
				answers[i].config = config
				all[probe.Message] = answers[i]
			}
			return nil
		})
	}
	return all, group.Wait()
}

// ask sends all messages for one daemon.
func ask(ctx context.Context, start conformance.Start, s conformance.Setup, probes []vectors.Probe) (all []observation, err error) {
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
			all = append(all, observation{Result: result, from: server.Target})
		}
	}
	return all, nil
}

// record updates a vector with what each release did with it and its twin; own is what this
// project's daemon did, if the vector has a deviation and no twin. The newest
// release comes last, and is right if they differ.
func record(v *vectors.Vector, releases []recording, own observation) error {
	for _, said := range releases {
		if got := said.results[&v.Message]; got.Err != nil && got.Outcome != vectors.Garbled {
			return fmt.Errorf("release %s: %w", said.release, got.Err)
		}
	}
	newest := releases[len(releases)-1].results
	if v.Deviation == "" {
		v.Reply = keepFormer(v.Reply, newest[&v.Message].Reply)
	} else if v.Outcome.Visible() == vectors.Silent {
		v.Reply = nil
	} else if err := recordOurs(v, newest, own); err != nil {
		return err
	}
	former := v.Real
	v.Real = nil
	var last observation
	for _, said := range releases {
		got := said.results[&v.Message]
		switch {
		case v.Outcome.Visible() == got.Outcome && alike(v.Reply, got.Reply):
			continue
		case v.Deviation == "":
			return fmt.Errorf("release %s: %s, expected %s: %w", said.release, got.Outcome, v.Outcome, errUnmarked)
		case v.Real != nil && last.Outcome == got.Outcome && alike(last.Reply, got.Reply):
			latest := &v.Real[len(v.Real)-1]
			latest.Releases = append(latest.Releases, said.release)
			continue
		}
		last = got
		v.Real = append(v.Real, vectors.Real{Releases: []string{said.release}, Outcome: got.Outcome, Reply: keepReal(former, got.Reply)})
	}
	if v.Deviation != "" && v.Real == nil {
		return errNoDeviation
	}
	return nil
}

// keepReal returns the part of a real reply to keep: nothing if it is too long, and the old
// text if it means the same.
func keepReal(former []vectors.Real, got *vectors.Reply) *vectors.Reply {
	if got == nil || len(got.Answer) > keptAnswer {
		return nil
	}
	for _, real := range former {
		if real.Reply != nil && vectors.Compare(real.Reply, got) == nil {
			return real.Reply
		}
	}
	return got
}

// recordOurs finds the reply that this project's daemon must give if a real one gives
// another or none.
func recordOurs(v *vectors.Vector, newest results, own observation) error {
	got := newest[&v.Message]
	var reply *vectors.Reply
	switch {
	case v.Twin != nil:
		twin := newest[&v.Twin.Message]
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
		if reply, err = vectors.ParseReply(fromLowBytes(got.Datagram, string(got.config)), got.from.Key, got.from.Config); err != nil {
			return fmt.Errorf("its signature is not of the text that was meant, add a twin: %w", err)
		}
		if vectors.OutcomeOf(reply) != v.Outcome && own.Outcome == v.Outcome { // more than the bytes is wrong
			reply = own.Reply
		}
	case own.Outcome != v.Outcome:
		return fmt.Errorf("this project's daemon: %s, expected %s", own.Outcome, v.Outcome)
	default:
		reply = own.Reply
	}
	v.Reply = keepFormer(v.Reply, reply)
	return nil
}

// keepFormer returns former if seen matches it.
func keepFormer(former, seen *vectors.Reply) *vectors.Reply {
	if former != nil && seen != nil && vectors.Compare(former, seen) == nil {
		return former
	}
	return seen
}

// alike reports whether two replies, or two missing replies, mean the same.
func alike(want, got *vectors.Reply) bool {
	if want == nil || got == nil {
		return want == got
	}
	return vectors.Compare(want, got) == nil
}

// rsalt returns the rsalt of a message.
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

// fromLowBytes returns the text of which only the lowest byte of each character is left. A
// byte stands for the last character of a configuration beyond Latin-1 that ends in it, or
// else for itself.
func fromLowBytes(text []byte, config string) []byte {
	meant := make(map[byte]rune)
	for _, c := range config {
		if c > 0xff {
			meant[byte(c)] = c
		}
	}
	var out []byte
	for _, b := range text {
		c, ok := meant[b]
		if !ok {
			c = rune(b)
		}
		out = utf8.AppendRune(out, c)
	}
	return out
}
