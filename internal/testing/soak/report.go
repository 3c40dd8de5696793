package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is the result of a run.
type report struct {
	world   *world
	lasted  time.Duration
	faults  map[string]int
	results results
	samples map[string][]float64 // samples of what may leak, one per second
	loads   int                  // loads of a configuration that were seen, at most one per second
	loaded  float64              // when the last was
	peak    float64              // peak resident memory, in MB
}

// leaks are the figures that must not grow, with the change that is still normal.
var leaks = map[string]float64{"memory in MB": 8, "descriptors": 10, "goroutines": 10}

// sample records the daemon's current figures.
func (r *report) sample(w *world) {
	if r.samples == nil {
		r.samples = make(map[string][]float64)
	}
	note := func(name string, value float64, err error) {
		if err == nil {
			r.samples[name] = append(r.samples[name], value)
		}
	}
	proc := filepath.Join("/proc", strconv.Itoa(w.daemon.Process.Pid))
	resident, err := status(proc, "VmRSS:")
	note("memory in MB", resident, err)
	if peak, err := status(proc, "VmHWM:"); err == nil {
		r.peak = peak
	}
	descriptors, err := os.ReadDir(filepath.Join(proc, "fd"))
	note("descriptors", float64(len(descriptors)), err)
	goroutines, err := w.metric("go_goroutines")
	note("goroutines", goroutines, err)
	if loaded, err := w.metric("ganeti_confd_config_last_reload_success_timestamp_seconds"); err == nil && loaded != r.loaded {
		r.loaded = loaded
		r.loads++
	}
}

// status returns a memory size of a process, in MB.
func status(proc, name string) (float64, error) {
	text, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			kilobytes, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kilobytes / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s", name)
}

// quarters returns the medians of the second and the last quarter of a figure: the first
// quarter is for warming up.
func quarters(samples []float64) (second, last float64) {
	median := func(part []float64) float64 {
		if len(part) == 0 {
			return 0
		}
		sorted := slices.Sorted(slices.Values(part))
		return sorted[len(sorted)/2]
	}
	n := len(samples)
	return median(samples[n/4 : n/2]), median(samples[n*3/4:])
}

// wrongs returns what was wrong.
func (r *report) wrongs() []string {
	var all []string
	if r.results.wrongs > 0 {
		all = append(all, fmt.Sprintf("%d replies were wrong", r.results.wrongs))
		all = append(all, r.results.wrong...)
	}
	lost := 0
	for _, n := range r.results.lost {
		lost += n
	}
	if lost*100 > r.results.asked {
		all = append(all, fmt.Sprintf("%d of %d replies were lost, more than one per cent", lost, r.results.asked))
	}
	for name, much := range leaks {
		second, last := quarters(r.samples[name])
		// A short run is all warming up.
		if len(r.samples[name]) >= 120 && last > second*1.25+much {
			all = append(all, fmt.Sprintf("%s grew from %.1f to %.1f", name, second, last))
		}
	}
	return all
}

// print writes the report.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%v: %d questions, %d replies, %d wrong\n", r.lasted.Round(time.Second), r.results.asked, r.results.answered, r.results.wrongs)
	fmt.Fprintf(w, "round trips: p50 %v, p99 %v, slowest %v\n", r.results.p50, r.results.p99, r.results.slowest)
	fmt.Fprintf(w, "lost replies, by preceding fault: %v\n", r.results.lost)
	fmt.Fprintf(w, "loads seen: %d; faults: %v\n", r.loads, r.faults)
	for _, name := range slices.Sorted(maps.Keys(leaks)) {
		second, last := quarters(r.samples[name])
		fmt.Fprintf(w, "%s: %.1f in the second quarter, %.1f in the last\n", name, second, last)
	}
	fmt.Fprintf(w, "peak memory: %.1f MB\n", r.peak)
	for _, wrong := range r.wrongs() {
		fmt.Fprintf(w, "WRONG: %s\n", wrong)
	}
}
