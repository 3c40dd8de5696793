package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	"gntconfd/internal/sample"
)

// Size is how large a made-up cluster is.
type Size struct{ Nodes, Instances int }

func (s Size) String() string { return fmt.Sprintf("%d/%d", s.Nodes, s.Instances) }

// ParseSizes reads sizes: numbers of nodes and instances, such as
// "3/10,1000/10000".
func ParseSizes(text string) ([]Size, error) {
	var sizes []Size
	for _, part := range strings.Split(text, ",") {
		nodes, instances, ok := strings.Cut(strings.TrimSpace(part), "/")
		n, err := strconv.Atoi(nodes)
		m, err2 := strconv.Atoi(instances)
		if !ok || err != nil || err2 != nil {
			return nil, fmt.Errorf("sizes %q: %q is not a number of nodes, a slash and a number of instances", text, part)
		}
		sizes = append(sizes, Size{n, m})
	}
	return sizes, nil
}

// Loading is what was measured of one daemon about its configuration, in each
// round.
type Loading struct {
	Contestant string `json:"contestant"`
	// Start is the time from the start of the process to its first answer.
	Start []float64 `json:"start"`
	// Fresh is the time from the rename of a changed configuration to the first
	// answer from it, with reloadRate requests a second meanwhile.
	Fresh []float64 `json:"fresh"`
	// Meanwhile is what became of these requests.
	Meanwhile Result `json:"meanwhile"`
	// Resident is the memory after loading and answering simple questions, Peak
	// the most there was while it loaded anew after that.
	Resident int64     `json:"resident"`
	Peak     []float64 `json:"peak"`
}

const (
	// reloadRate is the number of requests a second that a daemon gets while it
	// loads.
	reloadRate = 500
	// noise is the number of broken and forged datagrams a second beside a closed
	// loop.
	noise = 100_000
)

// Matrix measures all contestants, which it must be able to start, with made-up
// clusters of some sizes: each question for itself, simple ones under different
// loads, and the loading of the configuration. Of o.Load it takes Window, Sockets and
// Duration.
func Matrix(ctx context.Context, o Options, sizes []Size) (*Report, error) {
	report := &Report{Contestants: o.Contestants}
	o.Load.Patience = one.Patience
	for _, size := range sizes {
		c, err := o.matrix(ctx, size)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", size, err)
		}
		report.Clusters = append(report.Clusters, *c)
	}
	return report, nil
}

// matrix measures with a cluster of one size.
func (o Options) matrix(ctx context.Context, size Size) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "confdctl-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	progress := o.Progress
	o.Progress = func(text string) { progress(size.String() + ": " + text) }
	o.Progress("making the cluster")
	config := filepath.Join(dir, "config.data")
	file, err := os.Create(config)
	if err != nil {
		return nil, err
	}
	err = errors.Join(sample.Generate(file, size.Nodes, size.Instances, 1), file.Close())
	if err != nil {
		return nil, err
	}
	c, snapshot, err := openCluster(size.String(), config)
	if err != nil {
		return nil, err
	}

	// All but the last start are only for their time.
	c.Loading = make([]Loading, len(o.Contestants))
	started := func(i int, took time.Duration) {
		c.Loading[i].Start = append(c.Loading[i].Start, took.Seconds())
	}
	var servers []*Server
	for range o.Rounds {
		var stop func()
		servers, stop, err = o.start(ctx, config, started)
		if err != nil || len(c.Loading[0].Start) < o.Rounds {
			stop()
		} else {
			defer stop()
		}
		if err != nil {
			return nil, err
		}
	}
	if err := o.loading(ctx, c, servers, snapshot); err != nil {
		return nil, err
	}
	c.Loading = slices.DeleteFunc(c.Loading, func(l Loading) bool { return l.Fresh == nil }) // echo servers
	if err := o.loads(ctx, c, servers, snapshot); err != nil {
		return nil, err
	}
	for _, q := range questions {
		if err := o.ask(ctx, c, servers, q, snapshot); err != nil {
			return nil, fmt.Errorf("%s: %w", q.name, err)
		}
	}
	return c, nil
}

// loading measures memory and reloads of the servers that load anything.
func (o *Options) loading(ctx context.Context, c *Cluster, servers []*Server, snapshot *cluster.Snapshot) error {
	topics, err := simple.about(snapshot)
	if err != nil {
		return err
	}
	serial := snapshot.Serial
	for round := range o.Rounds {
		serial++
		for i, s := range servers {
			l := &c.Loading[i]
			l.Contestant = o.Contestants[i].Name
			if s.echo {
				continue
			}
			o.Progress(fmt.Sprintf("round %d of %d: loading, %s", round+1, o.Rounds, l.Contestant))
			if round == 0 {
				if _, err := o.Load.run(ctx, s, topics); err != nil {
					return err
				}
				if l.Resident, _, err = s.memory(); err != nil {
					return err
				}
			}
			if err := s.reload(ctx, l, serial, topics, o.Load.Duration); err != nil {
				return fmt.Errorf("%s: %w", l.Contestant, err)
			}
		}
	}
	return nil
}

// reload replaces the configuration by one with another serial number of the
// cluster, under load, which goes on for least around it so that there is something
// to say about its latencies.
func (s *Server) reload(ctx context.Context, l *Loading, serial int64, topics []topic, least time.Duration) error {
	data, err := os.ReadFile(s.config)
	if err != nil {
		return err
	}
	if data, err = withSerial(data, serial); err != nil {
		return err
	}
	if err := os.WriteFile(s.config+".new", data, 0o600); err != nil {
		return err
	}
	// A daemon may leave a change lie for as long after the one before.
	time.Sleep(wire.ReloadInterval * time.Second)
	if err := s.resetPeak(); err != nil {
		return err
	}
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop) })
	defer end()
	type outcome struct {
		result
		err error
	}
	meanwhile := make(chan outcome, 1)
	load := Load{Rate: reloadRate, Sockets: 1, Duration: startPatience, Patience: one.Patience, stop: stop}
	go func() {
		r, err := load.run(ctx, s, topics)
		meanwhile <- outcome{r, err}
	}()
	time.Sleep(least / 2)
	begin := time.Now()
	if err := os.Rename(s.config+".new", s.config); err != nil {
		return err
	}
	err = s.await(ctx, func(got int64) bool { return got == serial })
	if err != nil {
		return err
	}
	l.Fresh = append(l.Fresh, time.Since(begin).Seconds())
	time.Sleep(least / 2)
	end()
	m := <-meanwhile
	if m.err != nil {
		return m.err
	}
	var f Figures
	m.fill(&f)
	l.Meanwhile = append(l.Meanwhile, f)
	_, peak, err := s.memory()
	l.Peak = append(l.Peak, float64(peak))
	return err
}

var serialNumber = regexp.MustCompile(`"serial_no": *[0-9]+`)

// withSerial returns a made-up configuration with another serial number of its
// cluster.
func withSerial(config []byte, serial int64) ([]byte, error) {
	var cluster []byte
	err := jx.DecodeBytes(config).ObjBytes(func(d *jx.Decoder, key []byte) error {
		if string(key) != "cluster" {
			return d.Skip()
		}
		var err error
		cluster, err = d.Raw()
		return err
	})
	changed := serialNumber.ReplaceAll(cluster, fmt.Appendf(nil, `"serial_no":%d`, serial))
	return bytes.Replace(config, cluster, changed, 1), err
}

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
		{"one at a time", 1, 0, 0, time.Second},
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
