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

	"gntconfd/internal/cluster"
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

// read calls look with the file's contents, never empty, once more for each time
// that they change meanwhile; the error of look is one of reading. What look has made
// of them counts only if the error is nil: if they are the same as the last time, or
// cannot be had for the same reason, it is errUnchanged; if they are others than the last
// time, but those in use, errInUse. Without force a file that looks the same is not opened.
// Once ctx ends, so does reading, with its error, and nothing of it is remembered.
//
// A configuration takes much memory, so that no more of it than look keeps is in memory at
// any time. The digest is taken on the way where look is likely to be needed: where the
// file looks other than the last time and those contents are in use, so that look
// costs little more than to compare. Otherwise the file is read for its digest first.
func (f *file) read(ctx context.Context, force bool, look func(text *summed) error) error {
	began := time.Now()
	looksSame := f.seen != stamp{} && f.seen == stampAt(f.path)
	// What was too new to be trusted is read once more when it has become old enough.
	if looksSame && !force && (!f.recent || f.seen.recent(began)) {
		return errUnchanged
	}
	var sum digest
	seen, err := readStable(ctx, f.path, f.limit, func(section *io.SectionReader) (err error) {
		text := newSummed(section)
		if looksSame || f.sum != f.used {
			if sum, err = text.sum(); err != nil || f.known(sum) != nil {
				return err
			}
		}
		if err := look(text); err != nil {
			return err
		}
		sum, err = text.sum()
		return err
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
	known := f.known(sum)
	f.sum, f.failure = sum, ""
	return known
}

// known returns errUnchanged or errInUse for the digest of such contents.
func (f *file) known(sum digest) error {
	switch {
	case sum == f.sum && f.failure == "":
		return errUnchanged
	case sum == f.used:
		return errInUse
	}
	return nil
}

// recent reports whether a file with this stamp could change after a moment without
// getting another.
func (s stamp) recent(now time.Time) bool {
	return now.Sub(time.Unix(0, s.ctime)) < coarsest
}

// summed is a text of which the digest is taken as it is read.
type summed struct {
	*io.SectionReader
	hash maphash.Hash
	read int64 // how many bytes, from the first on, are in hash
}

func newSummed(text *io.SectionReader) *summed {
	s := &summed{SectionReader: text}
	s.hash.SetSeed(seed)
	return s
}

func (s *summed) Read(into []byte) (int, error) {
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	n, err := s.SectionReader.Read(into)
	if known := s.read - at; 0 <= known && known < int64(n) {
		s.hash.Write(into[known:n])
		s.read = at + int64(n)
	}
	return n, err
}

// sum returns the digest of the whole text, of which it reads what has not been read, and
// leaves it at its beginning.
func (s *summed) sum() (digest, error) {
	if rest := s.Size() - s.read; rest > 0 {
		if _, err := s.Seek(s.read, io.SeekStart); err != nil {
			return 0, err
		}
		room := make([]byte, min(rest, 256<<10))
		for {
			if _, err := s.Read(room); err == io.EOF {
				break
			} else if err != nil {
				return 0, err
			}
			if s.read < s.Size() {
				cluster.GiveWay()
			}
		}
	}
	_, err := s.Seek(0, io.SeekStart)
	return digest(s.hash.Sum64()), err
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
