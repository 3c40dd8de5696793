package log

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that should happen at once.
const patience = 20 * time.Second

func TestLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "conf-daemon.log")
	var terminal bytes.Buffer
	logger, err := Open(Options{File: file, Terminal: &terminal})
	if err != nil {
		t.Fatal(err)
	}
	logger.Debug("not shown")
	logger.Info("loaded", "file", "a b", "serial", 7, "error", errors.New("one\ntwo"))
	logger.With("from", "x").WithGroup("g").Warn("odd", "empty", "")
	logger.Log(t.Context(), LevelNotice, "startup")
	logger.Error("broken")
	logger.Close()

	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, terminal.Bytes()) {
		t.Errorf("the file has\n%s\nand the terminal\n%s", data, terminal.Bytes())
	}
	var got []string
	for line := range strings.Lines(string(data)) {
		stamp, rest, _ := strings.Cut(strings.TrimSpace(line), " UTC: ")
		day, fraction, _ := strings.Cut(stamp, ",")
		if _, err := time.Parse(time.DateTime, day); err != nil || len(fraction) != 12 {
			t.Errorf("time stamp %q: %v", stamp, err)
		}
		process, text, _ := strings.Cut(rest, "/ThreadId 1 ")
		if !strings.HasPrefix(process, "ganeti-confd pid=") {
			t.Errorf("process %q", process)
		}
		got = append(got, text)
	}
	want := []string{
		`INFO loaded file="a b" serial=7 error=one two`,
		`WARNING odd from=x g.empty=""`,
		`NOTICE startup`,
		`ERROR broken`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the log file: %v, %v", info.Mode(), err)
	}
	if _, err := Open(Options{File: filepath.Join(file, "x")}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("log file in a file: %v", err)
	}
}

