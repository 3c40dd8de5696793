// Package bench measures servers of the confd protocol: CPU time per request, requests a
// second, latencies, and the cost of loading a configuration. Several servers are measured in
// turn, round by round, so that other work on the machine disturbs all of them alike.
//
// Every reply is checked. The first one to each request, and each that differs from
// it, is verified with the key; the others are byte for byte the same.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gntconfd/client"
	"gntconfd/internal/cluster"
	"gntconfd/internal/sample"
)

// Contestant is one of the servers that are compared.
type Contestant struct {
	// Name is the server's name in tables.
	Name string `json:"name"`
	// Command starts the server. It is nil if Server is already running.
	Command Command `json:"-"`
	Server  *Server `json:"-"`
	// Echo reports whether it sends requests back, as the function Echo does.
	Echo bool `json:"echo"`
}

// Options say what is measured and how.
type Options struct {
	// Contestants are measured. The first is the one that all others are
	// compared with.
	Contestants []Contestant
	// Load is how each of them is asked.
	Load Load
	// Rounds is how often each measurement is made.
	Rounds int
	// Progress is called with what is being measured.
	Progress func(string)
}

// Report is what was measured. Times are in seconds, memory is in bytes.
type Report struct {
	Contestants []Contestant `json:"contestants"`
	Clusters    []Cluster    `json:"clusters"`
}

// Check returns an error if a report cannot be the result of a measurement.
func (r *Report) Check() error {
	if len(r.Contestants) == 0 || len(r.Clusters) == 0 {
		return errors.New("no measurement in it")
	}
	for i := range r.Clusters {
		c := &r.Clusters[i]
		var results []int
		for _, l := range slices.Concat(c.Loads, c.Questions) {
			results = append(results, len(l.Results))
		}
		for _, w := range c.Writes {
			results = append(results, len(w.Results))
		}
		if len(results)+len(c.Loading) == 0 {
			return fmt.Errorf("cluster %q: no measurement of it", c.Name)
		}
		for _, n := range results {
			if n != len(r.Contestants) {
				return fmt.Errorf("cluster %q: results of %d daemons, want those of %d", c.Name, n, len(r.Contestants))
			}
		}
	}
	return nil
}

// Cluster is what was measured with one configuration.
type Cluster struct {
	Name string `json:"name"`
	Size int64  `json:"config_bytes"`
	// Loads are mixes of questions under different loads, Questions single ones.
	Loads     []Comparison `json:"loads"`
	Questions []Comparison `json:"questions,omitempty"`
	Loading   []Loading    `json:"loading,omitempty"`
	Writes    []Writing    `json:"writes,omitempty"`
}

// Comparison is what was measured of all contestants with the same requests.
type Comparison struct {
	Name string `json:"name"`
	// Results are those of the contestants, in their order.
	Results []Result `json:"results"`
}

// Result is what was measured of one server in each round; no rounds if it does
// not answer.
type Result []Figures

// Figures are one measurement.
type Figures struct {
	// PerSecond is the number of replies in a second, CPU the server's time for
	// each.
	PerSecond float64 `json:"replies_per_second"`
	CPU       float64 `json:"cpu_seconds_per_reply"`
	Latency   Latency `json:"latency_seconds"`
	// Requests were sent, and then answered or lost. Unsent ones could not be sent in time.
	Sent    int `json:"sent"`
	Replies int `json:"replies"`
	Lost    int `json:"lost"`
	Unsent  int `json:"unsent"`
	// Refused replies are errors. Late ones came after their request counted as lost. Wrong
	// ones are not signed with the key, or belong to no request in flight. Late and wrong ones
	// do not count as replies.
	Refused int `json:"refused"`
	Late    int `json:"late"`
	Wrong   int `json:"wrong"`
	// ReplyBytes is the average size of a reply, SignedBytes that of its signed text.
	ReplyBytes  float64 `json:"reply_bytes"`
	SignedBytes float64 `json:"signed_bytes"`
	// Generator is the CPU time of the sender for each reply. If it is larger than CPU, the
	// server was not at its limit.
	Generator float64 `json:"generator_cpu_seconds_per_reply"`
	// MemoryBefore and MemoryAfter are the server's resident memory.
	MemoryBefore int64 `json:"memory_before"`
	MemoryAfter  int64 `json:"memory_after"`
	// Before and After are replies a second in a closed loop without noise, if that was
	// measured.
	Before float64 `json:"replies_per_second_before,omitempty"`
	After  float64 `json:"replies_per_second_after,omitempty"`
}

