package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gntconfd/internal/cluster"
	"gntconfd/internal/sample"
)

// Size is the size of a generated cluster.
type Size struct{ Nodes, Instances int }

func (s Size) String() string { return fmt.Sprintf("%d/%d", s.Nodes, s.Instances) }

// ParseSizes reads sizes: numbers of nodes and instances, at least one of each, such as
// "3/10,1000/10000".
func ParseSizes(text string) ([]Size, error) {
	var sizes []Size
	for _, part := range strings.Split(text, ",") {
		nodes, instances, ok := strings.Cut(strings.TrimSpace(part), "/")
		n, err := strconv.Atoi(nodes)
		m, err2 := strconv.Atoi(instances)
		if !ok || err != nil || err2 != nil || n < 1 || n > sample.MaxNodes || m < 1 || m > sample.MaxInstances {
			return nil, fmt.Errorf("%q is not a number of nodes from 1 to %d, a slash and a number of instances from 1 to %d, such as 3/10",
				part, sample.MaxNodes, sample.MaxInstances)
		}
		if slices.Contains(sizes, Size{n, m}) {
			return nil, fmt.Errorf("%q is there twice", part)
		}
		sizes = append(sizes, Size{n, m})
	}
	return sizes, nil
}

// Loading is what was measured of one daemon when it started, in each round.
type Loading struct {
	Contestant string `json:"contestant"`
	// Start is the time from the start of the process to its first answer.
	Start []float64 `json:"start"`
	// Resident is the memory after loading and answering simple questions.
	Resident int64 `json:"resident"`
}

// noise is the number of broken and forged datagrams a second beside a closed loop.
const noise = 100_000

// Matrix measures all contestants, which it must be able to start, with generated clusters
// of some sizes: each question for itself, simple ones under different loads, starting, and
// writes of the configuration. Of o.Load it takes Window, Sockets and Duration.
func Matrix(ctx context.Context, o Options, w Writes, sizes []Size) (*Report, error) {
	o.Load.Patience = one.Patience
	return o.each(sizes, func(o Options, c *Cluster, config string, snapshot *cluster.Snapshot) error {
		return o.matrix(ctx, w, c, config, snapshot)
	})
}

