// Command costliest searches for the unsigned datagram that costs the daemon most until its
// signature is rejected, which is what anyone can send. It mutates datagrams at random and
// continues with those that cost more than an ordinary forged one of the same size.
//
//	go run ./fuzz/costliest --duration 30m
//
// It uses one processor. At the end it prints the worst in time and in memory; --output
// writes them to files.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
)

func main() {
	duration := flag.Duration("duration", time.Minute, "how long to search")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "`number` that determines the mutations")
	output := flag.String("output", "", "`directory` to write the worst datagrams to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	s := newSearch(*seed)
	s.run(ctx)
	if err := s.report(*output); err != nil {
		fmt.Fprintf(os.Stderr, "costliest: %v\n", err)
		os.Exit(1)
	}
}

const (
	population = 64              // how many datagrams are mutated further
	repeats    = 5               // a datagram's time is the minimum of this many measurements
	surely     = 100             // the same for a candidate for the worst: other load delays single measurements
	told       = 1 * time.Minute // time between two lines about the progress
)

// cost is the cost of a datagram.
type cost struct {
	datagram []byte
	time     time.Duration
	forged   time.Duration // of an ordinary forged datagram of the same size
	bytes    uint64        // allocated
}

// excess is by how much the time exceeds the goal: twice that of an ordinary forged
// datagram, plus 50 us.
func (c *cost) excess() time.Duration { return c.time - 2*c.forged - 50*time.Microsecond }

// ratio is the time divided by that of an ordinary forged datagram.
func (c *cost) ratio() float64 { return float64(c.time) / float64(max(c.forged, 1)) }

// verdict compares the time with the goal, in words.
func (c *cost) verdict() string {
	if excess := c.excess(); excess > 0 {
		return fmt.Sprintf("%v above the goal", excess)
	}
	return fmt.Sprintf("%v below the goal", -c.excess())
}

// search looks for expensive datagrams.
type search struct {
	seed    uint64
	random  *rand.Rand
	codec   *protocol.Codec
	tried   int
	living  []cost // the most expensive, highest ratio first
	slowest cost   // by excess
	ratio   cost   // by ratio, of those that take at least 20 us
	largest cost   // by bytes
}

func newSearch(seed uint64) *search {
	codec := protocol.NewCodec(protocol.NewKeyring([]byte("key")))
	return &search{seed: seed, random: rand.New(rand.NewPCG(seed, 0)), codec: codec}
}

func (s *search) run(ctx context.Context) {
	for _, datagram := range beginnings {
		s.try([]byte(wire.Magic + datagram))
	}
	next := time.Now().Add(told)
	for ctx.Err() == nil {
		s.try(s.change(s.living[s.random.IntN(len(s.living))].datagram))
		if time.Now().After(next) {
			next = time.Now().Add(told)
			fmt.Fprintf(os.Stderr, "%d datagrams tried: at most %.1f times a forged one, %s, at most %d bytes allocated\n",
				s.tried, s.ratio.ratio(), s.slowest.verdict(), s.largest.bytes)
		}
	}
}

// try measures a datagram and keeps it if it is one of the most expensive.
func (s *search) try(datagram []byte) {
	s.tried++
	c := s.measure(datagram, repeats)
	if s.slowest.datagram != nil && (c.excess() > s.slowest.excess() || c.ratio() > s.ratio.ratio() || c.bytes > s.largest.bytes) {
		c = s.measure(datagram, surely)
	}
	if s.slowest.datagram == nil || c.excess() > s.slowest.excess() {
		s.slowest = c
	}
	if c.time > 20*time.Microsecond && (s.ratio.datagram == nil || c.ratio() > s.ratio.ratio()) {
		s.ratio = c
	}
	if s.largest.datagram == nil || c.bytes > s.largest.bytes {
		s.largest = c
	}
	s.living = append(s.living, c)
	slices.SortStableFunc(s.living, func(a, b cost) int {
		switch {
		case a.bytes != b.bytes:
			return int(b.bytes) - int(a.bytes)
		case a.ratio() > b.ratio():
			return -1
		case a.ratio() < b.ratio():
			return 1
		}
		return 0
	})
	s.living = s.living[:min(len(s.living), population)]
}

// measure measures a datagram and a forged one of the same size, alternating.
func (s *search) measure(datagram []byte, repeats int) cost {
	c := cost{datagram: datagram, time: time.Hour, forged: time.Hour, bytes: ^uint64(0)}
	ordinary := forged(len(datagram))
	var before, after runtime.MemStats
	for i := range repeats {
		if i < 2 { // it stops the world, and is exact
			runtime.ReadMemStats(&before)
		}
		c.time = min(c.time, s.authenticate(datagram))
		if i < 2 {
			runtime.ReadMemStats(&after)
			c.bytes = min(c.bytes, after.TotalAlloc-before.TotalAlloc)
		}
		c.forged = min(c.forged, s.authenticate(ordinary))
	}
	return c
}

