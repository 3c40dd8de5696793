package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gntconfd/internal/testing/vectors"
)

// Setup has what an implementation is started with.
type Setup struct {
	Dialect string
	Name    string // of the configuration
	Edited  bool   // whether something in it is replaced
	Config  []byte // the content of config.data; nil if there is none
	Key     []byte // the content of hmac.key
	Clock   int64  // the time at which its clock is stopped, in seconds since 1970; 0 for the system clock
	Mute    bool   // whether it answers nothing at all with this configuration
}

// Server is a running implementation.
type Server struct {
	Target vectors.Target
	Root   string // the folder with its files, as in GANETI_ROOTDIR; empty if the suite must not change them
	// Context ends when the implementation exits; its cause says why.
	Context context.Context
	// Stop stops the implementation and removes its files.
	Stop func() error
}

// Start starts an implementation, and waits until it answers.
type Start func(context.Context, Setup) (*Server, error)

// muteStart is how long a program that answers nothing has to start.
const muteStart = time.Second

func (s *Server) ready(setup Setup) error {
	if !setup.Mute {
		return s.Target.Ready(s.Context)
	}
	select {
	case <-s.Context.Done():
		return context.Cause(s.Context)
	case <-time.After(muteStart):
		return nil
	}
}

// ErrSkip is returned by a Start that cannot provide a setup.
var ErrSkip = errors.New("skipped")

// Running returns a Start for an implementation that is already running, with one
// configuration and one key.
func Running(addr netip.AddrPort, config string, key []byte) Start {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	return func(ctx context.Context, s Setup) (*Server, error) {
		switch {
		case s.Name != config || s.Edited:
			return nil, fmt.Errorf("%w: the daemon serves another configuration", ErrSkip)
		case !bytes.Equal(s.Key, key):
			return nil, fmt.Errorf("%w: the daemon has another key", ErrSkip)
		}
		server := &Server{
			Context: ctx,
			Target:  vectors.Target{Addr: addr, Key: key, Config: "/var/lib/ganeti/config.data", Clock: s.Clock},
			Stop:    func() error { return nil },
		}
		return server, server.ready(s)
	}
}

// Options say what to test, and how.
type Options struct {
	Subject  string // the name of the implementation in reports
	Start    Start
	Files    fs.FS         // the folder of the vectors
	Dialects []string      // folders in it
	Key      []byte        // replaces hmac.key, for vectors without their own key
	Clock    int64         // see Setup
	Ganeti   string        // the Ganeti release whose daemon's answers are expected; "" for this project's
	Timeout  time.Duration // how long to wait for an expected answer, and four times that for a change to be noticed
	Choice
}

// group is the vectors that share a setup.
type group struct {
	setup   Setup
	vectors []*test
}

// test is a vector with its result.
type test struct {
	vectors.Vector
	result *Result
}

// Cases lists all tests, in report order.
func (o *Options) Cases() ([]Case, error) {
	all, err := o.load()
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, d := range all {
		for _, v := range d.vectors {
			cases = append(cases, caseOf(d.name, &v))
		}
		for _, s := range d.scenarios {
			cases = append(cases, caseOfScenario(&s))
		}
	}
	return cases, nil
}

// dialect has what there is to test of a dialect.
type dialect struct {
	name      string
	vectors   []vectors.Vector
	scenarios []vectors.Scenario
}

// load reads what there is to test of the dialects.
func (o *Options) load() ([]dialect, error) {
	over, err := vectors.LoadScenarios(o.Files)
	if err != nil {
		return nil, err
	}
	var all []dialect
	for _, name := range o.Dialects {
		d := dialect{name: name}
		files, err := vectors.Load(o.Files, name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			d.vectors = append(d.vectors, file.Vectors...)
		}
		for _, file := range over {
			for _, s := range file.Scenarios {
				if s.Dialect == name {
					d.scenarios = append(d.scenarios, s)
				}
			}
		}
		all = append(all, d)
	}
	return all, nil
}