// each generates a cluster of each size in a file, and calls measure for it.
func (o Options) each(sizes []Size, measure func(o Options, c *Cluster, config string, snapshot *cluster.Snapshot) error) (*Report, error) {
	report := &Report{Contestants: o.Contestants}
	progress := o.Progress
	generated := func(size Size) error {
		dir, err := os.MkdirTemp("", "confdctl-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Progress = func(text string) { progress(size.String() + ": " + text) }
		o.Progress("making the cluster")
		config := filepath.Join(dir, "config.data")
		file, err := os.Create(config)
		if err != nil {
			return err
		}
		err = errors.Join(sample.Generate(file, size.Nodes, size.Instances, 1), file.Close())
		if err != nil {
			return err
		}
		c, snapshot, err := openCluster(size.String(), config)
		if err != nil {
			return err
		}
		if err := measure(o, c, config, snapshot); err != nil {
			return err
		}
		report.Clusters = append(report.Clusters, *c)
		return nil
	}
	for _, size := range sizes {
		if err := generated(size); err != nil {
			return nil, fmt.Errorf("%v: %w", size, err)
		}
	}
	return report, nil
}

// matrix measures with one cluster.
func (o Options) matrix(ctx context.Context, w Writes, c *Cluster, config string, snapshot *cluster.Snapshot) error {
	// All starts but the last one only measure the time.
	c.Loading = make([]Loading, len(o.Contestants))
	started := func(i int, took time.Duration) {
		c.Loading[i].Start = append(c.Loading[i].Start, took.Seconds())
	}
	var servers []*Server
	for range o.Rounds {
		var stop func()
		var err error
		servers, stop, err = o.start(ctx, config, started)
		if err != nil || len(c.Loading[0].Start) < o.Rounds {
			stop()
		} else {
			defer stop()
		}
		if err != nil {
			return err
		}
	}
	if err := o.loading(ctx, c, servers, snapshot); err != nil {
		return err
	}
	c.Loading = slices.DeleteFunc(c.Loading, func(l Loading) bool { return l.Contestant == "" }) // echo servers
	if err := o.writes(ctx, w, c, config, servers, snapshot); err != nil {
		return err
	}
	if err := o.loads(ctx, c, servers, snapshot); err != nil {
		return err
	}
	for _, q := range questions {
		if err := o.ask(ctx, c, servers, q, snapshot); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	return nil
}

// loading measures the memory of the servers that load anything.
func (o *Options) loading(ctx context.Context, c *Cluster, servers []*Server, snapshot *cluster.Snapshot) error {
	topics, err := simple.about(snapshot)
	if err != nil {
		return err
	}
	for i, s := range servers {
		if s.echo {
			continue
		}
		l := &c.Loading[i]
		l.Contestant = o.Contestants[i].Name
		o.Progress("memory, " + l.Contestant)
		if _, err := o.Load.run(ctx, s, topics); err != nil {
			return err
		}
		if l.Resident, _, err = s.memory(); err != nil {
			return err
		}
	}
	return nil
}

// oneAtATime is the load whose latencies are those of an idle server.
const oneAtATime = "one at a time"

// loads measures the servers with simple questions under different loads.
func (o *Options) loads(ctx context.Context, c *Cluster, servers []*Server, snapshot *cluster.Snapshot) error {
	topics, err := simple.about(snapshot)
	if err != nil {
		return err
	}
	for _, load := range []struct {
		name   string
		window int
		share  float64
		noise  float64
		// patience is short where requests are lost: in a closed loop each of them
		// keeps its place until it is given up.
		patience time.Duration
	}{
		{"closed loop", o.Load.Window, 0, 0, time.Second},
		{oneAtATime, 1, 0, 0, time.Second},
		{"half rate", o.Load.Window, 0.5, 0, time.Second},
		{"double rate", o.Load.Window, 2, 0, time.Second},
		{"with noise", o.Load.Window, 0, noise, 50 * time.Millisecond},
	} {
		l := o.Load
		l.Window, l.Share, l.Noise, l.Patience = load.window, load.share, load.noise, load.patience
		compared, err := o.compare(ctx, servers, load.name, topics, slices.Repeat([]Load{l}, len(servers)))
		if err != nil {
			return fmt.Errorf("%s: %w", load.name, err)
		}
		c.Loads = append(c.Loads, compared)
	}
	return nil
}

// simple are everyday questions.
var simple = func() Mix {
	m, err := ParseMix("ping,node-role,node-ip,master")
	if err != nil {
		panic(err) // the names are those of this package
	}
	return m
}()

// one is the load of a single request, which may take long.
var one = Load{Window: 1, Sockets: 1, Duration: 1, Patience: 10 * time.Second}

// ask measures the servers with one question.
func (o *Options) ask(ctx context.Context, c *Cluster, servers []*Server, q question, snapshot *cluster.Snapshot) error {
	topics, err := Mix{{q, 1}}.about(snapshot)
	if err != nil {
		return nil // such as the addresses of a cluster without instances
	}
	loads := make([]Load, len(servers))
	for i, s := range servers {
		// The first request may have to do what all others profit from. What is
		// slow then gets no more requests than it can answer in time, and what
		// does not answer none.
		var r result
		for range 2 {
			if r, err = one.run(ctx, s, topics); err != nil {
				return err
			}
		}
		if r.replies > 0 {
			loads[i] = o.Load
			loads[i].Window = min(o.Load.Window, 1+int(o.Load.Duration/max(r.last, 1)))
		}
	}
	compared, err := o.compare(ctx, servers, q.name, topics, loads)
	c.Questions = append(c.Questions, compared)
	return err
}
