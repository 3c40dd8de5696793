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

// LogOptions say where messages go.
type LogOptions struct {
	// File is the log file, which messages are added to; empty for none.
	File string
	// Terminal also gets every message, unless it is nil.
	Terminal io.Writer
	// Syslog also sends messages above debug level to the system's log.
	Syslog bool
	// Debug adds debug messages.
	Debug bool
}

// OpenLog makes a logger whose lines look like those of Ganeti's daemons. The
// error says what could not be opened.
func OpenLog(o LogOptions) (*slog.Logger, error) {
	level := slog.LevelInfo
	if o.Debug {
		level = slog.LevelDebug
	}
	var handlers []slog.Handler
	if o.File != "" {
		file, err := os.OpenFile(o.File, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("log file: %w", err)
		}
		handlers = append(handlers, &lineHandler{level: level, write: lines(file)})
	}
	if o.Terminal != nil {
		handlers = append(handlers, &lineHandler{level: level, write: lines(o.Terminal)})
	}
	if o.Syslog {
		system, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, genwire.ServiceName)
		if err != nil {
			return nil, fmt.Errorf("syslog: %w", err)
		}
		handlers = append(handlers, &lineHandler{level: slog.LevelInfo, write: messages(system)})
	}
	return slog.New(slog.NewMultiHandler(handlers...)), nil
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

// lines returns a function that writes records to w, one line each.
func lines(w io.Writer) func(slog.Record, []byte) error {
	var mutex sync.Mutex
	process := fmt.Sprintf("%s pid=%d/ThreadId 1", genwire.ServiceName, os.Getpid())
	return func(record slog.Record, text []byte) error {
		time := record.Time.UTC()
		line := fmt.Appendf(nil, "%s,%012d UTC: %s %s %s\n", time.Format("2006-01-02 15:04:05"),
			int64(time.Nanosecond())*1000, process, levelName(record.Level), text)
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
