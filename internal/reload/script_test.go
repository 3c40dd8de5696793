package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rogpeppe/go-internal/testscript"

	"gntconfd/internal/cluster"
	"gntconfd/internal/testing/written"
)

// TestScripts runs the scripts of testdata, which change the files and check what is served.
// They run in the directory data, and have these commands besides those of testscript:
//
//	start [poll=DURATION] [pause=DURATION] [minLoad=DURATION] [lasting=DURATION] [watch=no]
//	                     starts a reloader. By default poll is an hour, and pause, which
//	                     follows every load, and lasting are zero; an error goes to stderr
//	starting [...]       the same, but does not wait until it has started
//	write FILE TEXT      rewrites a file in place
//	replace FILE TEXT    renames a new file over it
//	link FILE NAME       makes a hard link
//	fifo NAME            makes a named pipe
//	grow FILE BYTES      makes a file longer, with a hole
//	sametime FILE MODEL  gives FILE the modification time of MODEL
//	serves SERIAL        waits until the file's configuration is served
//	stale SERIAL ERROR   waits until an older one is served because of ERROR
//	nothing PROBLEM      waits until nothing is served because of PROBLEM
//	key TEXT             waits until TEXT is the key
//	look                 calls Reload, which checks the files, and waits for it
//	looking              the same, but does not wait
//	begun N              waits until parsing has begun N times
//	storm                replaces the configuration repeatedly, by ones that take a moment
//	                     to parse, until one of them is served
//	parsed N             checks how often parsing has begun
//	failures N           checks how often a configuration was refused
//	logged N PATTERN     checks how many lines of the log match
//	logs PATTERN         waits until a line of the log matches
//
// A configuration is a serial number here; anything else is broken. Parsing "endless" takes
// until it is cancelled, parsing "slow SERIAL" takes a moment. Errors, problems and log lines
// are regular expressions.
func TestScripts(t *testing.T) {
	type key struct{}
	params := testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Cmds:               make(map[string]func(*testscript.TestScript, bool, []string)),
		Setup: func(e *testscript.Env) error {
			e.Cd = filepath.Join(e.WorkDir, "data")
			w := &world{dir: e.Cd}
			e.Values[key{}] = w
			e.Defer(w.stop)
			return nil
		},
	}
	for name, command := range commands {
		params.Cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			w := ts.Value(key{}).(*world)
			if len(args) < command.args {
				ts.Fatalf("%s: %d arguments are needed", name, command.args)
			}
			switch err := command.run(w, args); {
			case neg && err == nil:
				ts.Fatalf("%s succeeded", name)
			case neg:
				fmt.Fprintln(ts.Stderr(), err)
			case err != nil:
				ts.Fatalf("%s: %v\nstate: %+v\nlog:\n%s", name, err, w.state(), w.log.String())
			}
		}
	}
	testscript.Run(t, params)
}

var commands = map[string]struct {
	args int
	run  func(w *world, args []string) error
}{
	"start":    {0, func(w *world, args []string) error { return w.start(args...) }},
	"starting": {0, func(w *world, args []string) error { return w.starting(args...) }},
	"looking":  {0, func(w *world, _ []string) error { go w.reloader.Reload(); return nil }},
	"begun":    {1, func(w *world, args []string) error { return w.begun(number(args[0])) }},
	"storm":    {0, func(w *world, _ []string) error { return w.storm() }},
	"write":    {2, func(w *world, args []string) error { return w.write(args[0], args[1]) }},
	"replace":  {2, func(w *world, args []string) error { return w.replace(args[0], args[1]) }},
	"link":     {2, func(w *world, args []string) error { return os.Link(w.path(args[0]), w.path(args[1])) }},
	"fifo":     {1, func(w *world, args []string) error { return syscall.Mkfifo(w.path(args[0]), 0o600) }},
	"grow":     {2, func(w *world, args []string) error { return os.Truncate(w.path(args[0]), int64(number(args[1]))) }},
	"sametime": {2, func(w *world, args []string) error { return w.sameTime(args[0], args[1]) }},
	"serves":   {1, func(w *world, args []string) error { return w.serves(int64(number(args[0]))) }},
	"stale":    {2, func(w *world, args []string) error { return w.stale(int64(number(args[0])), args[1]) }},
	"nothing":  {1, func(w *world, args []string) error { return w.nothing(args[0]) }},
	"key":      {1, func(w *world, args []string) error { return w.hasKey(args[0]) }},
	"look":     {0, func(w *world, _ []string) error { return w.look() }},
	"parsed":   {1, func(w *world, args []string) error { return same("parsed", w.parsed(), number(args[0])) }},
	"failures": {1, func(w *world, args []string) error { return same("failures", int(w.state().Failures), number(args[0])) }},
	"logs":     {1, func(w *world, args []string) error { return wait(func() bool { return w.log.count(args[0]) > 0 }) }},
	"logged":   {2, func(w *world, args []string) error { return same("lines", w.log.count(args[1]), number(args[0])) }},
}

