package reload

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startWorld(t testing.TB, settings ...string) *world {
	t.Helper()
	w := &world{dir: t.TempDir()}
	for _, err := range []error{w.write("config.data", "1"), w.write("hmac.key", "secret"), w.start(settings...)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(w.stop)
	return w
}

// A storm of changes causes one load per pause, and the last change is served.
func TestStorm(t *testing.T) {
	const renames, pause = 50, 100 * time.Millisecond
	w := startWorld(t, "pause="+pause.String())
	began := time.Now()
	for i := range renames {
		if err := w.replace("config.data", strconv.Itoa(100+i)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := w.serves(100 + renames - 1); err != nil {
		t.Fatal(err)
	}
	if err := w.look(); err != nil {
		t.Fatal(err)
	}
	// The load at the start, the one that begins the storm, and the ones that follow.
	most := 2 + int(time.Since(began)/pause)
	if n := w.parsed(); n < 3 || n > most {
		t.Errorf("%d loads in %v, want 3 to %d", n, time.Since(began), most)
	}
}

// Readers see every state complete and in order while the file changes.
func TestStatesAreWhole(t *testing.T) {
	w := startWorld(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for last := int64(1); last < 20; {
			s := w.state()
			if s.Snapshot == nil || s.Snapshot.Serial < last || s.Size != len(strconv.FormatInt(s.Snapshot.Serial, 10)) {
				t.Errorf("after serial %d: %+v", last, s)
				return
			}
			last = s.Snapshot.Serial
			time.Sleep(time.Millisecond)
		}
	}()
	for i := 2; i <= 20; i++ {
		if err := w.replace("config.data", strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		if err := w.look(); err != nil {
			t.Fatal(err)
		}
	}
	<-done
}

// The hook is called with every state before State returns it.
func TestHook(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"config.data", "hmac.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var told []State
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Start(ctx, Options{
		ConfigPath: filepath.Join(dir, "config.data"),
		KeyPath:    filepath.Join(dir, "hmac.key"),
		OnConfig:   func(s State) { told = append(told, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	r.Wait()
	if len(told) != 1 || told[0] != r.State() || told[0].Err == nil || told[0].Failures != 1 {
		t.Errorf("told %+v, want once %+v", told, r.State())
	}
}

func TestPace(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1e9, 0).Add(time.Duration(ms) * time.Millisecond) }
	const poll = 5000
	tests := []struct {
		name    string
		loaded  int // when a load ended; 0 for never
		changes []int
		want    int
	}{
		{"nothing happens", 0, nil, poll},
		{"one change settles", 0, []int{100}, 110},
		{"a second change starts the settling anew", 0, []int{100, 106}, 116},
		{"patience ends", 0, []int{100, 109, 118, 127, 136}, 140},
		{"a change in the pause waits", 50, []int{100}, 1050},
		{"so do many", 50, []int{100, 500, 1000}, 1050},
		{"a change late in the pause settles", 50, []int{1045}, 1055},
		{"a change after the pause", 50, []int{2000}, 2010},
		{"a change shortly before the poll", 0, []int{4995}, poll},
		{"the poll waits for the end of the pause", 4500, nil, 5500},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := pace{patience: patience, share: share, longest: time.Second, burst: burst}
			if test.loaded != 0 {
				p.worked(at(test.loaded), time.Second)
			}
			p.checked(at(poll))
			for _, ms := range test.changes {
				p.change(at(ms), quiet)
			}
			if got := p.next(); !got.Equal(at(test.want)) {
				t.Errorf("next look after %v, want %v", got.Sub(at(0)), at(test.want).Sub(at(0)))
			}
			if p.pending() != (len(test.changes) > 0) {
				t.Errorf("pending: %v", p.pending())
			}
		})
	}
}

// Checks of a file that changes all the time take no more than their share, and cheap checks are
// never late.
func TestPaceOfStorm(t *testing.T) {
	for _, cost := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond,
		100 * time.Millisecond, burst} {
		p := pace{patience: patience, share: share, longest: time.Second, burst: burst}
		began := time.Unix(1e9, 0)
		p.checked(began.Add(time.Hour))
		var worked, latest time.Duration
		for now := began; now.Sub(began) < 5*time.Minute; {
			p.change(now, arrived)
			at := p.next()
			if worked += cost; worked <= burst {
				latest = max(latest, at.Sub(now)+cost)
			}
			now = at.Add(cost)
			p.checked(now.Add(time.Hour))
			p.worked(now, cost)
		}
		if most := 5*time.Minute/share + burst + 2*cost; worked > most {
			t.Errorf("looks of %v took %v of 5 minutes, want at most %v", cost, worked, most)
		}
		if most := min(time.Second, share*cost+arrived) + cost; latest > most {
			t.Errorf("a change waits %v while looks take %v, want at most %v", latest, cost, most)
		}
		if cost <= time.Millisecond && latest > 50*time.Millisecond {
			t.Errorf("a change waits %v while looks take %v", latest, cost)
		}
	}
}

// However long a check takes, the next one never waits longer than the longest pause.
func TestPaceAfterALongLook(t *testing.T) {
	p := pace{patience: patience, share: share, longest: time.Second, burst: burst}
	now := time.Unix(1e9, 0)
	p.checked(now.Add(time.Hour))
	p.worked(now, 20*time.Second)
	p.change(now, arrived)
	if waits := p.next().Sub(now); waits > time.Second {
		t.Errorf("the next look waits %v", waits)
	}
}

// A file that was changed a moment ago is opened again even if it looks unchanged; one that
// changed earlier is not.
func TestReadTrustsOldStampsOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := file{path: path, limit: 10}
	read := func(force bool) (string, error) {
		var data []byte
		err := f.read(t.Context(), force, func(text *summed) (err error) {
			data, err = io.ReadAll(text)
			return err
		})
		return string(data), err
	}
	if data, err := read(false); data != "1" || err != nil {
		t.Fatalf("first read: %q, %v", data, err)
	}
	if !f.recent {
		t.Error("a file changed just now is taken for settled")
	}
	if data, err := read(false); data != "" || !errors.Is(err, errUnchanged) {
		t.Errorf("second read: %q, %v", data, err)
	}

	if err := os.WriteFile(path, []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f.seen, f.recent = stampOf(info), false
	if _, err := read(false); !errors.Is(err, errUnchanged) {
		t.Errorf("a settled file was read: %v", err)
	}
	if data, err := read(true); data != "2" || err != nil {
		t.Errorf("forced read: %q, %v", data, err)
	}
}

// Reading takes no memory except for what is kept.
func TestReadTakesNoMemory(t *testing.T) {
	const size = 4 << 20
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f := file{path: path, limit: size}
	for _, read := range []struct {
		name  string
		force bool
		want  error
	}{{"first", false, nil}, {"second", false, errUnchanged}, {"forced", true, errUnchanged}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := f.read(t.Context(), read.force, func(text *summed) error {
			_, err := io.Copy(io.Discard, text)
			return err
		})
		if !errors.Is(err, read.want) {
			t.Fatalf("%s read: %v, want %v", read.name, err, read.want)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > size/4 {
			t.Errorf("%s read took %d bytes", read.name, took)
		}
	}
}

// The error for a refused access explains it by the file's mode and owner, or by its path.
func TestReadRefused(t *testing.T) {
	dir := t.TempDir()
	open, locked := filepath.Join(dir, "open"), filepath.Join(dir, "locked")
	for _, err := range []error{
		os.Mkdir(open, 0o755), os.WriteFile(filepath.Join(open, "file"), []byte("1"), 0),
		os.Mkdir(locked, 0o755), os.WriteFile(filepath.Join(locked, "file"), []byte("1"), 0),
		os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(locked, 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		// Only this thread gives up root's access to files for a while.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer unix.SetfsuidRetUid(0)
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		filepath.Join(open, "file"):   `^permission denied: mode 0000, owner \S+, group \S+, but user \S+ needs read permission$`,
		filepath.Join(locked, "file"): `^permission denied: user \S+ needs search permission for all directories of the path$`,
	} {
		_, err := readAll(path, 10)
		if !errors.Is(err, fs.ErrPermission) || !match(want, err.Error()) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

// BenchmarkChangeToServed measures the time from a change to the state that shows it, for single
// changes.
func BenchmarkChangeToServed(b *testing.B) {
	for name, change := range map[string]func(*world, string, string) error{
		"rename":  (*world).replace,
		"inplace": (*world).write,
	} {
		b.Run(name, func(b *testing.B) {
			w := startWorld(b)
			serial := int64(1)
			for b.Loop() {
				serial++
				if err := change(w, "config.data", strconv.FormatInt(serial, 10)); err != nil {
					b.Fatal(err)
				}
				if err := w.serves(serial); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