func caseOf(dialect string, v *vectors.Vector) Case {
	return Case{ID: dialect + "/" + v.ID, Note: v.Note, File: dialect + "/" + path.Dir(v.ID) + ".json", Rule: v.Rule, Claim: v.Claim, Deviation: v.Deviation}
}

// Releases lists the Ganeti releases that the vectors know, oldest first.
func Releases() []string {
	return slices.Concat(vectors.Releases[vectors.ClassicDialect], vectors.Releases[vectors.Dialect])
}

// Dialects lists the dialects of the vectors.
func Dialects(files fs.FS) ([]string, error) {
	folders, err := fs.Glob(files, "[0-9]*")
	slices.Reverse(folders)
	return append(folders, vectors.AutoDialect), err
}

// parallel is how many implementations run at a time: most of the time is spent waiting for
// replies that must not come, and for changes to be noticed. batch is how many vectors have open sockets at a time for
// each implementation.
const (
	parallel = 16
	batch    = 100
)

// RunServer runs the vectors and scenarios against an implementation, which is started once
// per configuration and key, and once per scenario. The error is about the suite itself; failures of the
// implementation are in the report.
func RunServer(ctx context.Context, o Options) (*Report, error) {
	report := &Report{Subject: o.Subject, Release: Release()}
	groups, scenarios, err := o.selected(report)
	if err != nil {
		return nil, err
	}
	all, err := o.Cases()
	if err != nil {
		return nil, err
	}
	progress := o.Counting(len(report.Results))
	limit := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for _, g := range groups {
		running.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			o.runGroup(ctx, g, progress)
		})
	}
	for _, s := range scenarios {
		running.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			o.runScenario(ctx, s)
			progress(1)
		})
	}
	running.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o.Finish(report, all)
	return report, nil
}

// selected reads the vectors and scenarios, adds the selected ones to the report, and groups
// the vectors with the same setup.
func (o *Options) selected(report *Report) (groups []*group, scenarios []*scenario, err error) {
	type id struct{ dialect, config, key string }
	byID := make(map[id]*group)
	all, err := o.load()
	if err != nil {
		return nil, nil, err
	}
	for _, d := range all {
		for _, v := range d.vectors {
			key := o.Key
			if v.Key != nil {
				key = v.Key
			}
			id := id{d.name, v.Content().ID(), string(key)}
			g := byID[id]
			if g == nil {
				config, err := v.Content().Read(o.Files)
				if err != nil {
					return nil, nil, err
				}
				g = &group{setup: Setup{Dialect: d.name, Name: v.Config, Edited: v.Edits != nil, Config: config, Key: key, Clock: o.Clock}}
				byID[id] = g
				groups = append(groups, g)
			}
			if v.Outcome == vectors.DroppedDisabled {
				g.setup.Mute = true
			}
			c := caseOf(d.name, &v)
			if o.chosen(c) {
				t := &test{Vector: v, result: &Result{Case: c}}
				report.Results = append(report.Results, t.result)
				g.vectors = append(g.vectors, t)
			}
		}
		for _, s := range d.scenarios {
			if c := caseOfScenario(&s); o.chosen(c) {
				t := &scenario{Scenario: s, result: &Result{Case: c}}
				report.Results = append(report.Results, t.result)
				scenarios = append(scenarios, t)
			}
		}
	}
	return groups, scenarios, nil
}

// runGroup runs the vectors of a group. An implementation that exits or stops answering is
// started again for the remaining ones.
func (o *Options) runGroup(ctx context.Context, g *group, progress func(int)) {
	for rest := g.vectors; len(rest) > 0 && ctx.Err() == nil; {
		server, err := o.Start(ctx, g.setup)
		if err != nil {
			for _, t := range rest {
				t.result.End(err)
			}
			progress(len(rest))
			return
		}
		for len(rest) > 0 && err == nil {
			var done int
			done, err = o.runBatch(server, rest[:min(batch, len(rest))], g.setup.Mute)
			progress(done)
			rest = rest[done:]
		}
		if stopErr := server.Stop(); err == nil && stopErr != nil {
			g.vectors[len(g.vectors)-1].result.End(stopErr)
		}
	}
}

