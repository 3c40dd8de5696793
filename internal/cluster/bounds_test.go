package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"gntconfd/gen/wire"
)

// A file may have so many objects and elements, and more if it is longer.
func TestCrowd(t *testing.T) {
	for _, test := range []struct {
		objects, commas, bytes int
		fits                   bool
	}{
		{wire.ConfigObjects, 0, wire.ConfigObjectSize - 1, true},
		{wire.ConfigObjects + 1, 0, wire.ConfigObjectSize - 1, false},
		{wire.ConfigObjects + 10, 0, 10 * wire.ConfigObjectSize, true},
		{wire.ConfigObjects + 11, 0, 10 * wire.ConfigObjectSize, false},
		{0, wire.ConfigElements, wire.ConfigElementSize - 1, true},
		{0, wire.ConfigElements + 1, wire.ConfigElementSize - 1, false},
		{0, wire.ConfigElements + 10, 10 * wire.ConfigElementSize, true},
		{0, wire.ConfigElements + 11, 10 * wire.ConfigElementSize, false},
	} {
		c := crowd{test.objects - 1, test.commas - 3, test.bytes - 9}
		if err := c.add("key", []byte("{,,,xx")); (err == nil) != test.fits {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// A value of exactly the limit fits, whatever stands before it. Values of members that have
// another type than they ought to are found, too.
func TestLimits(t *testing.T) {
	key := strings.Repeat("k", 200)
	text := `{"` + key + `":{"name":"x"}}`
	s := parsed(t, root(`,"networks":`+text+`,"ctime":[[1],"text"],"mtime":`+
		strings.Repeat("[", wire.ConfigLevels-1)+"5"+strings.Repeat("]", wire.ConfigLevels-1)))
	before := strings.Repeat("before", 1000)
	for pointer, want := range map[string]string{
		"/networks/" + key + "/name": `"x"`,
		"/ctime":                     `[[1],"text"]`,
		"/ctime/0":                   `[1]`,
		"/ctime/0/0":                 `1`,
		"/ctime/1":                   `"text"`,
		"/cluster/nicparams/default": "",
		"/networks":                  "",
		"/mtime" + strings.Repeat("/0", wire.ConfigLevels-1): `5`,
	} {
		whole, err := s.AppendValue(nil, pointer, 1<<20)
		if err != nil || want != "" && string(whole) != want {
			t.Errorf("%s: %s, %v; want %s", pointer, whole, err, want)
		}
		got, err := s.AppendValue([]byte(before), pointer, len(whole))
		if err != nil || string(got) != before+string(whole) {
			t.Errorf("%s in %d bytes: %v", pointer, len(whole), err)
		}
		if pointer == "/networks" {
			continue // brackets and quotes of a container are not counted
		}
		if got, err := s.AppendValue([]byte(before), pointer, len(whole)-1); !errors.Is(err, ErrTooLarge) || string(got) != before {
			t.Errorf("%s in %d bytes: %d bytes, %v", pointer, len(whole)-1, len(got), err)
		}
	}
	if _, err := s.AppendValue(nil, "/mtime"+strings.Repeat("/0", wire.ConfigLevels), 100); !errors.Is(err, ErrNoValue) {
		t.Errorf("below the last level: %v", err)
	}
	object, err := s.AppendValue(nil, "/networks/"+key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]error{1 + len(key) + len(object): nil, len(key) + len(object): ErrTooLarge, len(object) + 1: ErrTooLarge, len(key): ErrTooLarge} {
		if _, err := s.AppendValue([]byte(before), "/networks", limit); !errors.Is(err, want) {
			t.Errorf("a container with a key of %d bytes and an object of %d in %d bytes: %v", len(key), len(object), limit, err)
		}
	}
}

// A large object that is many times longer in canonical form is refused as too large, a
// small one is not, and no large one is lost.
func TestLargeObjects(t *testing.T) {
	pad := strings.Repeat("x", largeObject)
	s := parsed(t, root(`,"networks":{`+
		`"a":{"name":"`+pad+`","ctime":1e9000},`+
		`"b":{"name":"`+pad+`","ctime":1e15000},`+
		`"c":{"name":"x","ctime":1e30000},`+
		`"d":{ "name" : "`+pad+`"}}`))
	for key, fits := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		for _, pointer := range []string{"/networks/" + key, "/networks/" + key + "/name"} {
			if text, err := s.AppendValue(nil, pointer, 1<<20); (err == nil) != fits || !fits && !errors.Is(err, ErrTooLarge) || fits && !bytes.Contains(text, []byte("x")) {
				t.Errorf("%s: %d bytes, error %v", pointer, len(text), err)
			}
		}
	}
	if _, err := s.AppendValue(nil, "/networks", 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("the container: %v", err)
	}
}

// Errors have no more bytes than they may, and all of those.
func TestShortErrors(t *testing.T) {
	most := maxErrorText - len("...")
	a := strings.Repeat("a", most)
	for text, want := range map[string]string{
		a:                      a,
		a + "a":                a + "...",
		a[1:] + "\x01":         a[1:] + "...",
		a[6:] + "\x01":         a[6:] + `\u0001`,
		a[5:] + "\x01":         a[5:] + "...",
		"\xff\ufffd\u2028\té ": `\xff` + "\ufffd" + `\u2028\u0009é `,
	} {
		if got := (&shortError{errors.New(text)}).Error(); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// It does not matter how many bytes a reader returns at a time, nor when it tells of the
// end; its error is that of loading.
func TestReaders(t *testing.T) {
	text := root(`,"nodes":{` + node("n1", "a") + `,` + node("n2", "b") + `}`)
	broken := errors.New("the disk is broken")
	for name, test := range map[string]struct {
		wrap func(io.Reader) io.Reader
		err  error
	}{
		"one byte":      {iotest.OneByteReader, nil},
		"half":          {iotest.HalfReader, nil},
		"data and end":  {iotest.DataErrReader, nil},
		"nothing first": {func(r io.Reader) io.Reader { return &idle{r, 0} }, nil},
		"error":         {func(r io.Reader) io.Reader { return io.MultiReader(io.LimitReader(r, 50), iotest.ErrReader(broken)) }, broken},
		"early end":     {func(r io.Reader) io.Reader { return io.LimitReader(r, 50) }, io.ErrUnexpectedEOF},
	} {
		s, err := Load(t.Context(), wrapped{strings.NewReader(text), test.wrap(strings.NewReader(text))}, Options{})
		if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) || err == nil && len(s.Nodes) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// wrapped reads from another reader than it seeks in.
type wrapped struct {
	io.Seeker
	io.Reader
}

// idle returns nothing every other time.
type idle struct {
	from io.Reader
	n    int
}

func (r *idle) Read(into []byte) (int, error) {
	if r.n++; r.n%2 == 1 {
		return 0, nil
	}
	return r.from.Read(into)
}

// A key that is escaped is another than the same bytes without a meaning.
func TestEscapedKeys(t *testing.T) {
	former := parsed(t, root(`,"networks":{"\\n":{"name":"a"}}`))
	s := after(t, former, []byte(root(`,"networks":{"\n":{"name":"a"}}`)))
	if got := s.document.objects("networks")[0].key; got != "\n" {
		t.Errorf("the key is %q", got)
	}
}

// Objects that are the same as before are taken over, and others named.
func TestTakeOver(t *testing.T) {
	made := func(key, raw string) object { return newObject(key, []byte(raw)) }
	former := []object{made("b", "1"), made("d", "2"), made("f", "3"), made("g", "4")}
	now := []object{made("a", "1"), made("b", "1"), made("c", "2"), made("d", "x"), made("g", "4"), made("h", "4")}
	list := make([]string, len(now))
	others := takeOver(list, now, []string{"B", "D", "F", "G"}, former)
	if got := fmt.Sprint(others, list); got != "[0 2 3 5] [ B   G ]" {
		t.Errorf("got %s", got)
	}
}

// Where nothing was loaded before, several goroutines work, and the error is that about the
// first position; otherwise one does.
func TestForEach(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	x := indexer{Snapshot: new(Snapshot), ctx: t.Context(), former: new(Snapshot)}
	both := make(chan struct{})
	var begun atomic.Int32
	err := x.forEach(2*patience, func(from, to int) error {
		if to-from != patience {
			t.Errorf("positions %d to %d", from, to)
		}
		if begun.Add(1) == 2 {
			close(both)
		}
		select {
		case <-both:
			return nil
		case <-time.After(20 * time.Second):
			return errors.New("the two halves are not done at a time")
		}
	})
	if err != nil || begun.Load() != 2 {
		t.Errorf("%d parts, %v", begun.Load(), err)
	}

	// The later of two errors comes first.
	later := make(chan struct{})
	err = x.forEach(3*patience, func(from, _ int) error {
		switch from {
		case patience:
			<-later
			time.Sleep(time.Millisecond) // for it to be noted
		case 2 * patience:
			defer close(later)
		default:
			return nil
		}
		return fmt.Errorf("at %d", from)
	})
	if err == nil || err.Error() != fmt.Sprintf("at %d", patience) {
		t.Errorf("error %v, want that at %d", err, patience)
	}

	x.former.indexed = true
	var working atomic.Int32
	var positions int
	err = x.forEach(4*patience+7, func(from, to int) error {
		if working.Add(1) > 1 {
			t.Error("several work at a time")
		}
		defer working.Add(-1)
		if from != positions {
			t.Errorf("positions from %d follow %d", from, positions)
		}
		positions = to
		runtime.Gosched()
		return nil
	})
	if err != nil || positions != 4*patience+7 {
		t.Errorf("%d positions, %v", positions, err)
	}
}

// Now and then the indexer looks whether loading is to end.
func TestIndexerEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	x := indexer{ctx: ctx}
	for _, ended := range []bool{false, true} {
		if ended {
			cancel()
		}
		for i, looks := range map[int]bool{0: true, 1: false, patience - 1: false, patience: true, 16 * patience: true, patience + 1: false} {
			if got := x.ended(i) != nil; got != (looks && ended) {
				t.Errorf("at %d of a load that has ended %v: %v", i, ended, got)
			}
		}
	}
}
