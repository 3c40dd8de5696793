package reload

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"gntconfd/internal/ganeti"
)

const (
	// A file that changed less than this before it was read may change again without a visible
	// change of its times: some file systems store whole seconds only, FAT every other one.
	coarsest = 2 * time.Second
	// How many times to read a file that changes while it is read or is empty, as it is for a
	// moment while it is rewritten in place.
	attempts = 5
)

var (
	// errUnchanged: the file, or the problem with it, is the same as before.
	errUnchanged = errors.New("unchanged")
	errInUse     = errors.New("in use")
	errEmpty     = errors.New("the file is empty")
	errUnsteady  = errors.New("the file keeps changing while it is read")
)

// digest is a checksum of contents, used only to compare them with others.
type digest uint64

var seed = maphash.MakeSeed()

// file is a file that is read whenever it changes.
type file struct {
	path  string
	limit int64 // maximum size in bytes

	seen    stamp  // of the contents last read; zero if reading failed
	recent  bool   // whether those contents were so new that later ones may have the same stamp
	sum     digest // of the contents last read
	used    digest // of the contents in use; zero if none are
	failure string // the last problem; empty if there was none
}

// stamp identifies a state of a file without reading it.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // nanoseconds, Unix time
}

// use marks the contents last read as the ones in use.
func (f *file) use() { f.used = f.sum }

// forget marks no contents as in use.
func (f *file) forget() { f.used = 0 }

// read calls look with the file's contents, which are never empty, and calls it again each time
// they change meanwhile. An error of look counts as an error of reading. If the contents, or the
// problem, are the same as last time, read does not call look and returns errUnchanged; if they
// are not, but are the contents in use, it returns errInUse. Unless force is set, a file with an
// unchanged stamp is not opened. When ctx ends, read returns its error and remembers nothing.
//
// A configuration takes much memory. read reads it twice, for its digest and then in look, so
// that only what look keeps is in memory.
func (f *file) read(ctx context.Context, force bool, look func(text *io.SectionReader) error) error {
	began := time.Now()
	// Contents that were too new to be trusted are read again once they are old enough.
	if !force && (!f.recent || f.seen.recent(began)) {
		if info, err := os.Stat(f.path); err == nil && stampOf(info) == f.seen {
			return errUnchanged
		}
	}
	var sum digest
	var known error // errUnchanged or errInUse
	seen, err := readStable(ctx, f.path, f.limit, func(text *io.SectionReader) error {
		var err error
		if sum, err = sumOf(text); err != nil {
			return err
		}
		known = nil
		switch {
		case sum == f.sum && f.failure == "":
			known = errUnchanged
		case sum == f.used:
			known = errInUse
		default:
			return look(text)
		}
		return nil
	})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	f.seen, f.recent = seen, seen.recent(began)
	if err != nil {
		if err.Error() == f.failure {
			return errUnchanged
		}
		f.failure = err.Error()
		return err
	}
	f.sum, f.failure = sum, ""
	return known
}

// recent reports whether the file could change at this time without getting another stamp.
func (s stamp) recent(now time.Time) bool {
	return now.Sub(time.Unix(0, s.ctime)) < coarsest
}

// sumOf returns the digest of a text and rewinds it.
func sumOf(text *io.SectionReader) (digest, error) {
	var h maphash.Hash
	h.SetSeed(seed)
	if _, err := io.Copy(&h, text); err != nil {
		return 0, err
	}
	_, err := text.Seek(0, io.SeekStart)
	return digest(h.Sum64()), err
}

// ReadKey returns the key that a Reloader would use, or the error that Start would return.
func ReadKey(path string) ([]byte, error) {
	key, err := readAll(path, maxKeySize)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return key, nil
}

// ReadConfig returns the text of a configuration as a Reloader would read it, or the error that
// would be in its State.Err.
func ReadConfig(path string) ([]byte, error) { return readAll(path, maxConfigSize) }

func readAll(path string, limit int64) (data []byte, err error) {
	_, err = readStable(context.Background(), path, limit, func(text *io.SectionReader) error {
		data, err = io.ReadAll(text)
		return err
	})
	return data, err
}

// readStable calls look with the contents of a regular file of 1 to limit bytes, and calls it
// again each time they change meanwhile. It never waits for a writer, as opening a named pipe
// would, and stops reading when ctx ends. The stamp is zero on error.
func readStable(ctx context.Context, path string, limit int64, look func(text *io.SectionReader) error) (stamp, error) {
	for attempt := 1; ; attempt++ {
		seen, err := once(ctx, path, limit, look)
		passing := errors.Is(err, errUnsteady) || errors.Is(err, errEmpty)
		if !passing || attempt == attempts {
			return seen, ganeti.ExplainAccess(path, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(quiet):
		}
	}
}

// interruptible is a file whose reads fail once ctx has ended.
type interruptible struct {
	ctx  context.Context
	file io.ReaderAt
}

func (i interruptible) ReadAt(into []byte, offset int64) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.file.ReadAt(into, offset)
}

func once(ctx context.Context, path string, limit int64, look func(text *io.SectionReader) error) (stamp, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		// A directory fails to open, as the daemon may not list directories.
		if info, statErr := os.Stat(path); statErr == nil && !info.Mode().IsRegular() {
			return stamp{}, notRegular(info)
		}
		return stamp{}, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return stamp{}, err
	}
	size := before.Size()
	switch {
	case !before.Mode().IsRegular():
		return stamp{}, notRegular(before)
	case size == 0:
		return stamp{}, errEmpty
	case size > limit:
		return stamp{}, fmt.Errorf("the file has %d bytes, more than the %d allowed", size, limit)
	}
	if err := look(io.NewSectionReader(interruptible{ctx, f}, 0, size)); err != nil {
		return stamp{}, err
	}
	after, err := f.Stat()
	if err != nil {
		return stamp{}, err
	}
	// The ctime is not compared: it also changes when another file replaces this one, which does
	// no harm to those who have it open.
	if after.Size() != size || !after.ModTime().Equal(before.ModTime()) {
		return stamp{}, errUnsteady
	}
	return stampOf(before), nil
}

// stampAt returns the stamp of the file at path, or zero if there is none.
func stampAt(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stampOf(info)
}

func notRegular(info fs.FileInfo) error {
	return fmt.Errorf("not a regular file (mode %v)", info.Mode())
}

func stampOf(info fs.FileInfo) stamp {
	st := info.Sys().(*syscall.Stat_t)
	return stamp{
		dev:   uint64(st.Dev), //nolint:unconvert // 32 bits on some processors
		ino:   st.Ino,
		size:  st.Size,
		mtime: st.Mtim.Nano(),
		ctime: st.Ctim.Nano(),
	}
}
