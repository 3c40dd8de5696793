package log

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// maxQueued is how many bytes wait for a sink at most, with entryCost for each
// line. It is some thousands of lines: what is logged in a day without -d.
const (
	maxQueued = 1 << 20
	entryCost = 64
)

// A sink is what lines are written to, with those that wait for it. Lines are
// written in the order in which they were put, each whole.
type sink struct {
	name  string
	write func(slog.Level, []byte) error // of a line and its newline; may take for ever
	form  *handler                       // of its lines

	dropped atomic.Uint64 // messages that were not written

	mutex   sync.Mutex // never held while something is written
	queue   []entry
	queued  int    // bytes
	crowded bool   // whether debug messages are dropped until the queue is nearly empty
	missed  uint64 // messages dropped after the last one in the queue
	closed  bool

	wake chan struct{} // gets a value when there is something in the queue
}

// An entry is a line to be written, or something to be done between lines.
type entry struct {
	level  slog.Level
	line   []byte
	missed uint64 // messages dropped right before it
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

// accepts reports whether there is room for a line. The last quarter is not for
// debug messages, a flood of which shall not hide what matters; once they have
// filled the rest they wait until there is room for many, so that gaps are few.
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

// do has the sink call a function when what is in the queue now is written.
func (s *sink) do(call func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.closed {
		s.add(entry{do: call})
	}
}

// add adds to the queue. The caller holds the mutex.
func (s *sink) add(e entry) {
	s.queue = append(s.queue, e)
	s.queued += len(e.line) + entryCost
	s.rouse()
}

// next takes the first entry out of the queue. When there is none, missed is how
// many messages were dropped since the last one.
func (s *sink) next() (e entry, ok bool, missed uint64, closed bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.queue) == 0 {
		missed, s.missed = s.missed, 0
		s.queue = nil // with the memory of a flood
		return entry{}, false, missed, s.closed
	}
	e = s.queue[0]
	s.queue[0] = entry{}
	s.queue = s.queue[1:]
	s.queued -= len(e.line) + entryCost
	return e, true, 0, false
}

// run writes what is in the queue until the sink is closed and all is written.
func (s *sink) run() {
	untold := uint64(0) // messages dropped before the next one
	// tell reports whether there is nothing left to be told.
	tell := func() bool {
		if untold > 0 {
			record := slog.NewRecord(time.Now(), slog.LevelWarn, "messages are missing here: the log did not take them in time", 0)
			record.Add("sink", s.name, "messages", untold)
			if line, err := s.form.format(context.Background(), record); err != nil || s.write(record.Level, line) != nil {
				return false
			}
			untold = 0
		}
		return true
	}
	for {
		e, ok, missed, closed := s.next()
		switch {
		case !ok:
			untold += missed
			if missed > 0 {
				tell() // or else before the next message
			}
			if closed {
				return
			}
			<-s.wake
		case e.do != nil:
			e.do()
		default:
			untold += e.missed
			if !tell() || s.write(e.level, e.line) != nil {
				untold++
				s.dropped.Add(1)
			}
		}
	}
}

// close makes the sink end when its queue is empty.
func (s *sink) close() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closed = true
	s.rouse()
}

// rouse wakes the sink. The caller holds the mutex.
func (s *sink) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