// The journal gets each line with its priority and without a time, in every format.
func TestJournal(t *testing.T) {
	for format, want := range map[Format]string{
		Ganeti: "<6>loaded serial=7\n<4>odd from=x g.empty=\"\"\n",
		Text:   "<6>msg=loaded serial=7\n<4>msg=odd from=x g.empty=\"\"\n",
		JSON:   `<6>{"msg":"loaded","serial":7}` + "\n" + `<4>{"msg":"odd","from":"x","g":{"empty":""}}` + "\n",
	} {
		journal, err := os.Create(filepath.Join(t.TempDir(), "journal"))
		if err != nil {
			t.Fatal(err)
		}
		info, err := journal.Stat()
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", stat.Dev, stat.Ino))
		log, err := Open(Options{Terminal: journal, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("not shown")
		log.Info("loaded", "serial", 7)
		log.With("from", "x").WithGroup("g").Warn("odd", "empty", "")
		log.Close()
		if got, err := os.ReadFile(journal.Name()); err != nil || string(got) != want {
			t.Errorf("%s:\n%s%v", format, got, err)
		}
		journal.Close()
	}
}

// soon fails the test unless a call returns in time.
func soon(t *testing.T, what string, call func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s does not return", what)
	}
}

// gate is a writer that accepts nothing while it is shut, like a pipe that nobody reads, a
// stopped log daemon, or a file on a hanging device.
type gate struct {
	mutex sync.Mutex // held while it is shut
	taken bytes.Buffer
}

func (g *gate) Write(data []byte) (int, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.taken.Write(data)
}

// read returns everything that was written, after it has been.
func (g *gate) read(l *Log) string {
	l.Flush()
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.taken.String()
}

// A sink that accepts nothing blocks neither callers nor other sinks. Its queue is bounded,
// and lost messages are counted and reported.
func TestStuck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	terminal := new(gate)
	log, err := Open(Options{File: file, Terminal: terminal, Debug: true})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("before")
	log.Flush()
	terminal.mutex.Lock()
	const flood, vital = 20000, 100
	text := strings.Repeat("x", 100)
	soon(t, "logging", func() {
		for i := range flood {
			log.Debug(text, "number", i)
			if i%1000 == 0 {
				log.fileSink.waitWritten()
			}
		}
		for i := range vital {
			log.Error("vital", "number", i)
		}
	})
	soon(t, "opening the file anew", log.Reopen)
	soon(t, "flushing", log.Flush)
	stuck := log.sinks[1]
	if stuck.queued > maxQueued {
		t.Errorf("%d bytes are queued", stuck.queued)
	}
	dropped := log.Dropped()
	if dropped["file"] != 0 || dropped["terminal"] == 0 {
		t.Fatalf("dropped: %v", dropped)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(data, []byte("\n")); lines != 1+flood+vital {
		t.Errorf("the file has %d lines", lines)
	}

	terminal.mutex.Unlock()
	soon(t, "flushing", stuck.waitWritten)
	got := terminal.read(log)
	if n := strings.Count(got, "ERROR vital number="); n != vital {
		t.Errorf("a flood of debug messages left %d errors of %d", n, vital)
	}
	told := fmt.Sprintf("log messages were dropped here: the log was too slow sink=terminal messages=%d\n", dropped["terminal"])
	if strings.Count(got, "dropped here") != 1 || !strings.Contains(got, told) {
		t.Errorf("reported %d times, without %q", strings.Count(got, "dropped here"), told)
	}
	if lines := strings.Count(got, "\n"); uint64(lines) != 1+flood+vital+1-dropped["terminal"] {
		t.Errorf("the terminal has %d lines", lines)
	}
	// The lines are in order, and the report is where the gap is.
	next := 0
	for line := range strings.Lines(got) {
		var number int
		if _, rest, ok := strings.Cut(line, "dropped here"); ok {
			fmt.Sscanf(rest[strings.Index(rest, "messages="):], "messages=%d", &number)
			next += number
		} else if _, rest, ok := strings.Cut(line, "xx number="); ok {
			if fmt.Sscanf(rest, "%d", &number); number != next {
				t.Fatalf("line %q, not number %d", line, next)
			}
			next++
		}
	}
	if next != flood {
		t.Errorf("%d of %d debug messages are logged or counted as dropped", next, flood)
	}
	log.Close()
}

// waitWritten waits until the queue is written.
func (s *sink) waitWritten() {
	done := make(chan struct{})
	s.do(func() { close(done) })
	<-done
}

// Close does not wait for a stuck sink, and other sinks write their queues.
func TestCloseStuck(t *testing.T) {
	terminal := new(gate)
	terminal.mutex.Lock()
	file := filepath.Join(t.TempDir(), "log")
	log, err := Open(Options{File: file, Terminal: terminal})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("the last")
	soon(t, "closing", log.Close)
	if data, err := os.ReadFile(file); err != nil || !strings.Contains(string(data), "INFO the last\n") {
		t.Errorf("the file has %q, %v", data, err)
	}
	log.Info("after the end")
	terminal.mutex.Unlock()
}

// A pipe that nobody reads, as standard error.
func TestPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	log, err := Open(Options{Terminal: w})
	if err != nil {
		t.Fatal(err)
	}
	const messages = 50000
	soon(t, "logging", func() {
		for i := range messages {
			log.Info("message", "number", i)
		}
	})
	if log.Dropped()["terminal"] == 0 {
		t.Error("nothing was dropped")
	}
	read := make(chan int)
	go func() {
		data, _ := io.ReadAll(r)
		read <- bytes.Count(data, []byte("INFO message"))
	}()
	soon(t, "the rest", log.sinks[0].waitWritten)
	log.Close()
	w.Close()
	if got := <-read; got+int(log.Dropped()["terminal"]) != messages {
		t.Errorf("%d lines and %d dropped of %d", got, log.Dropped()["terminal"], messages)
	}
	r.Close()
}

// A full disk loses what does not fit, and that is reported once there is room again. Only
// the line that the disk took a part of is torn.
func TestFullDisk(t *testing.T) {
	disk := &disk{room: 150}
	var told []string
	log, err := Open(Options{Terminal: disk})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		log.Info("message", "number", i)
	}
	log.Flush()
	if got := log.Dropped()["terminal"]; got != 4 {
		t.Errorf("%d messages dropped", got)
	}
	disk.room = 1 << 20
	log.Info("again")
	log.Close()
	for line := range strings.Lines(disk.data.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "/ThreadId 1 ")
		told = append(told, text)
	}
	want := "INFO message number=0|INFO mess|WARNING log messages were dropped here: the log was too slow sink=terminal messages=4|INFO again"
	got := strings.Join(told, "|")
	if len(told) != 4 || told[0] != "INFO message number=0" || !strings.HasSuffix(got, want[strings.Index(want, "|WARNING"):]) {
		t.Errorf("the disk has %s", got)
	}
}