// Latency is how long requests took, in an open loop from when they were due.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// Run measures all contestants with a mix of questions about one configuration,
// which those that it starts serve. name is that of the cluster in the report. A
// contestant that does not reply is an error, client.ErrNoReply.
func Run(ctx context.Context, o Options, name, config string, mix Mix) (*Report, error) {
	c, snapshot, err := openCluster(name, config)
	if err != nil {
		return nil, err
	}
	topics, err := mix.about(snapshot)
	if err != nil {
		return nil, err
	}
	servers, stop, err := o.start(ctx, config, nil)
	defer stop()
	if err != nil {
		return nil, err
	}
	for i, s := range servers {
		if s.command != nil {
			continue // and has answered
		}
		if err := s.replies(ctx, max(o.Load.Patience, firstPatience)); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Contestants[i].Name, err)
		}
	}
	loads := slices.Repeat([]Load{o.Load}, len(servers))
	compared, err := o.compare(ctx, servers, "mix", topics, loads)
	if err != nil {
		return nil, err
	}
	for i, rounds := range compared.Results {
		if !slices.ContainsFunc(rounds, func(f Figures) bool { return f.Replies > 0 }) {
			return nil, fmt.Errorf("%s: %w to any of %d requests", o.Contestants[i].Name, client.ErrNoReply, sent(rounds))
		}
	}
	c.Loads = append(c.Loads, compared)
	return &Report{Contestants: o.Contestants, Clusters: []Cluster{*c}}, nil
}

// sent returns the number of requests in all rounds.
func sent(rounds Result) int {
	n := 0
	for _, f := range rounds {
		n += f.Sent
	}
	return n
}

// compare measures each server with its load, in turn, round by round. A load
// without a window is none. Echo servers send replies as long as those of the first
// server, which is measured before them.
func (o *Options) compare(ctx context.Context, servers []*Server, name string, topics []topic, loads []Load) (Comparison, error) {
	c := Comparison{Name: name, Results: make([]Result, len(servers))}
	for round := range o.Rounds {
		for i, s := range servers {
			if loads[i].Window == 0 {
				continue
			}
			o.Progress(fmt.Sprintf("round %d of %d: %s, %s", round+1, o.Rounds, name, o.Contestants[i].Name))
			if s.echo && round == 0 {
				var size order
				if first := c.Results[0]; len(first) > 0 && !servers[0].echo {
					size = newOrder(first[0])
				}
				if err := s.order(ctx, size); err != nil {
					return c, fmt.Errorf("%s: %w", o.Contestants[i].Name, err)
				}
			}
			f, err := s.measure(ctx, loads[i], topics)
			if err != nil {
				return c, fmt.Errorf("%s: %w", o.Contestants[i].Name, err)
			}
			c.Results[i] = append(c.Results[i], f)
		}
	}
	return c, nil
}

// openCluster reads a configuration to ask about.
func openCluster(name, config string) (*Cluster, *cluster.Snapshot, error) {
	data, err := os.ReadFile(config)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := cluster.Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", config, err)
	}
	return &Cluster{Name: name, Size: int64(len(data))}, snapshot, nil
}

