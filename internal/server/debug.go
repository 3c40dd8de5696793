package server

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

const (
	// debugLines is how many debug lines a worker writes per second: anyone can send enough
	// datagrams to fill the disk.
	debugLines = 100
	// causeLength is how many bytes of a cause a line quotes, so that a line has at most
	// 300 bytes in all log formats.
	causeLength = 100
)

// debugLog writes a worker's debug lines. It omits lines above debugLines per second, and
// logs how many.
type debugLog struct {
	enabled bool // whether anybody reads debug lines
	logger  *slog.Logger
	second  int64 // Unix time of the lines below
	written int
	omitted int
}

// begin prepares d for the lines of a batch that was read at now.
func (d *debugLog) begin(logger *slog.Logger, now time.Time) {
	d.logger, d.enabled = logger, logger.Enabled(context.Background(), slog.LevelDebug)
	if second := now.Unix(); second != d.second {
		if d.omitted > 0 {
			d.logger.Debug("too many debug lines about datagrams, some were left out", "lines", d.omitted)
		}
		d.second, d.written, d.omitted = second, 0, 0
	}
}

// line writes a line, or counts it as omitted.
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

// printable returns the beginning of a text, with a question mark for each character that a log
// format would escape.
func printable(text string) string {
	text = text[:min(len(text), causeLength)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, text)
}
