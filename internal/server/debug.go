package server

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

const (
	// debugLines is how many debug lines a worker writes in a second: anybody can
	// send datagrams, and so many that they would fill the disk.
	debugLines = 100
	// causeLength bounds what a line quotes of a datagram, in bytes, so that the line
	// has at most 300 in all formats of the log.
	causeLength = 100
)

// debugLog writes a worker's debug lines, and leaves out those above debugLines a
// second, which are counted in a line of their own.
type debugLog struct {
	enabled bool // whether anybody reads debug lines
	logger  *slog.Logger
	second  int64 // Unix time in which the lines below were written
	written int
	omitted int
}

// begin readies d for the lines of a batch that was read at now.
func (d *debugLog) begin(logger *slog.Logger, now time.Time) {
	d.logger, d.enabled = logger, logger.Enabled(context.Background(), slog.LevelDebug)
	if second := now.Unix(); second != d.second {
		if d.omitted > 0 {
			d.logger.Debug("lines about datagrams left out", "lines", d.omitted)
		}
		d.second, d.written, d.omitted = second, 0, 0
	}
}

// line writes a line, or counts it as left out.
func (d *debugLog) line(message string, args ...any) {
	if !d.enabled {
		return
	}
	if d.written == debugLines {
		d.omitted++
		return
	}
	d.written++
	d.logger.Debug(message, args...)
}

// plain returns the beginning of a text, with a question mark for what a log format
// would escape.
func plain(text string) string {
	text = text[:min(len(text), causeLength)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, text)
}
