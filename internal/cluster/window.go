package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/go-faster/jx"
)

// readSize is how many bytes of a configuration file are read at a time.
const readSize = 128 << 10

// window reads a JSON text piece by piece. A part of the text that it returns is valid until its
// next use.
type window struct {
	from io.Reader
	room []byte
	text []byte // what has been read but not used; part of room
	err  error  // of from; nothing comes after it
	read int    // bytes read since giveWay last let others run
}

func newWindow(from io.Reader) *window {
	return &window{from: from, room: rooms.Get().(*[readSize]byte)[:]}
}

// rooms keeps the memory of closed windows for reuse.
var rooms = sync.Pool{New: func() any { return new([readSize]byte) }}

// close ends the use of a window.
func (w *window) close() {
	if len(w.room) == readSize {
		rooms.Put((*[readSize]byte)(w.room))
	}
	*w = window{err: io.EOF}
}

// more reads more of the text. It returns false at the end and after an error.
func (w *window) more() bool {
	if w.err != nil {
		return false
	}
	if cap(w.text)-len(w.text) < len(w.room)/2 {
		room := w.room
		if len(w.text) > len(room)/2 {
			// Doubling limits how often the same value is scanned again.
			room = make([]byte, 2*len(room))
		}
		w.text, w.room = room[:copy(room, w.text)], room
	}
	n, err := w.from.Read(w.text[len(w.text):cap(w.text)])
	w.text, w.err = w.text[:len(w.text)+n], err
	if w.read += n; w.read >= stretch {
		w.read = 0
		GiveWay()
	}
	return n > 0 || err == nil
}

// stretch is how many bytes of a text are processed at a time, which takes at most a
// millisecond.
const stretch = 1 << 20

// sleep is replaced by tests.
var sleep = time.Sleep

// GiveWay lets the goroutines that answer queries run, if there is only one processor. Call it
// at least once for each megabyte of text that is processed. It takes about a millisecond, so
// a small cluster must be loaded without it.
func GiveWay() {
	if runtime.GOMAXPROCS(0) > 1 {
		return
	}
	// The scheduler would check for datagrams only after 10 ms.
	sleep(20 * time.Microsecond)
	// The goroutines that it has found are in a queue that comes after this goroutine, unless
	// this one goes to the end of it, too.
	runtime.Gosched()
}

// failed returns why there is no more text.
func (w *window) failed() error {
	if w.err == nil || errors.Is(w.err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return w.err
}

// next skips white space and returns the byte that comes next.
func (w *window) next() (byte, error) {
	for {
		if w.text = w.text[space(w.text, 0):]; len(w.text) > 0 {
			return w.text[0], nil
		}
		if !w.more() {
			return 0, w.failed()
		}
	}
}

// take skips white space and a byte, which must come next.
func (w *window) take(wanted byte) error {
	c, err := w.next()
	if err != nil {
		return err
	}
	if c != wanted {
		return fmt.Errorf("unexpected byte %q instead of %q", c, wanted)
	}
	w.text = w.text[1:]
	return nil
}

// member advances to the key of an object's next member, be it the first or another. At the end
// of the object it returns false, and is past the object.
func (w *window) member(first bool) (bool, error) {
	c, err := w.next()
	switch {
	case err != nil:
		return false, err
	case c == '}':
		w.text = w.text[1:]
		return false, nil
	case first:
		return true, nil
	}
	return true, w.take(',')
}

// key returns an object's next key and skips the colon.
func (w *window) key() (string, error) {
	key, err := w.string()
	if err != nil {
		return "", err
	}
	return key, w.take(':')
}

// string returns a key, which comes next.
func (w *window) string() (string, error) {
	if c, err := w.next(); err != nil {
		return "", err
	} else if c != '"' {
		return "", fmt.Errorf("unexpected byte %q instead of a key", c)
	}
	text, err := w.value(0)
	if err != nil {
		return "", fmt.Errorf("a key: %w", err)
	}
	key, err := jx.DecodeBytes(text).Str()
	if err == nil {
		err = checkUTF8([]byte(key))
	}
	if err != nil {
		return "", fmt.Errorf("a key: %w", err)
	}
	return key, nil
}

// passesString skips a string if one without escapes comes next.
func (w *window) passesString(wanted string) bool {
	if c, err := w.next(); err != nil || c != '"' {
		return false
	}
	for {
		end, err := scanString(w.text, 0)
		switch {
		case err == nil:
			if string(w.text[1:end-1]) != wanted || strings.IndexByte(wanted, '\\') >= 0 {
				return false
			}
			w.text = w.text[end:]
			return true
		case err != errCut || !w.more():
			return false
		}
	}
}

// value returns the next value, which is inside this many levels of containers.
func (w *window) value(level int) ([]byte, error) {
	if _, err := w.next(); err != nil {
		return nil, err
	}
	for {
		end, err := scanValue(w.text, level)
		if err == nil {
			value := w.text[:end]
			w.text = w.text[end:]
			return value, nil
		}
		if err != errCut {
			return nil, err
		}
		if !w.more() {
			return nil, w.failed()
		}
	}
}

// passes skips a text if it comes next.
func (w *window) passes(wanted []byte) bool {
	for {
		n := min(len(w.text), len(wanted))
		switch {
		case !bytes.Equal(w.text[:n], wanted[:n]):
			return false
		case n == len(wanted):
			w.text = w.text[n:]
			return true
		case !w.more():
			return false
		}
	}
}
