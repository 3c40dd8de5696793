package main

import (
	"os"
	"testing"
	"time"
)

// A short run with all faults, once each.
func TestShortRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	every := time.Second
	r, err := run(t.Context(), options{duration: time.Duration(len(allFaults)+1) * every * 3 / 2, rate: 100, every: every, seed: 1}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range r.wrongs() {
		t.Error(wrong)
	}
	if len(r.faults) < len(allFaults)/2 || r.results.answered == 0 {
		t.Errorf("%d replies, faults %v", r.results.answered, r.faults)
	}
}

// Errors are noticed.
func TestWrongs(t *testing.T) {
	growing := make([]float64, 200)
	for i := range growing {
		growing[i] = float64(i)
	}
	for name, r := range map[string]*report{
		"wrong replies":    {results: results{asked: 1000, wrongs: 1}},
		"lost replies":     {results: results{asked: 1000, lost: map[string]int{"a": 6, "b": 5}}},
		"growing memory":   {samples: map[string][]float64{"memory in MB": growing}},
		"more descriptors": {samples: map[string][]float64{"descriptors": growing}},
	} {
		if len(r.wrongs()) == 0 {
			t.Errorf("%s: no problem found", name)
		}
	}
	sound := &report{results: results{asked: 1000, lost: map[string]int{"a": 10}}, samples: map[string][]float64{"goroutines": make([]float64, 200)}}
	if got := sound.wrongs(); len(got) > 0 {
		t.Errorf("unexpected problems: %q", got)
	}
}
