package cluster

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gntconfd/internal/sample"
)

// With one processor for all, a datagram that comes while a configuration is loaded does
// not wait for the end of that.
func TestLoadingGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.LockOSThread() // as whoever wants to know what it costs
	defer runtime.UnlockOSThread()
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	caller, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	var networks strings.Builder
	for i := range 30 << 10 {
		fmt.Fprintf(&networks, `,"%05d":{"name":"%s"}`, i, strings.Repeat("x", 1<<10))
	}
	text := root(`,"networks":{` + networks.String()[1:] + `}`)
	// readBefore returns how much of the configuration is read before the datagram is.
	readBefore := func(former *Snapshot) int64 {
		reads := &countingReader{ReadSeeker: strings.NewReader(text)}
		asked := make(chan int64)
		ready := make(chan struct{})
		go func() {
			close(ready)
			server.Read(make([]byte, 10))
			asked <- reads.bytes.Load()
		}()
		<-ready
		runtime.Gosched() // until it waits for the datagram
		reads.first = func() { caller.Write([]byte("question")) }
		if _, err := Load(t.Context(), reads, Options{Former: former}); err != nil {
			t.Fatal(err)
		}
		return <-asked
	}
	for name, former := range map[string]*Snapshot{"first": nil, "same": parsed(t, text)} {
		// A busy kernel may deliver a datagram late, but not every time.
		least := readBefore(former)
		for range 9 {
			if least <= 8*stretch {
				break
			}
			least = min(least, readBefore(former))
		}
		if least > 8*stretch {
			t.Errorf("%s: %d bytes were read before the datagram was", name, least)
		}
	}
}

func parsed(t *testing.T, text string) *Snapshot {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// countingReader counts what is read.
type countingReader struct {
	io.ReadSeeker
	bytes atomic.Int64
	first func() // called with the first read
}

func (r *countingReader) Read(into []byte) (int, error) {
	if r.bytes.Load() == 0 {
		r.first()
	}
	n, err := r.ReadSeeker.Read(into)
	r.bytes.Add(int64(n))
	return n, err
}

// A window gives a text in values, however it is cut when it is read, and looks at each
// byte only so often.
func TestWindow(t *testing.T) {
	for _, size := range []int{1, 100, readSize/2 - 1, readSize, 3*readSize + 5} {
		value := `"` + strings.Repeat("v", size) + `"`
		text := `[` + value + `,` + value + `]`
		w := newWindow(&cutReader{strings.NewReader(text)})
		for _, wanted := range []byte("[,]") {
			if err := w.take(wanted); err != nil {
				t.Fatalf("%d: %v", size, err)
			}
			if wanted == ']' {
				break
			}
			got, err := w.value(0)
			if err != nil || !bytes.Equal(got, []byte(value)) {
				t.Fatalf("%d: value of %d bytes, %v", size, len(got), err)
			}
		}
		if _, err := w.next(); err != io.ErrUnexpectedEOF {
			t.Errorf("%d: %v at the end", size, err)
		}
	}
}

// cutReader gives some hundred bytes at a time.
type cutReader struct{ from io.Reader }

func (r *cutReader) Read(into []byte) (int, error) { return r.from.Read(into[:min(len(into), 777)]) }

// Giving way takes longer than to load a small cluster, which therefore never does it. A large
// one does.
func TestSmallClustersDoNotGiveWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	times := 0
	sleep = func(time.Duration) { times++ }
	defer func() { sleep = time.Sleep }()
	for _, size := range []struct{ nodes, instances int }{{3, 10}, {1000, 10000}} {
		var text bytes.Buffer
		if err := sample.Generate(&text, size.nodes, size.instances, 1); err != nil {
			t.Fatal(err)
		}
		times = 0
		parsed(t, text.String())
		small := size.instances == 10
		if small != (times == 0) {
			t.Errorf("%d instances: gave way %d times", size.instances, times)
		}
	}
}