// runBatch runs vectors against a server and returns how many of them are finished. After
// an error the server can no longer be used.
func (o *Options) runBatch(server *Server, tests []*test, mute bool) (int, error) {
	probes := make([]vectors.Probe, len(tests))
	for i, t := range tests {
		outcome, _ := t.Expected(o.Ganeti)
		known := o.Known.find(t.result.Case) != nil
		probes[i] = vectors.Probe{Message: &t.Message, Wanted: outcome != vectors.Silent && !known}
	}
	results, err := server.Target.Exchange(server.Context, probes, o.Timeout, mute)
	for i, got := range results {
		t := tests[i]
		t.result.Details = t.details(got, o.Ganeti)
		t.result.End(t.Judge(got, o.Ganeti))
	}
	if err != nil && len(results) < len(tests) {
		if cause := context.Cause(server.Context); cause != nil {
			err = cause
		}
		t := tests[len(results)]
		t.result.Details = t.details(vectors.Result{}, o.Ganeti)
		t.result.End(err)
		return len(results) + 1, err
	}
	return len(results), context.Cause(server.Context)
}

// shown is how many bytes of a text a report shows.
const shown = 1000

// alike lists the Ganeti releases whose own daemon differs from this project's and does
// what was seen here.
func (t *test) alike(got vectors.Result) []string {
	var releases []string
	for _, real := range t.Real {
		if t.Judge(got, real.Releases[0]) == nil {
			releases = append(releases, real.Releases...)
		}
	}
	return releases
}

// details lists what was sent, expected and received.
func (t *test) details(got vectors.Result, ganeti string) []Detail {
	outcome, reply := t.Expected(ganeti)
	details := []Detail{{"configuration", t.Config}}
	for _, edit := range t.Edits {
		details = append(details, Detail{"with", fmt.Sprintf("%.200q for %.200q", edit[1], edit[0])})
	}
	if t.Key != nil {
		details = append(details, Detail{"key", readable(t.Key)})
	}
	if got.Sent != nil {
		details = append(details, Detail{"sent", readable(got.Sent)})
	}
	want := string(outcome)
	if outcome == vectors.Silent {
		want = "no answer"
		if t.Outcome.Visible() == vectors.Silent {
			want += fmt.Sprintf(" (%s)", t.Outcome)
		}
	}
	details = append(details, Detail{"expected", want + readableReply(reply)})
	if got.Outcome == "" {
		return details
	}
	text := "no answer"
	switch {
	case got.Reply != nil:
		text = string(got.Outcome) + readableReply(got.Reply)
	case got.Datagram != nil:
		text = string(got.Outcome) + " " + readable(got.Datagram)
	}
	details = append(details, Detail{"got", text})
	if t.Deviation == "" {
		return details
	}
	about := t.Deviation
	if ganeti != "" {
		if t.Judge(got, "") == nil {
			about += ", this project differs on purpose"
		}
	} else if like := t.alike(got); len(like) > 0 {
		about += ", Ganeti's own daemon does the same in " + strings.Join(like, " and ")
	}
	return append(details, Detail{"deviation", about + ". " + deviations()[t.Deviation]})
}

// readableReply returns a reply as in the vectors, to follow its outcome.
func readableReply(r *vectors.Reply) string {
	if r == nil {
		return ""
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return ""
	}
	return " " + readable(bytes.TrimSpace(text.Bytes()))
}

// readable returns the beginning of an arbitrary text, escaped.
func readable(text []byte) string {
	var out strings.Builder
	for i := 0; i < len(text) && i < shown; {
		c, size := utf8.DecodeRune(text[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&out, `\x%02x`, c)
		default:
			out.WriteRune(c)
		}
		i += size
	}
	if len(text) > shown {
		fmt.Fprintf(&out, "... (%d bytes)", len(text))
	}
	return out.String()
}
