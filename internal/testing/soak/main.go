// Command soak runs the daemon through hard times for as long as you like: questions of all
// types at a steady rate, a new configuration every second, and faults. Every reply is
// compared with the answers of the configurations that were in place meanwhile.
//
//	go run ./internal/testing/soak --duration 1h
//
// It builds the daemon and runs it on a loopback address with its own files. It stops after
// --duration or when interrupted, and prints a report. The exit code is 1 if anything was
// wrong: a wrong reply, more than one per cent of the replies lost, or memory, file
// descriptors or goroutines that keep growing.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command line options.
type options struct {
	duration time.Duration
	rate     float64 // questions per second
	race     bool
	every    time.Duration // time between two faults
	faults   []string      // empty for all
	seed     uint64
}

func main() {
	var o options
	var faults string
	flag.DurationVar(&o.duration, "duration", time.Minute, "how long to run")
	flag.Float64Var(&o.rate, "rate", 300, "questions per second")
	flag.BoolVar(&o.race, "race", false, "build the daemon with the race detector")
	flag.DurationVar(&o.every, "every", 5*time.Second, "time between two faults")
	flag.StringVar(&faults, "faults", "", "`names` of the faults, separated by commas (default all)")
	flag.Uint64Var(&o.seed, "seed", 1, "`number` that determines the order of the faults")
	list := flag.Bool("list-faults", false, "list the faults and exit")
	flag.Parse()
	if *list {
		for _, f := range allFaults {
			fmt.Printf("%-22s %s\n", f.name, f.what)
		}
		return
	}
	if faults != "" {
		o.faults = strings.Split(faults, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, o, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "soak: %v\n", err)
		os.Exit(1)
	}
	r.print(os.Stdout)
	if len(r.wrongs()) > 0 {
		os.Exit(1)
	}
}

// progressInterval is the time between two lines about the progress.
const progressInterval = time.Minute

// run runs the daemon through everything, and returns the report.
func run(ctx context.Context, o options, progress *os.File) (*report, error) {
	chosen, err := choose(o.faults)
	if err != nil {
		return nil, err
	}
	w, err := newWorld(o.race)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.start(); err != nil {
		return nil, err
	}
	r := &report{world: w, faults: make(map[string]int)}
	asking, end := context.WithCancel(ctx)
	defer end()
	a, err := newAsker(w)
	if err != nil {
		return nil, err
	}
	defer a.conn.Close()
	go a.receive()
	asked := make(chan struct{})
	go func() { defer close(asked); a.ask(asking, o.rate) }()

	random := rand.New(rand.NewPCG(o.seed, 0))
	begin := time.Now()
	change, fault, tell := time.NewTicker(time.Second), time.NewTicker(o.every), time.NewTicker(progressInterval)
	defer change.Stop()
	defer fault.Stop()
	defer tell.Stop()
	next := len(chosen)
	for ctx.Err() == nil && time.Since(begin) < o.duration {
		select {
		case <-ctx.Done():
		case <-change.C:
			err = w.rewrite()
			r.sample(w)
		case <-fault.C:
			if next >= len(chosen) {
				random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
				next = 0
			}
			f := chosen[next]
			next++
			r.faults[f.name]++
			a.phase.Store(&f.name)
			err = f.do(w)
			if err != nil {
				err = fmt.Errorf("fault %s: %w", f.name, err)
			}
		case <-tell.C:
			fmt.Fprintf(progress, "%v: %s\n", time.Since(begin).Round(time.Second), a.summary())
		}
		if err == nil {
			err = w.alive()
		}
		if err != nil {
			return nil, err
		}
	}
	end()
	<-asked
	time.Sleep(lostAfter) // for the last replies
	r.sample(w)
	r.lasted = time.Since(begin)
	r.results = a.results()
	return r, w.end()
}
