package log

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// maxQueued is how many bytes may wait for a sink, counting entryCost for each line. That
// is some thousands of lines: a day's log without -d.
const (
	maxQueued = 1 << 20
	entryCost = 64
)

// A sink is a destination for lines, with a queue. Lines are written whole and in order.
type sink struct {
	name  string
	write func(slog.Level, []byte) error // writes a line with its newline; may block forever
	form  *handler                       // the format of its lines

	dropped atomic.Uint64 // messages that were lost

	mutex   sync.Mutex // never held during a write
	queue   []entry
	queued  int    // bytes
	crowded bool   // whether debug messages are dropped until the queue has room for many again
	missed  uint64 // messages dropped after the last entry of the queue
	closed  bool

	wake chan struct{} // receives a value when the queue gets an entry
}

// An entry is a line to write, or a function to call between lines.
type entry struct {
	level  slog.Level
	line   []byte
	missed uint64 // messages dropped just before it
	do     func()
}

func newSink(name string, write func(slog.Level, []byte) error) *sink {
	return &sink{name: name, write: write, wake: make(chan struct{}, 1)}
}

// put adds a copy of a line to the queue, or drops it.
func (s *sink) put(level slog.Level, line []byte) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed {
		return errClosed
	}
	if !s.accepts(level, len(line)+entryCost) {
		s.dropped.Add(1)
		s.missed++
		return nil
	}
	s.add(entry{level: level, line: append([]byte(nil), line...), missed: s.missed})
	s.missed = 0
	return nil
}

// accepts reports whether there is room for a line. The last quarter is not for debug
// messages, so that a flood of them cannot displace important ones. Once they have filled
// the rest, they must wait until there is room for many, so that gaps are few.
func (s *sink) accepts(level slog.Level, size int) bool {
	if level >= slog.LevelInfo {
		return s.queued+size <= maxQueued
	}
	switch {
	case s.queued+size > maxQueued/4*3:
		s.crowded = true
	case s.queued < maxQueued/4:
		s.crowded = false
	}
	return !s.crowded
}

// do makes the sink call a function after everything in the queue now is written.
func (s *sink) do(call func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.closed {
		s.add(entry{do: call})
	}
}

// add adds to the queue; the caller holds the mutex.
func (s *sink) add(e entry) {
	s.queue = append(s.queue, e)
	s.queued += len(e.line) + entryCost
	s.wakeUp()
}

// next takes the first entry from the queue. If the queue is empty, missed is how many
// messages were dropped since the last entry.
func (s *sink) next() (e entry, ok bool, missed uint64, closed bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.queue) == 0 {
		missed, s.missed = s.missed, 0
		s.queue = nil // releases the memory of a flood
		return entry{}, false, missed, s.closed
	}
	e = s.queue[0]
	s.queue[0] = entry{}
	s.queue = s.queue[1:]
	s.queued -= len(e.line) + entryCost
	return e, true, 0, false
}

// run writes the queue until the sink is closed and everything is written.
func (s *sink) run() {
	unreported := uint64(0) // dropped messages not yet reported
	// report logs dropped messages in the log. It returns false if that line could not be
	// written.
	report := func() bool {
		if unreported > 0 {
			record := slog.NewRecord(time.Now(), slog.LevelWarn, "log messages were dropped here: the log was too slow", 0)
			record.Add("sink", s.name, "messages", unreported)
			if line, err := s.form.format(context.Background(), record); err != nil || s.write(record.Level, line) != nil {
				return false
			}
			unreported = 0
		}
		return true
	}
	for {
		e, ok, missed, closed := s.next()
		switch {
		case !ok:
			unreported += missed
			if missed > 0 {
				report() // if it fails, it is tried again before the next message
			}
			if closed {
				return
			}
			<-s.wake
		case e.do != nil:
			e.do()
		default:
			unreported += e.missed
			if !report() || s.write(e.level, e.line) != nil {
				unreported++
				s.dropped.Add(1)
			}
		}
	}
}

// close makes the sink stop once its queue is empty.
func (s *sink) close() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closed = true
	s.wakeUp()
}

// wakeUp wakes the sink; the caller holds the mutex.
func (s *sink) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
