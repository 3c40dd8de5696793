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
	"syscall"
)

// isJournal reports whether w leads to the journal of systemd, which says in the
// environment by which device and inode it can be told.
func isJournal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	var stat syscall.Stat_t
	return syscall.Fstat(int(file.Fd()), &stat) == nil &&
		os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// journalHandler puts the priority of a record in front of the line that another
// handler makes of it.
type journalHandler struct {
	slog.Handler // writes to line
	*journalLine
}

// journalLine is where a line is put together.
type journalLine struct {
	mutex sync.Mutex
	line  bytes.Buffer
	out   io.Writer
}

func newJournalHandler(out io.Writer, format LogFormat, level slog.Level) slog.Handler {
	line := &journalLine{out: out}
	return &journalHandler{newHandler(&line.line, format, level, true), line}
}

// Handle writes a record.
func (h *journalHandler) Handle(ctx context.Context, record slog.Record) error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.line.Reset()
	fmt.Fprintf(&h.line, "<%d>", priority(record.Level))
	if err := h.Handler.Handle(ctx, record); err != nil {
		return err
	}
	_, err := h.out.Write(h.line.Bytes())
	return err
}

// WithAttrs returns a handler that adds attributes to each record.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), h.journalLine}
}

// WithGroup returns a handler that puts attributes into a group.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.journalLine}
}

// priority returns the priority of a level in the system's log.
func priority(level slog.Level) syslog.Priority {
	switch {
	case level < slog.LevelInfo:
		return syslog.LOG_DEBUG
	case level < LevelNotice:
		return syslog.LOG_INFO
	case level < slog.LevelWarn:
		return syslog.LOG_NOTICE
	case level < slog.LevelError:
		return syslog.LOG_WARNING
	}
	return syslog.LOG_ERR
}