// start starts the contestants that do not run already. It hands the time until the
// first answer to started, unless that is nil. The servers must be stopped in any
// case.
func (o *Options) start(ctx context.Context, config string, started func(i int, took time.Duration)) (servers []*Server, stop func(), err error) {
	dir, err := os.MkdirTemp("", "confdctl-bench-")
	stop = func() {
		for _, s := range servers {
			s.stop()
		}
		os.RemoveAll(dir)
	}
	for i, c := range o.Contestants {
		if err != nil {
			break
		}
		s := c.Server
		if s == nil {
			o.Progress("starting " + c.Name)
			var took time.Duration
			s, took, err = start(ctx, c.Command, filepath.Join(dir, fmt.Sprint(i)), config, sample.Key, c.Echo)
			if err != nil {
				err = fmt.Errorf("%s: %w", c.Name, err)
				break
			}
			if started != nil {
				started(i, took)
			}
		}
		servers = append(servers, s)
	}
	return servers, stop, err
}

// attempts is how many closed loops in a row may end without a reply.
const attempts = 10

// measure puts a server under load.
func (s *Server) measure(ctx context.Context, l Load, topics []topic) (Figures, error) {
	var f Figures
	closed := l
	closed.Rate, closed.Share, closed.Noise, closed.Hostile, closed.Duration = 0, 0, 0, 0, min(l.Duration, time.Second)
	closed.Patience = max(l.Patience, time.Second) // a slow server shall show what it can, too
	compare := l.Share > 0 || l.Noise > 0 || l.Hostile > 0
	if compare {
		for range attempts { // on a busy machine a short one may not get to run at all
			r, err := closed.run(ctx, s, topics)
			if err != nil {
				return f, err
			}
			if f.Before = r.perSecond(); f.Before > 0 {
				break
			}
		}
		if f.Before == 0 {
			return f, nil // as little can be said of its answers under a load as without
		}
		if l.Share > 0 {
			l.Rate = l.Share * f.Before
		}
	}
	callers, err := l.prepare(ctx, s, topics)
	defer closeAll(callers)
	if err != nil {
		return f, err
	}
	before, err := s.usage()
	if err != nil {
		return f, err
	}
	r, err := l.drive(ctx, s, callers)
	if err != nil {
		return f, err
	}
	after, err := s.usage()
	if err != nil {
		return f, err
	}
	r.fill(&f)
	f.CPU = (after.cpu - before.cpu).Seconds() / float64(max(r.replies, 1))
	f.Generator = (after.own - before.own).Seconds() / float64(max(r.replies, 1))
	f.MemoryBefore, f.MemoryAfter = before.resident, after.resident
	if compare {
		r, err := closed.run(ctx, s, topics)
		if err != nil {
			return f, err
		}
		f.After = r.perSecond()
	}
	return f, nil
}

// perSecond returns the number of replies a second, of which the last may have
// come after the last request.
func (r *result) perSecond() float64 {
	if r.last == 0 {
		return 0
	}
	return float64(r.replies) / r.last.Seconds()
}

// fill sets the figures that follow from a result.
func (r *result) fill(f *Figures) {
	f.PerSecond = r.perSecond()
	at := func(percentile float64) float64 {
		return time.Duration(r.latency.ValueAtQuantile(percentile)).Seconds()
	}
	f.Latency = Latency{at(50), at(90), at(99), at(99.9), time.Duration(r.latency.Max()).Seconds()}
	f.Sent, f.Replies, f.Lost, f.Unsent = r.sent, r.replies, r.lost, r.unsent
	f.Refused, f.Late, f.Wrong = r.refused, r.late, r.wrong
	f.ReplyBytes = float64(r.bytes) / float64(max(r.replies, 1))
	f.SignedBytes = float64(r.text) / float64(max(r.replies, 1))
}

// usage is the CPU time and memory of a server, and the CPU time of this process.
type usage struct {
	own, cpu       time.Duration
	resident, peak int64
}

// usage returns what a server takes, nothing if its process is not known.
func (s *Server) usage() (u usage, err error) {
	if u.own, err = cpuTime(os.Getpid()); err != nil || s.PID == 0 {
		return u, err
	}
	if u.cpu, err = cpuTime(s.PID); err != nil {
		return u, err
	}
	u.resident, u.peak, err = s.memory()
	return u, err
}
