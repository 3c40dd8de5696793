package log

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"syscall"
)

// isJournal reports whether w is connected to the systemd journal, whose device and inode
// are in the environment.
func isJournal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	var stat syscall.Stat_t
	return syscall.Fstat(int(file.Fd()), &stat) == nil &&
		os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// toJournal returns a function that writes lines to the journal, each with its
// priority.
func toJournal(journal io.Writer) func(slog.Level, []byte) error {
	write := toWriter(journal)
	return func(level slog.Level, line []byte) error {
		return write(level, append(fmt.Appendf(nil, "<%d>", priority(level)), line...))
	}
}

// priority returns the syslog priority of a level.
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
