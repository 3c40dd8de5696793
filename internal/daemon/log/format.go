package log

import (
	"bytes"
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"unicode/utf8"

	"gntconfd/gen/wire"
	"gntconfd/internal/jsontext"
)

// maxLine is the maximum length of a line in bytes, including its newline: a pipe accepts
// that many at once or none.
const maxLine = 4096

// cuts are the lengths in bytes that the message and each value are cut to, tried one after
// the other until the line is short enough.
var cuts = [...]int{3 << 10, 256, 24}

// mark ends text that was cut.
const mark = "[...]"

// handler is a slog.Handler that puts formatted lines into a sink.
type handler struct {
	slog.Handler // writes to shared.buffer
	*shared
}

// shared is shared by a handler and all handlers derived from it.
type shared struct {
	sink  *sink
	json  bool
	mutex sync.Mutex

	buffer bytes.Buffer
	cut    int // the current element of cuts
}

// newHandler makes a handler for a format. Bare lines have no time and no level.
func newHandler(s *sink, format Format, level slog.Level, bare bool) *handler {
	h := &handler{shared: &shared{sink: s, json: format == JSON, cut: cuts[0]}}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) > 0 || attr.Key != slog.TimeKey && attr.Key != slog.LevelKey {
			attr.Value = h.shorten(attr.Value)
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
	case Text:
		h.Handler = slog.NewTextHandler(&h.buffer, options)
	case JSON:
		h.Handler = slog.NewJSONHandler(&h.buffer, options)
	default:
		h.Handler = &lineHandler{level: level, bare: bare, shared: h.shared}
	}
	return h
}

// Handle puts a record into the sink. It waits only for other records that are being
// formatted.
func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	line, err := h.line(ctx, record)
	if err != nil {
		return err
	}
	return h.sink.put(record.Level, line)
}

// format returns the line of a record.
func (h *handler) format(ctx context.Context, record slog.Record) ([]byte, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.line(ctx, record)
}

// line is format; the caller holds the mutex.
func (h *handler) line(ctx context.Context, record slog.Record) ([]byte, error) {
	var line []byte
	for _, h.cut = range cuts {
		h.buffer.Reset()
		if err := h.Handler.Handle(ctx, record); err != nil {
			return nil, err
		}
		line = escape(h.buffer.Bytes(), h.json)
		if len(line) <= maxLine {
			return line, nil
		}
	}
	// There are hundreds of values, or their names are long.
	if !h.json {
		return append(trim(line, maxLine-len(mark)-1), mark+"\n"...), nil
	}
	short := slog.NewRecord(record.Time, record.Level, record.Message, 0)
	short.Add("cut", true)
	h.buffer.Reset()
	err := slog.NewJSONHandler(&h.buffer, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.MessageKey {
			attr.Value = h.shorten(attr.Value)
		}
		return attr
	}}).Handle(ctx, short)
	return escape(h.buffer.Bytes(), true), err
}

// WithAttrs returns a handler that adds attributes to each record.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.cut = cuts[1]
	return &handler{h.Handler.WithAttrs(attrs), h.shared}
}

// WithGroup returns a handler that puts attributes into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.shared}
}

// shorten returns a value with its text cut. A value that has no text form is unchanged.
func (s *shared) shorten(value slog.Value) slog.Value {
	var text string
	switch value = value.Resolve(); value.Kind() {
	case slog.KindString:
		text = value.String()
	case slog.KindAny:
		switch v := value.Any().(type) {
		case error:
			text = v.Error()
		case encoding.TextMarshaler:
			data, err := v.MarshalText()
			if err != nil {
				return value
			}
			text = string(data)
		default:
			return value
		}
	default:
		return value
	}
	return slog.StringValue(s.shortenText(text))
}

func (s *shared) shortenText(text string) string {
	if len(text) <= s.cut {
		return text
	}
	return string(trim([]byte(text[:s.cut]), s.cut-len(mark))) + mark
}

// trim returns the first size bytes of a longer text, without a partial character at the
// end.
func trim(text []byte, size int) []byte {
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}

// escape returns a line with unprintable characters escaped, as in JSON, so that neither a
// terminal nor a reader can misinterpret it. The newline at the end stays; any other space
// character becomes a space.
func escape(line []byte, json bool) []byte {
	body := bytes.TrimSuffix(line, []byte("\n"))
	plain := func(r rune) bool { return r == ' ' || r != utf8.RuneError && strconv.IsPrint(r) }
	if bytes.IndexFunc(body, func(r rune) bool { return !plain(r) }) < 0 {
		return line
	}
	escaped := make([]byte, 0, len(line)+len(line)/4)
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		switch {
		case plain(r) || r == utf8.RuneError && size > 1:
			escaped = append(escaped, body[:size]...)
		case r == '\n' || r == '\t':
			escaped = append(escaped, ' ')
		case r == utf8.RuneError && json:
			escaped = append(escaped, `\ufffd`...)
		case r == utf8.RuneError:
			escaped = fmt.Appendf(escaped, `\x%02x`, body[0])
		default:
			escaped = jsontext.AppendEscape(escaped, r)
		}
		body = body[size:]
	}
	return append(escaped, '\n')
}

// lineHandler is a slog.Handler that writes lines in Ganeti's format: the message and its
// attributes as name=value.
type lineHandler struct {
	level slog.Level
	bare  bool
	attrs []byte // the logger's attributes, formatted to follow each message
	group string // the name of the attributes' group, with a dot
	*shared
}

// processName is the name of the process in a line in Ganeti's format.
var processName = fmt.Sprintf("%s pid=%d/ThreadId 1", wire.ServiceName, os.Getpid())

// Enabled reports whether records of a level are handled.
func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle writes the line of a record to the buffer.
func (h *lineHandler) Handle(_ context.Context, record slog.Record) error {
	line := h.buffer.AvailableBuffer()
	if !h.bare {
		time := record.Time.UTC()
		line = fmt.Appendf(line, "%s,%012d UTC: %s %s ", time.Format("2006-01-02 15:04:05"),
			int64(time.Nanosecond())*1000, processName, levelName(record.Level))
	}
	line = append(append(line, h.shortenText(record.Message)...), h.attrs...)
	record.Attrs(func(attr slog.Attr) bool {
		line = h.append(line, attr)
		return true
	})
	h.buffer.Write(append(line, '\n'))
	return nil
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

// WithGroup returns a handler that prefixes attributes with the name of a group.
func (h *lineHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.group += name + "."
	return &with
}

func (h *lineHandler) append(line []byte, attr slog.Attr) []byte {
	value := attr.Value.Resolve()
	// The quotes separate a string from the text after it.
	if value.Kind() == slog.KindString && quoted(value.String()) {
		return fmt.Appendf(line, " %s%s=%q", h.group, attr.Key, h.shortenText(value.String()))
	}
	return fmt.Appendf(line, " %s%s=%s", h.group, attr.Key, h.shortenText(value.String()))
}

// quoted reports whether a value needs quotes to separate it from the text after it.
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