func (s *search) authenticate(datagram []byte) time.Duration {
	began := time.Now()
	s.codec.Authenticate(datagram, began)
	return time.Since(began)
}

// forged returns an ordinary forged datagram of a size.
func forged(size int) []byte {
	const end = `","salt":"1700000000","hmac":"0123456789012345678901234567890123456789"}`
	const piece = `{\"a\":0}`
	datagram := append([]byte(nil), wire.Magic+`{"msg":"`...)
	for len(datagram)+len(piece)+len(end) <= size {
		datagram = append(datagram, piece...)
	}
	return append(datagram, end...)
}

// beginnings are the datagrams that the search starts with.
var beginnings = []string{
	`{"msg":"{\"type\":0}","salt":"1700000000","hmac":"0123456789012345678901234567890123456789"}`,
	`{"x":[[[[[[[[[[[[[[[[[[[[[[[[[[[[`, `{"":[{"":[{"":[{"":[{"":[`, `{"x":{"a":1,"b":[0,{}]},"y":null}`,
	`{"` + "\x7f\x7f\x7f\x7f\x7f" + `":1}`, `{"\u0001\ud83d\ude00\ud800":"\u00e9"}`, `{"x":1.5e99999999}`, `{"x":-0.0000000000}`,
	"{\"msg\":\"\xc3\xa9\xf0\x9f\x98\x80\xff\"}", `{"a":0,"a":0,"a":0,"a":0,"msg":"","msg":"\n"}`, `{ } ] }`, `{"salt":true}`,
}

// pieces are inserted into datagrams.
var pieces = []string{
	`{`, `}`, `[`, `]`, `"`, `:`, `,`, `\`, `{"":`, `[]`, `{}`, `"a":`, `""`, `"msg":"`, `"salt":"`, `"hmac":"`, `\u0000`, `\ud83d\ude00`,
	`\ud800`, `\"`, `\\`, `null`, `true`, `false`, `0`, `-1`, `1e9`, `0.1`, " ", "\n", "\t", "\x7f", "\x00", "\xff", "\xc3\xa9", "\xf0\x9f\x98\x80",
	`0123456789abcdef0123456789abcdef01234567`,
}

// change returns a datagram with one to four mutations.
func (s *search) change(datagram []byte) []byte {
	body := slices.Clone(datagram[len(wire.Magic):])
	for range 1 + s.random.IntN(4) {
		from, to := s.span(len(body))
		switch s.random.IntN(7) {
		case 0: // insert a piece
			body = slices.Insert(body, from, []byte(s.piece())...)
		case 1: // insert a piece many times
			body = slices.Insert(body, from, bytes.Repeat([]byte(s.piece()), s.count())...)
		case 2: // repeat a part
			if from < to {
				body = slices.Insert(body, to, bytes.Repeat(body[from:to], 1+s.count()/(to-from))...)
			}
		case 3: // delete a part
			body = slices.Delete(body, from, to)
		case 4: // replace a byte
			if from < len(body) {
				body[from] = byte(s.random.Uint32())
			}
		case 5: // copy a part of another
			other := s.living[s.random.IntN(len(s.living))].datagram[len(wire.Magic):]
			first, last := s.span(len(other))
			body = slices.Insert(body, from, other[first:last]...)
		case 6: // cut off the end
			body = body[:to]
		}
		body = body[:min(len(body), wire.MaxDatagramSize-len(wire.Magic))]
	}
	return append([]byte(wire.Magic), body...)
}

func (s *search) piece() string { return pieces[s.random.IntN(len(pieces))] }

// count returns a random number of repetitions, more often a small one.
func (s *search) count() int { return 1 << s.random.IntN(16) }

// span returns the ends of a random part of n bytes.
func (s *search) span(n int) (from, to int) {
	from, to = s.random.IntN(n+1), s.random.IntN(n+1)
	return min(from, to), max(from, to)
}

// report prints the worst datagrams, and writes them to files in a directory unless that is
// "".
func (s *search) report(directory string) error {
	fmt.Printf("%d datagrams tried, seed %d\n", s.tried, s.seed)
	for _, worst := range []struct {
		name string
		cost cost
	}{{"most-above-the-goal", s.slowest}, {"most-times-a-forged-one", s.ratio}, {"most-memory", s.largest}} {
		c := worst.cost
		fmt.Printf("%s: %d bytes: %v, an ordinary forged one %v: %.2f times, %s; %d bytes allocated\n\t%s\n", worst.name,
			len(c.datagram), c.time, c.forged, c.ratio(), c.verdict(), c.bytes, strconv.QuoteToASCII(string(c.datagram[:min(len(c.datagram), 120)])))
		if directory != "" {
			if err := os.WriteFile(filepath.Join(directory, worst.name), c.datagram, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
