package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gntconfd/client"
	"gntconfd/internal/cluster"
)

// Writing is what writes of the configuration with the same kind of change took.
type Writing struct {
	Change string `json:"change"`
	// Objects is how many of them each write changes, adds or removes.
	Objects int `json:"objects"`
	// Results are those of the contestants, in their order; none of echo servers.
	Results []Turn `json:"results"`
}

// Turn is what was measured of one daemon, round by round. One that took long has fewer
// rounds.
type Turn []Written

// Written is what was measured of one daemon in one round.
type Written struct {
	// CPU is the daemon's time for each of half of the writes, while nobody asks, with what
	// it does afterwards, such as to look again at a file that was young.
	CPU float64 `json:"cpu_seconds_per_write"`
	// Fresh is, for each of the other half, the time from the rename to the first answer
	// from that file or from a newer one, Meanwhile what became of writeQueries queries a
	// second.
	Fresh     []float64 `json:"fresh_seconds"`
	Meanwhile Figures   `json:"meanwhile"`
	// Resident is the memory after the writes, Peak the most there was meanwhile.
	Resident int64 `json:"resident"`
	Peak     int64 `json:"peak"`
}

// Writes say how the configuration is written.
type Writes struct {
	Changes []Change
	// Count is the number of writes in a row, once while nobody asks and once with queries,
	// Rate how many of them there are a second.
	Count int
	Rate  float64
}

const (
	// writeQueries is the number of queries a second that a daemon gets while it loads.
	writeQueries = 500
	// aroundWrites is how long it gets them before the first write and after the last fresh
	// answer.
	aroundWrites = 200 * time.Millisecond
	// writePatience is when a query meanwhile is lost.
	writePatience = 5 * time.Second
	// lastLook is how long after the last write a daemon may look at the file again: when
	// that has become two seconds old.
	lastLook = 2500 * time.Millisecond
	// slowness is how long a daemon may keep us waiting for its fresh answers to writes to
	// one cluster. Then it has had its last round.
	slowness = 40 * time.Second
)

// MeasureWrites measures what writes of the configuration take from all contestants, which
// it must be able to start, with generated clusters of some sizes.
func MeasureWrites(ctx context.Context, o Options, w Writes, sizes []Size) (*Report, error) {
	return o.each(sizes, func(o Options, c *Cluster, config string, snapshot *cluster.Snapshot) error {
		servers, stop, err := o.start(ctx, config, nil)
		defer stop()
		if err != nil {
			return err
		}
		return o.writes(ctx, w, c, config, servers, snapshot)
	})
}

// writes measures the servers that load anything.
func (o *Options) writes(ctx context.Context, w Writes, c *Cluster, config string, servers []*Server, snapshot *cluster.Snapshot) error {
	data, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	d, err := parseDocument(data)
	if err != nil {
		return fmt.Errorf("%s: %w", config, err)
	}
	topics, err := simple.about(snapshot)
	if err != nil {
		return err
	}
	for _, change := range w.Changes {
		c.Writes = append(c.Writes, Writing{Change: change.name, Results: make([]Turn, len(servers))})
	}
	waited := make([]time.Duration, len(servers))
	for round := range o.Rounds {
		for n, change := range w.Changes {
			writing := &c.Writes[n]
			versions := make([][]byte, 2*w.Count)
			serials := make([]int64, 2*w.Count)
			for i := range versions {
				if serials[i], writing.Objects, err = d.apply(change); err != nil {
					return err
				}
				versions[i] = d.bytes()
			}
			for i, s := range servers {
				if s.echo || round > 0 && waited[i] > slowness {
					continue
				}
				o.Progress(fmt.Sprintf("round %d of %d: writes, %s, %s", round+1, o.Rounds, change.name, o.Contestants[i].Name))
				written, err := s.write(ctx, versions, serials, w.Rate, topics)
				if err != nil {
					return fmt.Errorf("%s: %w", o.Contestants[i].Name, err)
				}
				waited[i] += time.Duration(written.Fresh[len(written.Fresh)-1] * float64(time.Second))
				writing.Results[i] = append(writing.Results[i], written)
			}
		}
	}
	return nil
}

// write writes versions of the configuration, whose serial numbers ascend, at a rate: half
// of them while nobody asks, the others with queries.
func (s *Server) write(ctx context.Context, versions [][]byte, serials []int64, rate float64, topics []topic) (w Written, err error) {
	var files []version
	for i, data := range versions {
		v := version{fmt.Sprintf("%s.%d", s.config, i), serials[i]}
		defer os.Remove(v.path)
		if err := os.WriteFile(v.path, data, 0o600); err != nil {
			return w, err
		}
		files = append(files, v)
	}
	quiet, asked := files[:len(files)/2], files[len(files)/2:]
	if err := s.resetPeak(); err != nil {
		return w, err
	}
	before, err := s.usage()
	if err != nil {
		return w, err
	}
	if _, err := s.rename(ctx, quiet, rate, 50*time.Millisecond); err != nil {
		return w, err
	}
	if err := sleep(ctx, lastLook); err != nil {
		return w, err
	}
	after, err := s.usage()
	if err != nil {
		return w, err
	}
	w.CPU = (after.cpu - before.cpu).Seconds() / float64(len(quiet))

	stop := make(chan struct{})
	type outcome struct {
		result
		err error
	}
	meanwhile := make(chan outcome, 1)
	load := Load{Rate: writeQueries, Sockets: 1, Duration: 2 * startPatience, Patience: writePatience, stop: stop}
	go func() {
		r, err := load.run(ctx, s, topics)
		meanwhile <- outcome{r, err}
	}()
	if err = sleep(ctx, aroundWrites); err == nil {
		if w.Fresh, err = s.rename(ctx, asked, rate, 500*time.Microsecond); err == nil {
			err = sleep(ctx, aroundWrites)
		}
	}
	close(stop)
	m := <-meanwhile
	if err := errors.Join(err, m.err); err != nil {
		return w, err
	}
	m.fill(&w.Meanwhile)
	w.Resident, w.Peak, err = s.memory()
	return w, err
}

// version is a file that is to be renamed into place, and the serial number in it.
type version struct {
	path   string
	serial int64
}

// rename renames each version into place when it is due, and asks for the file's serial
// number, with pauses, until that is the last one. It returns the times from each rename to
// the first answer from that version or a newer one.
func (s *Server) rename(ctx context.Context, versions []version, rate float64, pause time.Duration) (fresh []float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("no fresh answer in %v", startPatience))
	defer cancel()
	c, err := client.New(client.Options{Peers: []string{s.Addr.String()}, Key: s.Key})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var renamed []time.Time
	for begin := time.Now(); len(fresh) < len(versions); {
		if n := len(renamed); n < len(versions) && time.Since(begin).Seconds()*rate >= float64(n) {
			// The file is as young as if it had been written just now.
			now := time.Now()
			if err := errors.Join(os.Chtimes(versions[n].path, now, now), os.Rename(versions[n].path, s.config)); err != nil {
				return nil, err
			}
			renamed = append(renamed, now)
		}
		select {
		case <-s.ended:
			return nil, s.exit
		default:
		}
		if len(fresh) < len(renamed) {
			try, stop := context.WithTimeout(ctx, 20*time.Millisecond)
			r, err := client.Query(try, c, client.ConfigValue[int64]("/serial_no"))
			stop()
			for err == nil && len(fresh) < len(renamed) && versions[len(fresh)].serial <= r.Answer {
				fresh = append(fresh, time.Since(renamed[len(fresh)]).Seconds())
			}
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// sleep waits, and returns why ctx has ended before.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