// disk is a writer with room for a number of bytes.
type disk struct {
	room int
	data bytes.Buffer
}

func (d *disk) Write(data []byte) (int, error) {
	n := min(d.room, len(data))
	d.room -= n
	d.data.Write(data[:n])
	if n < len(data) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// /dev/full is always full; the log file is a link to it.
func TestOddFiles(t *testing.T) {
	for name, test := range map[string]struct {
		make func(path string) error
		says string
	}{
		"pipe":       {func(path string) error { return unix.Mkfifo(path, 0o600) }, "not a regular file: remove it"},
		"device":     {func(path string) error { return os.Symlink("/dev/full", path) }, "not a regular file: remove it"},
		"directory":  {func(path string) error { return os.Mkdir(path, 0o700) }, "is a directory"},
		"no target":  {func(path string) error { return os.Symlink("/nowhere/at/all", path) }, "no such file"},
		"a real one": {func(path string) error { return os.Symlink(path+".target", path) }, ""},
	} {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "log")
		if err := test.make(path); err != nil {
			t.Fatal(err)
		}
		soon(t, "opening a "+name, func() {
			log, err := Open(Options{File: path})
			switch {
			case err == nil:
				log.Close()
				if test.says != "" {
					t.Errorf("%s: taken", name)
				}
			case test.says == "" || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), test.says):
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	hung := &logFile{path: "/hung"}
	if err := hung.openWithin(0); err == nil {
		t.Error("it waits for a hanging device")
	}
}

// Whatever a message contains, it becomes one short, printable line, and valid JSON in that
// format.
func TestLines(t *testing.T) {
	control := "\x1b]0;\a\x00\r\n\x7f\u009b31m\u202e\u2028\xff" + "\U000e0001"
	long := strings.Repeat("é", 3000)
	many := make([]any, 0, 1200)
	for i := range 600 {
		many = append(many, fmt.Sprint("name", i), long)
	}
	for _, format := range []Format{Ganeti, Text, JSON} {
		terminal := new(gate)
		log, err := Open(Options{Terminal: terminal, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		log.Info(control, "value", control, "error", errors.New(control))
		log.Info(long)
		log.Info("short", "value", long, "error", errors.New(long))
		log.Info(strings.Repeat("\x01", 5000), "value", strings.Repeat("\x01", 5000))
		log.Info(long, many...)
		log.With("value", long).WithGroup("g").Info("short", "error", errors.New(long))
		got := terminal.read(log)
		log.Close()
		if n := strings.Count(got, "\n"); n != 6 {
			t.Errorf("%s: %d lines", format, n)
		}
		for line := range strings.Lines(got) {
			if len(line) > maxLine {
				t.Errorf("%s: a line of %d bytes: %.200q", format, len(line), line)
			}
			text := strings.TrimSuffix(line, "\n")
			for _, r := range text {
				if r < ' ' || r >= 0x7f && r != 'é' && r != 0xfffd || r == 0xfffd && format != JSON {
					t.Errorf("%s: %q in a line", format, r)
				}
			}
			if format == JSON {
				var object map[string]any
				if err := json.Unmarshal([]byte(text), &object); err != nil || object["msg"] == "" || object["level"] != "INFO" {
					t.Errorf("%s: %v: %.200s", format, err, text)
				}
			}
		}
		if n := strings.Count(got, mark); n < 5 && format != JSON {
			t.Errorf("%s: %d marks of what was cut", format, n)
		}
	}
}

// Checking whether debug messages are wanted, which happens for every batch of datagrams,
// allocates nothing. It takes no lock either.
func TestEnabled(t *testing.T) {
	log, err := Open(Options{File: filepath.Join(t.TempDir(), "log"), Terminal: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, s := range log.sinks {
		s.form.mutex.Lock()
		defer s.form.mutex.Unlock()
		s.mutex.Lock()
		defer s.mutex.Unlock()
	}
	soon(t, "asking", func() {
		if n := testing.AllocsPerRun(100, func() { log.Enabled(t.Context(), slog.LevelDebug) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
