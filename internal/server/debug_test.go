package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestDebugLinesAreBounded(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var d debugLog
	now := time.Unix(1_700_000_000, 0)
	for range 3 * debugLines {
		d.begin(logger, now)
		d.line("datagram")
	}
	if n := strings.Count(log.String(), "\n"); n != debugLines {
		t.Errorf("%d lines in a second, want %d", n, debugLines)
	}
	log.Reset()
	d.begin(logger, now.Add(time.Second))
	d.line("datagram")
	if got := log.String(); !strings.Contains(got, "lines=200") || strings.Count(got, "\n") != 2 {
		t.Errorf("the next second begins with %q", got)
	}
	log.Reset()
	d.begin(slog.New(slog.DiscardHandler), now)
	d.line("datagram")
	if log.Len() > 0 {
		t.Errorf("nobody wants debug lines, but got %q", log.String())
	}
}

// No datagram makes a line longer than 300 bytes, signed or not.
func TestDebugLinesAreShort(t *testing.T) {
	for _, cause := range []string{
		strings.Repeat("\x7f", 5_000), strings.Repeat("\"", 5_000), strings.Repeat("\\", 5_000),
		strings.Repeat("\x00", 5_000), strings.Repeat("\xff", 5_000), strings.Repeat("\u2028", 5_000), strings.Repeat("a b", 5_000),
	} {
		for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var log bytes.Buffer
			slog.New(handler(&log)).Info("datagram dropped", "from", "[fe80::1234:5678:9abc:def0%interface0]:65535", "cause", printable(cause))
			if log.Len() > 300 {
				t.Errorf("%s: a line of %d bytes: %s", name, log.Len(), log.String())
			}
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"all of it ~":                          "all of it ~",
		"\x1f\x20\x7e\x7f\"\\é":                "? ~????",
		strings.Repeat("a", causeLength):       strings.Repeat("a", causeLength),
		strings.Repeat("a", causeLength) + "b": strings.Repeat("a", causeLength),
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is printed as %q, want %q", text, got, want)
		}
	}
}
