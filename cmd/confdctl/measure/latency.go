package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/goccy/go-json"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/ask"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/gen/wire"
	"gntconfd/internal/advice"
	"gntconfd/internal/terminal"
)

// Latency asks a question repeatedly and shows how long the replies take.
func Latency() *cobra.Command {
	var (
		conn = ask.Connection{Follow: ask.CandidatesInterval}
		form show.Form
		l    latency
	)
	command := &cobra.Command{
		Use:   "latency [TYPE [QUERY]]",
		Short: "Show how long replies take",
		Long: `latency asks a question again and again, ping by default, and shows for each daemon the
replies, those lost and errors, with their shares; p50, p90, p99 and maximum round-trip
time; and a histogram.

On a terminal it shows them as they come. It ends after --count questions, after
--duration, or when it is interrupted, and then prints what it has found.

Questions are sent at fixed times, whether or not earlier ones are answered. Round-trip
time includes retries: a request without a reply is sent again after 100 ms, and then
less and less often. A reply is lost when it has not come within --timeout.

Without --server, the list of master candidates is read again every minute. A daemon
that is no longer on it is not asked any more, and keeps its row.

TYPE and QUERY are as for confdctl ask.

Exit status: 0 there were answers; 1 wrong usage or an error on this machine; 2 all
replies were errors; 3 no reply.`,
		Example: `  confdctl latency
  confdctl latency --server node1.example.org --count 100
  confdctl latency --interval 10ms --duration 1m config /cluster/ipolicy`,
		Args: advice.Args(cobra.MaximumNArgs(2)),
		ValidArgsFunction: func(command *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			return conn.CompleteQuestion(command.Context(), args, begun)
		},
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		switch {
		case l.interval < time.Millisecond:
			return advice.Usage(command, fmt.Errorf("--interval %v: must be at least 1ms", l.interval))
		case l.count < 0:
			return advice.Usage(command, fmt.Errorf("--count %d: must not be negative", l.count))
		case l.duration < 0:
			return advice.Usage(command, fmt.Errorf("--duration %v: must not be negative", l.duration))
		}
		var err error
		if l.name, l.question, err = parseQuestion(args); err != nil {
			return err
		}
		together, err := conn.Client()
		if err != nil {
			return err
		}
		defer together.Close()
		// A daemon with several names gets one row.
		patient, cancel := conn.Patience(command.Context())
		together.Resolve(patient)
		cancel()
		l.candidates = together.Peers
		l.connect = func(peer string) (*client.Client, error) {
			return client.New(client.Options{Peers: []string{peer}, KeyFile: conn.KeyFile})
		}
		defer l.close()
		l.timeout = conn.Timeout
		stdout := command.OutOrStdout()
		if form != show.AsTable {
			if err = l.run(command.Context(), nil); err == nil {
				err = form.Write(stdout, l.document())
			}
		} else if s := terminal.NewScreen(stdout); s != nil {
			text := func() string {
				width, height := s.Size()
				return l.text(terminal.StyleFor(stdout), width, height-1) // the cursor needs a line
			}
			err = l.run(command.Context(), func() error { return s.Show(text()) })
			err = errors.Join(err, s.Close(text()))
		} else if err = l.run(command.Context(), nil); err == nil {
			_, err = fmt.Fprint(stdout, l.text(terminal.StyleFor(stdout), 80, 0))
		}
		if err != nil {
			return err
		}
		return conn.Advise(l.verdict())
	}
	conn.AddFlags(command)
	form.AddFlags(command, show.ForTexts)
	flags := command.Flags()
	flags.DurationVarP(&l.interval, "interval", "i", 100*time.Millisecond, "how often to ask")
	flags.IntVarP(&l.count, "count", "n", 0, "`number` of questions to ask; 0 is no limit")
	flags.DurationVarP(&l.duration, "duration", "d", 0, "for how long to ask; 0 is no limit")
	return command
}

// parseQuestion reads a request type and a query; the default is a ping.
func parseQuestion(args []string) (name string, q client.Question[json.RawMessage], err error) {
	typ := wire.RequestPing
	if len(args) > 0 {
		if typ, err = ask.ParseType(args[0]); err != nil {
			return name, q, err
		}
	}
	var text json.RawMessage
	if len(args) > 1 {
		query, err := ask.ParseQuery(args[1])
		if err != nil {
			return name, q, err
		}
		if text, err = query.MarshalJSON(); err != nil {
			return name, q, err
		}
	}
	return wire.RequestWords[typ], client.Raw(int(typ), text), nil
}

// latency is a question that is asked repeatedly, and how long the replies took.
type latency struct {
	name     string
	question client.Question[json.RawMessage]
	timeout  time.Duration
	interval time.Duration
	count    int
	duration time.Duration
	begin    time.Time

	candidates func() []string // the daemons to ask now
	connect    func(peer string) (*client.Client, error)

	mu      sync.Mutex
	peers   []*peerLatency // all that have been asked
	refusal error          // the last error reply
	silence error          // the last time-out
}

