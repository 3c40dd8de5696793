package reload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"gntconfd/internal/cluster"
)

// These tests take the steps of a Reloader one by one, without its goroutine.

// idle returns a Reloader of two files that has not been started. Its load is that of
// world.
func idle(t *testing.T) (*Reloader, *world) {
	t.Helper()
	w := &world{dir: t.TempDir()}
	for _, err := range []error{w.write("config.data", "1"), w.write("hmac.key", "secret"), w.prepare(nil)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := w.reloader
	t.Cleanup(func() {
		if r.loading != nil {
			<-r.loading.ended
		}
		r.dir.close()
	})
	return r, w
}

// lookOnce looks at the configuration and waits for the end.
func lookOnce(t *testing.T, r *Reloader) {
	t.Helper()
	r.begin(t.Context(), true)
	<-r.loading.ended
	r.loaded(t.Context())
}

func TestCounts(t *testing.T) {
	r, w := idle(t)
	for i, step := range []struct {
		text            string
		loads, failures uint64
	}{
		{"1", 1, 0}, {"1", 1, 0}, {"2", 2, 0}, {"broken", 2, 1}, {"broken", 2, 1}, {"also broken", 2, 2}, {"2", 2, 2}, {"3", 3, 2},
	} {
		if err := w.replace("config.data", step.text); err != nil {
			t.Fatal(err)
		}
		lookOnce(t, r)
		if s := r.State(); s.Loads != step.loads || s.Failures != step.failures {
			t.Errorf("step %d, %q: %d loads and %d failures, want %d and %d", i, step.text, s.Loads, s.Failures, step.loads, step.failures)
		}
	}
}

// The length of the last load stays known while there is nothing to load.
func TestLengthOfTheLastLoad(t *testing.T) {
	r, w := idle(t)
	if err := w.replace("config.data", "slow 1"); err != nil {
		t.Fatal(err)
	}
	for _, look := range []string{"first", "second"} {
		if lookOnce(t, r); r.took < 20*time.Millisecond {
			t.Errorf("after the %s look the last load has taken %v", look, r.took)
		}
	}
}

// The looks together cost no more processor time than the whole process has had.
func TestCostOfLooks(t *testing.T) {
	r, w := idle(t)
	load := r.load
	r.load = func(ctx context.Context, former *cluster.Snapshot, text io.ReadSeeker) (*cluster.Snapshot, error) {
		for began := threadTime(); threadTime()-began < time.Millisecond; {
			continue
		}
		return load(ctx, former, text)
	}
	began, cost := processTime(t), time.Duration(0)
	for i := range 100 {
		if err := w.replace("config.data", strings.Repeat("0", i)+"1"); err != nil {
			t.Fatal(err)
		}
		r.begin(t.Context(), true)
		<-r.loading.ended
		cost += r.loading.cost
		r.loaded(t.Context())
	}
	if spent := processTime(t) - began; cost < 100*time.Millisecond || cost > spent {
		t.Errorf("100 looks cost %v of the %v that the process has had", cost, spent)
	}
}

// processTime returns how much processor time this process has had.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// Nothing is remembered of a look that ends because the context does.
func TestEndedLookLeavesNothing(t *testing.T) {
	r, w := idle(t)
	lookOnce(t, r)
	state, seen := r.State(), r.config.seen
	if err := w.replace("config.data", "2"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.load = func(context.Context, *cluster.Snapshot, io.ReadSeeker) (*cluster.Snapshot, error) {
		cancel()
		return nil, errors.New("it ended too early")
	}
	if err := r.checkConfig(ctx, true, new(loading)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if r.State() != state || r.config.seen != seen || r.config.failure != "" {
		t.Errorf("state %+v, failure %q", r.State(), r.config.failure)
	}
}

// An event is about a file, about both for that of their directory, or about none.
func TestEvents(t *testing.T) {
	r, w := idle(t)
	for name, want := range map[string]struct{ key, config bool }{
		w.path("hmac.key"):           {true, false},
		w.path("config.data"):        {false, true},
		w.path("./config.data"):      {false, true},
		w.dir:                        {true, true},
		w.path("other"):              {false, false},
		filepath.Join(w.dir, "a/b"):  {false, false},
		filepath.Dir(w.dir):          {false, false},
		w.path("config.data.backup"): {false, false},
	} {
		r.keyPace.checked(time.Now())
		r.configPace.checked(time.Now())
		about := r.changed(fsnotify.Event{Name: name, Op: fsnotify.Write})
		if key, config := r.keyPace.pending(), r.configPace.pending(); key != want.key || config != want.config || about != (key || config) {
			t.Errorf("%s: about a file %v, the key %v, the configuration %v", name, about, key, config)
		}
	}
}

// Files are polled, and loads put off, for seconds.
func TestPauses(t *testing.T) {
	r := newReloader(Options{})
	if r.poll < time.Second || r.configPace.longest != time.Second {
		t.Errorf("polled every %v, loads at most %v apart", r.poll, r.configPace.longest)
	}
}

// Only a problem with the key is logged as one.
func TestKeyLog(t *testing.T) {
	r, w := idle(t)
	for _, step := range []struct {
		key   string
		lines int
	}{{"secret", 0}, {"other", 0}, {"", 1}, {"third", 1}} {
		if err := w.replace("hmac.key", step.key); err != nil {
			t.Fatal(err)
		}
		r.followKey(t.Context(), true)
		if got := w.log.count(`level=DEBUG .*cannot use the key file.*error=`); got != step.lines {
			t.Errorf("key %q: %d lines about problems, want %d:\n%s", step.key, got, step.lines, w.log.String())
		}
	}
}

// A file that changed less than two seconds ago may change again with the same stamp.
func TestRecent(t *testing.T) {
	now := time.Unix(1e9, 0)
	for age, want := range map[time.Duration]bool{
		-time.Hour: true, 0: true, coarsest - 1: true, coarsest: false, time.Hour: false,
	} {
		if got := (stamp{ctime: now.Add(-age).UnixNano()}).recent(now); got != want {
			t.Errorf("changed %v ago: recent is %v", age, got)
		}
	}
}

// A file that changes while it is read is read again, so many times.
func TestReadStable(t *testing.T) {
	for _, changes := range []int{0, 1, attempts - 1, attempts, attempts + 5} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
		looks := 0
		var text []byte
		_, err := readStable(t.Context(), path, 100, func(section *io.SectionReader) (err error) {
			if text, err = io.ReadAll(section); err != nil {
				return err
			}
			if looks++; looks <= changes {
				return os.WriteFile(path, bytes.Repeat([]byte("1"), looks+1), 0o600)
			}
			return nil
		})
		want := min(changes+1, attempts)
		if looks != want || (err == nil) != (changes < attempts) || err != nil && !errors.Is(err, errUnsteady) || len(text) != want {
			t.Errorf("a file that changes %d times: %d looks, error %v, text %q", changes, looks, err, text)
		}
	}
}

func TestReadKeyAndConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, test := range []struct {
		size                int64
		keyError, confError string
	}{
		{0, "key file " + path + ": the file is empty", "the file is empty"},
		{1, "", ""},
		{maxKeySize, "", ""},
		{maxKeySize + 1, "key file " + path + ": the file has 65537 bytes, more than the 65536 allowed", ""},
		{maxConfigSize + 1, "key file " + path + ": the file has 1073741825 bytes, more than the 65536 allowed",
			"the file has 1073741825 bytes, more than the 1073741824 allowed"},
	} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, test.size); err != nil {
			t.Fatal(err)
		}
		for _, read := range []struct {
			read func(string) ([]byte, error)
			want string
		}{{ReadKey, test.keyError}, {ReadConfig, test.confError}} {
			data, err := read.read(path)
			switch {
			case read.want != "" && (err == nil || err.Error() != read.want || data != nil):
				t.Errorf("%d bytes: %d read, error %v, want %s", test.size, len(data), err, read.want)
			case read.want == "" && (err != nil || int64(len(data)) != test.size):
				t.Errorf("%d bytes: %d read, error %v", test.size, len(data), err)
			}
		}
	}
}

// A directory is watched as long as the watch lives and the path leads to it.
func TestWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	opened := 0
	var failure error
	d := directory{path: path, log: slog.New(slog.DiscardHandler), open: func() (*fsnotify.Watcher, error) {
		opened++
		if failure != nil {
			return nil, failure
		}
		return fsnotify.NewWatcher()
	}}
	defer d.close()
	watch := func(step string, wantOpened int, watched bool) {
		t.Helper()
		d.watch()
		if opened != wantOpened || d.watched() != watched {
			t.Errorf("%s: opened %d times, watched %v", step, opened, d.watched())
		}
	}
	watch("first", 1, true)
	watch("again", 1, true)
	if err := d.watcher.Remove(path); err != nil {
		t.Fatal(err)
	}
	watch("after the watch has ended", 2, true)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	watch("while it is gone", 2, false)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	watch("another in its place", 3, true)
	d.close()
	failure = syscall.EMFILE
	watch("no watch to be had", 4, false)
	if _, err := d.begin(); !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "max_user_instances") {
		t.Errorf("error %v", err)
	}
	failure = nil
	d.path += ".none"
	if w, err := d.begin(); w != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("watcher %v of no directory, error %v", w, err)
	}
}