// world is a directory with the two files, and a reloader for them.
type world struct {
	dir      string
	log      logBuffer
	reloader *Reloader
	ctx      context.Context
	cancel   context.CancelFunc

	mu    sync.Mutex
	keyed string // the last key that OnKey got
	parse int    // how often parsing a configuration has begun
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) start(settings ...string) error {
	if err := w.prepare(settings); err != nil {
		return err
	}
	err := w.reloader.start(w.ctx)
	if err != nil {
		w.cancel()
		w.reloader = nil
	}
	return err
}

func (w *world) starting(settings ...string) error {
	err := w.prepare(settings)
	if err == nil {
		go w.reloader.start(w.ctx)
	}
	return err
}

func (w *world) prepare(settings []string) error {
	r := newReloader(Options{
		ConfigPath: w.path("config.data"),
		KeyPath:    w.path("hmac.key"),
		OnKey: func(key []byte) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.keyed = string(key)
		},
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	r.load = w.load
	r.poll, r.configPace.longest, r.configPace.burst = time.Hour, 0, 0
	w.lasting(r, 0)
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		var err error
		switch name {
		case "poll":
			r.poll, err = time.ParseDuration(value)
		case "pause":
			r.configPace.longest, err = time.ParseDuration(value)
			r.configPace.share = 1e9 // however long a load takes
		case "lasting":
			var lasting time.Duration
			lasting, err = time.ParseDuration(value)
			w.lasting(r, lasting)
		case "minLoad":
			r.minLoad, err = time.ParseDuration(value)
		case "watch":
			r.dir.open = func() (*fsnotify.Watcher, error) { return nil, syscall.EMFILE }
		default:
			err = fmt.Errorf("no such setting: %s", setting)
		}
		if err != nil {
			return err
		}
	}
	w.reloader = r
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return nil
}

func (w *world) lasting(r *Reloader, d time.Duration) {
	r.keyAlarm.lasting, r.configAlarm.lasting, r.dir.alarm.lasting = d, d, d
}

func (w *world) stop() {
	if w.reloader != nil {
		w.cancel()
		w.reloader.Wait()
	}
}

func (w *world) load(ctx context.Context, _ *cluster.Snapshot, text io.ReadSeeker) (*cluster.Snapshot, error) {
	data, err := io.ReadAll(text)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.parse++
	w.mu.Unlock()
	config := strings.TrimSpace(string(data))
	number, slow := strings.CutPrefix(config, "slow ")
	if slow || config == "endless" {
		moment := time.Hour
		if slow {
			moment = 20 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(moment):
		}
	}
	serial, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil, errors.New("not a number")
	}
	return &cluster.Snapshot{Serial: serial, ConfigSerial: serial + 3}, nil
}

func (w *world) parsed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parse
}

func (w *world) state() State {
	if w.reloader == nil {
		return State{}
	}
	return w.reloader.State()
}

func (w *world) write(name, text string) error {
	return os.WriteFile(w.path(name), []byte(text), 0o600)
}

func (w *world) replace(name, text string) error {
	if err := w.write("new", text); err != nil {
		return err
	}
	return os.Rename(w.path("new"), w.path(name))
}

func (w *world) sameTime(name, model string) error {
	info, err := os.Stat(w.path(model))
	if err != nil {
		return err
	}
	return os.Chtimes(w.path(name), time.Time{}, info.ModTime())
}

func (w *world) serves(serial int64) error {
	return wait(func() bool {
		s := w.state()
		return s.Snapshot != nil && s.Snapshot.Serial == serial && s.Err == nil && s.Problem == ""
	})
}

func (w *world) stale(serial int64, pattern string) error {
	return wait(func() bool {
		s := w.state()
		return s.Snapshot != nil && s.Snapshot.Serial == serial && s.Problem == "" &&
			s.Err != nil && match(pattern, s.Err.Error())
	})
}

func (w *world) nothing(pattern string) error {
	return wait(func() bool {
		s := w.state()
		return s.Snapshot == nil && s.Err != nil && match(pattern, s.Problem)
	})
}

func (w *world) hasKey(key string) error {
	return wait(func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.keyed == key
	})
}

func (w *world) begun(loads int) error {
	return wait(func() bool { return w.parsed() >= loads })
}

func (w *world) storm() error {
	served := w.state().Loads
	var err error
	for serial := 1; err == nil && w.state().Loads == served; serial++ {
		if serial > 20_000 {
			return errors.New("nothing of all that was served")
		}
		err = w.replace("config.data", "slow "+strconv.Itoa(serial))
		time.Sleep(time.Millisecond)
	}
	return err
}

// look returns when the files have been checked.
func (w *world) look() error {
	w.reloader.Reload()
	return nil
}

// wait waits until a condition is true, which must happen soon.
func wait(until func() bool) error {
	for deadline := time.Now().Add(20 * time.Second); !until(); {
		if time.Now().After(deadline) {
			return errors.New("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

func same(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%s: got %d, want %d", what, got, want)
	}
	return nil
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

func match(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// logBuffer collects the log.
type logBuffer struct{ written.Buffer }

// count returns how many lines match.
func (b *logBuffer) count(pattern string) int {
	n := 0
	for line := range strings.Lines(b.String()) {
		if match(pattern, line) {
			n++
		}
	}
	return n
}