// peerLatency is how long the replies of one daemon took. It has a client of its own, so that
// other daemons do not change how long it is waited for.
type peerLatency struct {
	name         string
	client       *client.Client
	times        *hdr.Histogram
	errors, lost int
}

// Round-trip times are recorded in nanoseconds, with three significant digits.
const (
	shortestTrip = int64(time.Microsecond)
	longestTrip  = int64(time.Minute)
)

func newPeerLatency(name string) *peerLatency {
	return &peerLatency{name: name, times: hdr.New(shortestTrip, longestTrip, 3)}
}

func (p *peerLatency) record(roundTrip time.Duration) {
	_ = p.times.RecordValue(min(max(int64(roundTrip), shortestTrip), longestTrip)) // within the histogram's range
}

// run asks until it is done or ctx ends, and calls show meanwhile unless it is nil.
func (l *latency) run(ctx context.Context, show func() error) error {
	l.begin = time.Now()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	asking, ctx := errgroup.WithContext(ctx)
	asking.Go(func() error {
		due := time.NewTicker(l.interval)
		defer due.Stop()
		var over <-chan time.Time
		if l.duration > 0 {
			over = time.After(l.duration)
		}
		for n := 1; ; n++ {
			for _, name := range l.candidates() {
				p, err := l.peer(name)
				if err != nil {
					return err
				}
				asking.Go(func() error { return l.ask(ctx, p) })
			}
			if n == l.count {
				return nil
			}
			select {
			case <-due.C:
			case <-over:
				return nil
			case <-ctx.Done():
				return nil
			}
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- asking.Wait() }()
	if show == nil {
		return <-ended
	}
	redraw := time.NewTicker(200 * time.Millisecond)
	defer redraw.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-redraw.C:
			if err := show(); err != nil {
				stop()
				return errors.Join(err, <-ended)
			}
		}
	}
}

// peer returns the record of a daemon, and creates it if the daemon has not been asked before.
func (l *latency) peer(name string) (*peerLatency, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.peers, func(p *peerLatency) bool { return p.name == name }); i >= 0 {
		return l.peers[i], nil
	}
	p := newPeerLatency(name)
	var err error
	if p.client, err = l.connect(name); err != nil {
		return nil, err
	}
	l.peers = append(l.peers, p)
	return p, nil
}

// close closes all clients.
func (l *latency) close() {
	for _, p := range l.peers {
		p.client.Close()
	}
}

// ask asks a daemon once.
func (l *latency) ask(ctx context.Context, p *peerLatency) error {
	asked, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	result, err := client.Query(asked, p.client, l.question)
	if ctx.Err() != nil { // the daemon did not get its full time
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, reply := range result.Replies {
		p.record(reply.RoundTrip)
	}
	switch status := (*client.StatusError)(nil); {
	case errors.As(err, &status):
		p.errors++
		l.refusal = err
	case errors.Is(err, client.ErrNoReply):
		p.lost++
		l.silence = err
	default:
		return err
	}
	return nil
}

// all returns one record for all daemons. The latency must be locked.
func (l *latency) all() *peerLatency {
	all := newPeerLatency("all")
	for _, p := range l.peers {
		all.times.Merge(p.times)
		all.errors += p.errors
		all.lost += p.lost
	}
	return all
}

// verdict returns an error if there was no answer.
func (l *latency) verdict() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.all()
	switch {
	case int(all.times.TotalCount()) > all.errors:
		return nil
	case l.refusal != nil:
		return l.refusal
	case l.silence != nil:
		return l.silence
	}
	return fmt.Errorf("%w before the end", client.ErrNoReply)
}

