package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"sync"

	genwire "gntconfd/gen/wire"
)

// LevelNotice is the level of what is neither routine nor trouble: that the
// daemon starts and stops.
const LevelNotice = slog.LevelInfo + 2

// LogFormat is how lines look, on the terminal and in the log file.
type LogFormat string

const (
	// GanetiFormat is that of Ganeti's daemons.
	GanetiFormat LogFormat = "ganeti"
	// TextFormat is that of slog.TextHandler: name=value.
	TextFormat LogFormat = "text"
	// JSONFormat is one JSON object a line.
	JSONFormat LogFormat = "json"
)

// LogOptions say where messages go.
type LogOptions struct {
	// File is the log file, which messages are added to; empty for none.
	File string
	// Terminal also gets every message, unless it is nil. When it leads to the
	// journal of systemd, each line begins with its priority, and the time, which
	// the journal has already, is left out.
	Terminal io.Writer
	// Syslog also sends messages above debug level to the system's log.
	Syslog bool
	// Format is GanetiFormat if empty.
	Format LogFormat
	// Debug adds debug messages.
	Debug bool
}

// Log is a logger that can open its file anew.
type Log struct {
	*slog.Logger
	file *logFile // nil when there is none
}

// OpenLog makes a logger. The error says what could not be opened.
func OpenLog(o LogOptions) (*Log, error) {
	level := slog.LevelInfo
	if o.Debug {
		level = slog.LevelDebug
	}
	log := new(Log)
	var handlers []slog.Handler
	if o.File != "" {
		log.file = &logFile{path: o.File}
		if err := log.file.reopen(); err != nil {
			return nil, err
		}
		handlers = append(handlers, newHandler(log.file, o.Format, level, false))
	}
	if o.Terminal != nil {
		if isJournal(o.Terminal) {
			handlers = append(handlers, newJournalHandler(o.Terminal, o.Format, level))
		} else {
			handlers = append(handlers, newHandler(o.Terminal, o.Format, level, false))
		}
	}
	if o.Syslog {
		system, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, genwire.ServiceName)
		if err != nil {
			return nil, fmt.Errorf("syslog: %w", err)
		}
		handlers = append(handlers, &lineHandler{level: slog.LevelInfo, write: messages(system)})
	}
	log.Logger = slog.New(slog.NewMultiHandler(handlers...))
	return log, nil
}

// Reopen opens the log file anew, for when it was renamed. On an error the former
// file goes on to be used.
func (l *Log) Reopen() error {
	if l.file == nil {
		return nil
	}
	return l.file.reopen()
}

// RedirectOutput makes standard output and standard error go to the log file, from
// now on and through every Reopen. Without a log file they go where standard input
// comes from, which for a detached process is nowhere.
func (l *Log) RedirectOutput() error {
	if l.file == nil {
		return redirect(os.Stdin, 1, 2)
	}
	return l.file.takeOutput()
}

// newHandler makes a handler of a format, whose lines are bare when they lack the
// time and the level.
func newHandler(w io.Writer, format LogFormat, level slog.Level, bare bool) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) > 0 || attr.Key != slog.TimeKey && attr.Key != slog.LevelKey {
			return attr
		}
		if bare {
			return slog.Attr{}
		}
		if level, ok := attr.Value.Any().(slog.Level); ok {
			attr.Value = slog.StringValue(levelName(level))
		}
		return attr
	}}
	switch format {
	case TextFormat:
		return slog.NewTextHandler(w, options)
	case JSONFormat:
		return slog.NewJSONHandler(w, options)
	}
	return &lineHandler{level: level, write: lines(w, bare)}
}

// lineHandler is a slog.Handler that makes a text of each record: the message
// and its attributes as name=value.
type lineHandler struct {
	level slog.Level
	attrs []byte // the attributes of the logger, as they follow each message
	group string // the name, with a dot, of the group that attributes are in
	write func(record slog.Record, text []byte) error
}

// Enabled reports whether records of a level are handled.
func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle writes a record.
func (h *lineHandler) Handle(_ context.Context, record slog.Record) error {
	text := append([]byte(record.Message), h.attrs...)
	record.Attrs(func(attr slog.Attr) bool {
		text = h.append(text, attr)
		return true
	})
	return h.write(record, bytes.ReplaceAll(text, []byte("\n"), []byte(" ")))
}

// WithAttrs returns a handler that adds attributes to each record.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = bytes.Clone(h.attrs)
	for _, attr := range attrs {
		with.attrs = h.append(with.attrs, attr)
	}
	return &with
}

// WithGroup returns a handler that puts the name of a group before attributes.
func (h *lineHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.group += name + "."
	return &with
}

func (h *lineHandler) append(text []byte, attr slog.Attr) []byte {
	value := attr.Value.Resolve()
	if value.Kind() == slog.KindString && quoted(value.String()) {
		return fmt.Appendf(text, " %s%s=%q", h.group, attr.Key, value.String())
	}
	return fmt.Appendf(text, " %s%s=%v", h.group, attr.Key, value)
}

// quoted reports whether a value needs quotes to be told from what follows it.
func quoted(value string) bool {
	for _, r := range value {
		if r <= ' ' || r == '"' || r == '=' || r == 0x7f {
			return true
		}
	}
	return value == ""
}

// levelName returns the name of a level in Ganeti's logs.
func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "DEBUG"
	case level < LevelNotice:
		return "INFO"
	case level < slog.LevelWarn:
		return "NOTICE"
	case level < slog.LevelError:
		return "WARNING"
	}
	return "ERROR"
}

// lines returns a function that writes records to w, one line each. A bare line is
// only the text.
func lines(w io.Writer, bare bool) func(slog.Record, []byte) error {
	var mutex sync.Mutex
	process := fmt.Sprintf("%s pid=%d/ThreadId 1", genwire.ServiceName, os.Getpid())
	return func(record slog.Record, text []byte) error {
		var line []byte
		if !bare {
			time := record.Time.UTC()
			line = fmt.Appendf(nil, "%s,%012d UTC: %s %s ", time.Format("2006-01-02 15:04:05"),
				int64(time.Nanosecond())*1000, process, levelName(record.Level))
		}
		line = append(append(line, text...), '\n')
		mutex.Lock()
		defer mutex.Unlock()
		_, err := w.Write(line)
		return err
	}
}

// messages returns a function that sends records to the system's log.
func messages(system *syslog.Writer) func(slog.Record, []byte) error {
	return func(record slog.Record, text []byte) error {
		send := system.Err
		switch {
		case record.Level < LevelNotice:
			send = system.Info
		case record.Level < slog.LevelWarn:
			send = system.Notice
		case record.Level < slog.LevelError:
			send = system.Warning
		}
		return send(string(text))
	}
}
