package reload

import (
	"bytes"
	"io"
	"testing"
)

// countingAt counts the bytes that are read.
type countingAt struct {
	io.ReaderAt
	bytes int
}

func (c *countingAt) ReadAt(into []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(into, at)
	c.bytes += n
	return n, err
}

// The digest of a text is the same however it was read before, and nothing is read again
// for it.
func TestDigestOfWhatIsRead(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789"), 50_000)
	const third = 150_000
	var want digest
	for _, how := range []struct {
		name  string
		look  func(text *summed) error
		reads int
	}{
		{"not read", func(*summed) error { return nil }, len(text)},
		{"read", func(text *summed) error { _, err := io.Copy(io.Discard, text); return err }, len(text)},
		{"read a part", func(text *summed) error { _, err := io.CopyN(io.Discard, text, third); return err }, len(text)},
		{"read twice", func(text *summed) error {
			if _, err := io.CopyN(io.Discard, text, third); err != nil {
				return err
			}
			if _, err := text.Seek(0, io.SeekStart); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, text)
			return err
		}, len(text) + third},
	} {
		count := &countingAt{ReaderAt: bytes.NewReader(text)}
		s := newSummed(io.NewSectionReader(count, 0, int64(len(text))))
		if err := how.look(s); err != nil {
			t.Fatalf("%s: %v", how.name, err)
		}
		got, err := s.sum()
		if err != nil {
			t.Fatalf("%s: %v", how.name, err)
		}
		if want == 0 {
			want = got
		}
		if got != want {
			t.Errorf("%s: another digest", how.name)
		}
		if at, err := s.Seek(0, io.SeekCurrent); at != 0 || err != nil {
			t.Errorf("%s: the text stands at %d, %v", how.name, at, err)
		}
		if count.bytes != how.reads {
			t.Errorf("%s: %d bytes were read, want %d", how.name, count.bytes, how.reads)
		}
	}
}