// text returns the results in width columns and at most height lines; 0 is no limit.
func (l *latency) text(style terminal.Style, width, height int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := []string{fmt.Sprintf("%s every %v, for %v", l.name, l.interval, time.Since(l.begin).Round(100*time.Millisecond))}
	rows, all := l.peers, l.all()
	if len(rows) > 1 {
		rows = append(rows[:len(rows):len(rows)], all)
	}
	t := terminal.Table{
		Head:  []string{"DAEMON", "REPLIES", "LOST", "ERRORS", "P50 ms", "P90 ms", "P99 ms", "MAX ms"},
		Spare: []string{"P90 ms", "ERRORS", "P50 ms"},
	}
	for _, p := range rows {
		times := [4]string{"-", "-", "-", "-"}
		if p.times.TotalCount() > 0 {
			for i, percentile := range shownPercentiles {
				times[i] = inMilliseconds(p.times.ValueAtPercentile(percentile))
			}
		}
		replies := p.times.TotalCount()
		t.Row(p.name, replies, mark(int64(p.lost), replies+int64(p.lost)), mark(int64(p.errors), replies), times[0], times[1], times[2], times[3])
	}
	lines = append(lines, t.Lines(style, width)...)
	bars := bucketsOf(all.times)
	if room := height - len(lines) - 1; height > 0 && len(bars) > max(room, 1) {
		bars = coarser(bars, max(room, 1))
	}
	if len(bars) > 0 {
		lines = append(lines, "")
		most := slices.MaxFunc(bars, func(a, b bucket) int { return cmp.Compare(a.Count, b.Count) }).Count
		digits := len(strconv.FormatInt(most, 10))
		total := all.times.TotalCount()
		for _, b := range bars {
			line := fmt.Sprintf("< %9s ms  %*d %5.1f%%  ", inMilliseconds(b.To*1000), digits, b.Count, 100*float64(b.Count)/float64(total))
			lines = append(lines, strings.TrimRight(line+style.Paint(terminal.Good, bar(b.Count, most, max(width-len(line), 0))), " "))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// mark returns the count and share of something bad.
func mark(count, of int64) terminal.Cell {
	if count == 0 {
		return terminal.Cell{Text: "0"}
	}
	return terminal.Bad.Cell(fmt.Sprintf("%d (%.1f%%)", count, 100*float64(count)/float64(of)))
}

// coarser joins neighbouring buckets until there are at most most.
func coarser(buckets []bucket, most int) []bucket {
	each := (len(buckets) + most - 1) / most
	var joined []bucket
	for some := range slices.Chunk(buckets, each) {
		b := bucket{From: some[0].From, To: some[len(some)-1].To}
		for _, one := range some {
			b.Count += one.Count
		}
		joined = append(joined, b)
	}
	return joined
}

// shownPercentiles are the percentiles with a column; the last is the maximum.
var shownPercentiles = [...]float64{50, 90, 99, 100}

func inMilliseconds(nanoseconds int64) string {
	return strconv.FormatFloat(float64(nanoseconds)/1e6, 'f', 3, 64)
}

// bar returns a bar for a count; a count of most fills the room.
func bar(count, most int64, room int) string {
	eighths := int(count * int64(room) * 8 / most)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	} else if count > 0 && text == "" {
		text = "▏"
	}
	return text
}

// bucket is how many round trips took between From and To microseconds.
type bucket struct {
	From  int64 `json:"from_us"`
	To    int64 `json:"to_us"`
	Count int64 `json:"count"`
}

// bounds are the bounds of buckets in microseconds, six per power of ten, up to 70 seconds.
var bounds = func() []int64 {
	bounds := []int64{0}
	for power := int64(1); power <= 1e6; power *= 10 {
		for _, step := range []int64{10, 15, 20, 30, 50, 70} {
			bounds = append(bounds, step*power)
		}
	}
	return bounds
}()

// bucketsOf distributes times over buckets, from the first to the last that is not empty.
func bucketsOf(times *hdr.Histogram) []bucket {
	var buckets []bucket
	for i, from := range bounds[:len(bounds)-1] {
		buckets = append(buckets, bucket{From: from, To: bounds[i+1]})
	}
	first, last := len(buckets), -1
	for _, b := range times.Distribution() {
		if b.Count == 0 {
			continue
		}
		i, found := slices.BinarySearch(bounds, b.To/1000)
		if !found {
			i--
		}
		buckets[i].Count += b.Count
		first, last = min(first, i), max(last, i)
	}
	if last < 0 {
		return nil
	}
	return buckets[first : last+1]
}

// latencyDocument is the report for programs.
type latencyDocument struct {
	Question string         `json:"question"`
	Interval int64          `json:"interval_us"`
	Lasted   int64          `json:"lasted_us"`
	Peers    []peerDocument `json:"peers"`
}

type peerDocument struct {
	Peer    string         `json:"peer"`
	Replies int64          `json:"replies"`
	Lost    int            `json:"lost"`
	Errors  int            `json:"errors"`
	Times   *timesDocument `json:"round_trip_us,omitempty"` // missing if there were no replies
	Buckets []bucket       `json:"histogram,omitempty"`
}

// timesDocument has round-trip times in microseconds.
type timesDocument struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

func (l *latency) document() latencyDocument {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := latencyDocument{Question: l.name, Interval: l.interval.Microseconds(), Lasted: time.Since(l.begin).Microseconds()}
	for _, p := range l.peers {
		one := peerDocument{Peer: p.name, Replies: p.times.TotalCount(), Lost: p.lost, Errors: p.errors}
		if one.Replies > 0 {
			us := func(ns int64) float64 { return float64(ns) / 1e3 }
			at := func(percentile float64) float64 { return us(p.times.ValueAtPercentile(percentile)) }
			one.Times = &timesDocument{us(p.times.Min()), us(int64(p.times.Mean())), at(50), at(90), at(99), us(p.times.Max())}
			one.Buckets = bucketsOf(p.times)
		}
		d.Peers = append(d.Peers, one)
	}
	return d
}
