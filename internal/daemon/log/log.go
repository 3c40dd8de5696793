// Package log writes a daemon's messages like Ganeti's daemons: to a log file, the terminal
// or the journal, and syslog.
//
// Callers never wait for any of them: each has a bounded queue and a goroutine. Messages
// that do not fit into the queue or cannot be written are counted, and one line says how
// many, as soon as lines can be written again.
package log

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"sync/atomic"
	"time"

	"gntconfd/gen/wire"
)

// LevelNotice is the level for the daemon's start and stop, between info and warning.
const LevelNotice = slog.LevelInfo + 2

// Format is the format of lines on the terminal and in the log file.
type Format string

const (
	// Ganeti is the format of Ganeti's daemons.
	Ganeti Format = "ganeti"
	// Text is the format of slog.TextHandler: name=value.
	Text Format = "text"
	// JSON is one JSON object per line.
	JSON Format = "json"
)

// Options configure where messages go.
type Options struct {
	// File is the path of the log file to append to; empty for none.
	File string
	// Terminal also gets every message, unless it is nil. If it is connected to the systemd
	// journal, each line begins with its priority and has no time, because the journal adds
	// one.
	Terminal io.Writer
	// Syslog also sends messages above debug level to syslog.
	Syslog bool
	// Format is Ganeti if empty.
	Format Format
	// Debug adds debug messages.
	Debug bool
}

// Log is a logger that never blocks its callers.
type Log struct {
	*slog.Logger
	sinks []*sink
	file  *logFile // nil if there is none

	fileSink  *sink       // writes to file
	reopening atomic.Bool // whether a reopen is pending
}

// Open makes a logger. Call Close at the end. The error says what could not be opened.
func Open(o Options) (*Log, error) {
	level := slog.LevelInfo
	if o.Debug {
		level = slog.LevelDebug
	}
	log := new(Log)
	var handlers []slog.Handler
	add := func(name string, format Format, level slog.Level, bare bool, write func(slog.Level, []byte) error) *sink {
		s := newSink(name, write)
		s.form = newHandler(s, format, level, bare)
		log.sinks = append(log.sinks, s)
		handlers = append(handlers, s.form)
		return s
	}
	if o.File != "" {
		log.file = &logFile{path: o.File}
		if err := log.file.openWithin(openPatience); err != nil {
			return nil, fmt.Errorf("log file: %w", err)
		}
		log.fileSink = add("file", o.Format, level, false, toWriter(log.file))
	}
	if o.Syslog {
		system, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, wire.ServiceName)
		if err != nil {
			if log.file != nil {
				log.file.file.Close()
			}
			return nil, fmt.Errorf("syslog: %w", err)
		}
		add("syslog", Ganeti, slog.LevelInfo, true, toSyslog(system))
	}
	if o.Terminal != nil {
		if isJournal(o.Terminal) {
			add("terminal", o.Format, level, true, toJournal(o.Terminal))
		} else {
			add("terminal", o.Format, level, false, toWriter(o.Terminal))
		}
	}
	for _, s := range log.sinks {
		go s.run()
	}
	log.Logger = slog.New(slog.NewMultiHandler(handlers...))
	return log, nil
}

// Notice logs at LevelNotice.
func (l *Log) Notice(message string) { l.Log(context.Background(), LevelNotice, message) }

// Reopen makes new messages go to the file that is at the log file's path then, and creates
// it if it is missing. It does not wait for that. On failure the old file stays in use and
// an error is logged.
func (l *Log) Reopen() {
	if l.file == nil || l.reopening.Swap(true) {
		return
	}
	l.fileSink.do(func() {
		l.reopening.Store(false)
		if err := l.file.reopen(); err != nil {
			l.Error("cannot reopen the log file, keeping the old one", "error", err)
		}
	})
}

// flushPatience is how long Flush waits for a sink.
const flushPatience = 500 * time.Millisecond

// RedirectOutput makes standard output and standard error go to the log file, from now on
// and through every Reopen. Without a log file, or while it cannot be opened, they go to
// where standard input comes from, which for a detached process is /dev/null.
func (l *Log) RedirectOutput() error {
	if l.file == nil {
		return redirect(os.Stdin, 1, 2)
	}
	done := make(chan error, 1)
	l.fileSink.do(func() { done <- l.file.takeOutput() })
	timer := time.NewTimer(flushPatience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return redirect(os.Stdin, 1, 2)
	}
}

// Flush waits until all messages so far are written, but at most half a second: what a sink
// does not accept by then stays in its queue.
func (l *Log) Flush() {
	timer := time.NewTimer(flushPatience)
	defer timer.Stop()
	done := make(chan struct{}, len(l.sinks))
	for _, s := range l.sinks {
		s.do(func() { done <- struct{}{} })
	}
	for range l.sinks {
		select {
		case <-done:
		case <-timer.C:
			return
		}
	}
}

// Close flushes and closes the logger; later messages are lost. It abandons a sink that
// accepts nothing.
func (l *Log) Close() {
	l.Flush()
	for _, s := range l.sinks {
		s.close()
	}
}

// Dropped returns how many messages were lost, by sink: file, terminal and syslog, as far
// as they exist.
func (l *Log) Dropped() map[string]uint64 {
	dropped := make(map[string]uint64, len(l.sinks))
	for _, s := range l.sinks {
		dropped[s.name] = s.dropped.Load()
	}
	return dropped
}

// toWriter returns a function that writes lines to w. If w accepts only a part of a line,
// as on a full disk, that part is ended with a newline before the next line.
func toWriter(w io.Writer) func(slog.Level, []byte) error {
	torn := false
	return func(_ slog.Level, line []byte) error {
		if torn {
			if _, err := w.Write([]byte("\n")); err != nil {
				return err
			}
			torn = false
		}
		n, err := w.Write(line)
		if err == nil && n < len(line) {
			err = io.ErrShortWrite
		}
		torn = err != nil && n > 0
		return err
	}
}

// toSyslog returns a function that sends lines to syslog.
func toSyslog(system *syslog.Writer) func(slog.Level, []byte) error {
	return func(level slog.Level, line []byte) error {
		send := system.Err
		switch priority(level) {
		case syslog.LOG_DEBUG:
			send = system.Debug
		case syslog.LOG_INFO:
			send = system.Info
		case syslog.LOG_NOTICE:
			send = system.Notice
		case syslog.LOG_WARNING:
			send = system.Warning
		}
		return send(string(line[:len(line)-1]))
	}
}

// errClosed is the error for messages to a closed sink.
var errClosed = errors.New("the log is closed")
