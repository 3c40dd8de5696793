package ask

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/internal/advice"
	"gntconfd/internal/terminal"
)

// Top shows an overview of the cluster, updated repeatedly.
func Top() *cobra.Command {
	a := &asked{question: &question{}, conn: Connection{all: true, Follow: CandidatesInterval}}
	var (
		interval time.Duration
		count    int
		port     uint16
	)
	command := &cobra.Command{
		Use:   "top",
		Short: "Show again and again how all daemons of the cluster are",
		Long: `top shows what confdctl status does, again and again, with two more columns: how many
answers each daemon sends a second, and how many datagrams it drops. It takes these from
the daemon's metrics, which gntconfd serves with --web.listen-address. They are "-" where
they cannot be reached. top's own six questions each time are among the answers.

It ends when it is interrupted, or after --count times.

Exit status: 0 interrupted, or --count reached; 1 wrong usage or an error on this machine.`,
		Example: `  confdctl top
  confdctl top --interval 10s --metrics-port 9814`,
		Args: advice.Args(cobra.NoArgs),
	}
	command.RunE = func(command *cobra.Command, _ []string) (err error) {
		switch {
		case interval <= 0:
			return advice.Usage(command, fmt.Errorf("--interval %v: must be more than zero", interval))
		case count < 0:
			return advice.Usage(command, fmt.Errorf("--count %d: must not be negative", count))
		}
		if a.client, err = a.conn.Client(); err != nil {
			return err
		}
		defer a.client.Close()
		m := &meters{port: port, client: &http.Client{Timeout: a.conn.Timeout}, last: make(map[string]counts)}
		return top(command.Context(), a, m, interval, count, command.OutOrStdout())
	}
	a.conn.AddFlags(command)
	flags := command.Flags()
	flags.DurationVarP(&interval, "interval", "i", 2*time.Second, "how often to look")
	flags.IntVarP(&count, "count", "n", 0, "`number` of times to look; 0 is no limit")
	flags.Uint16Var(&port, "metrics-port", 9814, "TCP `port` of the daemons' metrics")
	return command
}

// top shows the daemons count times, or until ctx ends if count is 0.
func top(ctx context.Context, a *asked, m *meters, interval time.Duration, count int, stdout io.Writer) error {
	screen := terminal.NewScreen(stdout)
	shown := ""
	redraw := func(text string) error {
		shown = text
		if screen != nil {
			return screen.Show(text)
		}
		_, err := io.WriteString(stdout, text)
		return err
	}
	due := time.NewTicker(interval)
	defer due.Stop()
	var err error
	for n := 1; err == nil && ctx.Err() == nil; n++ {
		var text string
		if text, err = overview(ctx, a, m, stdout); err == nil && ctx.Err() == nil {
			err = redraw(text)
		}
		if n == count {
			break
		}
		select {
		case <-due.C:
		case <-ctx.Done():
		}
	}
	if screen != nil {
		err = errors.Join(err, screen.Close(shown))
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// overview returns the present overview of all daemons.
func overview(ctx context.Context, a *asked, m *meters, stdout io.Writer) (string, error) {
	asking, cancel := a.conn.Patience(ctx)
	defer cancel()
	s, err := lookAtAll(asking, a)
	now := show.Date(time.Now())
	if errors.Is(err, client.ErrNoReply) {
		lines := terminal.Wrap(now+"  "+terminal.Printable(oneLine(advised(a.conn.Advise(err)))), terminal.Width(stdout))
		return strings.Join(lines, "\n") + "\n", nil
	} else if err != nil {
		return "", err
	}
	rates := m.read(ctx, s)
	t := s.table()
	t.Head = slices.Insert(slices.Clone(t.Head), 4, "ANSWERS/S", "DROPPED/S")
	for i, row := range t.Rows {
		answers, dropped := terminal.Cell{Text: "-"}, terminal.Cell{Text: "-"}
		if r, known := rates[s.Peers[i].Peer]; known {
			answers.Text, dropped.Text = fmt.Sprintf("%.1f", r.answered), fmt.Sprintf("%.1f", r.dropped)
			if r.dropped > 0 {
				dropped.Tone = terminal.Warn
			}
		}
		t.Rows[i] = slices.Insert(row, 4, answers, dropped)
	}
	lines := append([]string{now + "  " + terminal.Printable(s.title()), ""}, t.NotedLines(terminal.StyleFor(stdout), terminal.Width(stdout))...)
	return strings.Join(lines, "\n") + "\n", nil
}

// counts are the numbers of datagrams that a daemon has answered and dropped, or the rates per
// second.
type counts struct {
	at                time.Time
	answered, dropped float64
}

// meters reads daemons' metrics.
type meters struct {
	port   uint16
	client *http.Client
	last   map[string]counts // by peer
}

// read returns the rates of the daemons whose metrics could be read now and last time.
func (m *meters) read(ctx context.Context, s *clusterStatus) map[string]counts {
	var (
		reading sync.WaitGroup
		mu      sync.Mutex
		now     = make(map[string]counts)
	)
	for _, d := range s.Peers {
		host, _, err := net.SplitHostPort(d.Peer)
		if err != nil || d.State == stateSilent {
			continue
		}
		reading.Go(func() {
			c, err := m.metrics(ctx, "http://"+net.JoinHostPort(host, strconv.Itoa(int(m.port)))+"/metrics")
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			now[d.Peer] = c
		})
	}
	reading.Wait()
	rates := make(map[string]counts)
	for peer, c := range now {
		before, known := m.last[peer]
		if !known {
			continue
		}
		if c.answered < before.answered || c.dropped < before.dropped { // the daemon has restarted
			before.answered, before.dropped = 0, 0
		}
		seconds := c.at.Sub(before.at).Seconds()
		rates[peer] = counts{answered: (c.answered - before.answered) / seconds, dropped: (c.dropped - before.dropped) / seconds}
	}
	m.last = now
	return rates
}

// metrics reads the counters of a daemon.
func (m *meters) metrics(ctx context.Context, url string) (counts, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return counts{}, err
	}
	response, err := m.client.Do(request)
	if err != nil {
		return counts{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return counts{}, errors.New(response.Status)
	}
	const most = 4 << 20
	return readCounts(io.LimitReader(response.Body, most), time.Now())
}

// readCounts reads the datagrams by outcome from metrics in Prometheus' text format.
func readCounts(r io.Reader, now time.Time) (counts, error) {
	c := counts{at: now}
	found := false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rest, is := strings.CutPrefix(lines.Text(), `ganeti_confd_datagrams_total{disposition="`)
		name, number, ok := strings.Cut(rest, `"} `)
		if !is || !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return c, err
		}
		found = true
		switch {
		case strings.HasPrefix(name, "answered"):
			c.answered += n
		case strings.HasPrefix(name, "dropped"):
			c.dropped += n
		}
	}
	if !found && lines.Err() == nil {
		return c, errors.New("these are not the metrics of a ganeti-confd")
	}
	return c, lines.Err()
}
