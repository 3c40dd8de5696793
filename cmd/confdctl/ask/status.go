package ask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/internal/advice"
	"gntconfd/internal/terminal"
)

// Status shows an overview of the cluster.
func Status() *cobra.Command {
	a := &asked{question: &question{}, conn: Connection{all: true}}
	command := &cobra.Command{
		Use:   "status",
		Short: "Show at a glance how all daemons of the cluster are",
		Long: `status asks every master candidate, or every --server, and shows for each whether it
answers, who it says is master, the serial number and the date of the configuration
file that it serves, its round-trip time, and which program it is: gntconfd or Ganeti's
own ganeti-confd.

The state is ok; stale, with an older file than another daemon; differs, with another
master; error; or silent.

Exit status: 0 all daemons are ok; 1 wrong usage or an error on this machine; 3 no reply;
4 a daemon is not ok.`,
		Example: `  confdctl status
  confdctl status --output json | jq '.peers[] | select(.state != "ok")'`,
		Args: advice.Args(cobra.NoArgs),
	}
	command.RunE = func(command *cobra.Command, _ []string) (err error) {
		if a.client, err = a.conn.Client(); err != nil {
			return err
		}
		defer a.client.Close()
		ctx, cancel := a.conn.Patience(command.Context())
		defer cancel()
		s, err := lookAtAll(ctx, a)
		if err != nil {
			return a.conn.Advise(err)
		}
		if err := s.write(command.OutOrStdout(), a.form); err != nil {
			return err
		}
		return s.verdict()
	}
	a.conn.AddFlags(command)
	a.form.AddFlags(command, show.ForTables)
	return command
}

// clusterStatus is what all daemons report about the cluster and themselves.
type clusterStatus struct {
	Cluster string         `json:"cluster,omitempty"`
	Master  string         `json:"master,omitempty"`
	Peers   []daemonStatus `json:"peers"`
}

// daemonStatus is what one daemon reports.
type daemonStatus struct {
	Peer       string  `json:"peer"`
	Node       string  `json:"node,omitempty"`
	State      state   `json:"state"`
	Error      string  `json:"error,omitempty"`
	Program    string  `json:"program,omitempty"`
	Version    int64   `json:"version,omitempty"` // of the configuration's layout
	Master     string  `json:"master,omitempty"`
	FileSerial int64   `json:"file_serial,omitempty"`
	Changed    float64 `json:"file_mtime,omitempty"` // seconds since 1970
	RoundTrip  int64   `json:"rtt_us,omitempty"`
}

// lookAtAll asks all daemons. It returns an error if none has replied, or if this machine cannot
// ask.
func lookAtAll(ctx context.Context, a *asked) (*clusterStatus, error) {
	if a.in.hosts == nil { // top looks them up once
		if err := findHosts(ctx, a); err != nil {
			return nil, err
		}
	}
	var (
		asking  sync.WaitGroup
		mu      sync.Mutex
		all     = make(map[string]*daemonStatus)
		s       clusterStatus
		silence *client.NoReplyError
		failure error
	)
	put := func(peer string, enter func(*daemonStatus)) {
		mu.Lock()
		defer mu.Unlock()
		if all[peer] == nil {
			all[peer] = &daemonStatus{Peer: peer}
		}
		enter(all[peer])
	}
	asking.Go(func() {
		err := eachReply(ctx, a.client, client.Ping(), func(r client.Reply[int64]) {
			put(r.Peer, func(d *daemonStatus) {
				d.Version, d.RoundTrip, d.Node = r.Answer, r.RoundTrip.Microseconds(), a.in.hosts(r.Addr.Addr().String())
				if r.Err != nil {
					d.State, d.Error = stateError, plain(r.Err)
				}
			})
		})
		if !errors.As(err, &silence) {
			failure = err
			return
		}
		for _, one := range silence.Asked {
			put(one.Peer, func(d *daemonStatus) {
				d.State, d.Error = stateSilent, "no reply"
				if one.Err != nil {
					d.Error = one.Err.Error()
				}
			})
		}
	})
	asking.Go(func() {
		_ = eachReply(ctx, a.client, client.Master(), func(r client.Reply[string]) {
			put(r.Peer, func(d *daemonStatus) {
				if d.Master = r.Answer; r.Err != nil {
					d.State, d.Error = stateError, plain(r.Err)
				}
			})
		})
	})
	asking.Go(func() {
		_ = eachReply(ctx, a.client, client.ConfigValue[int64]("/serial_no"), func(r client.Reply[int64]) {
			put(r.Peer, func(d *daemonStatus) { d.FileSerial = cmp.Or(r.Answer, r.Serial) })
		})
	})
	asking.Go(func() {
		_ = eachReply(ctx, a.client, client.ConfigValue[float64]("/mtime"), func(r client.Reply[float64]) {
			put(r.Peer, func(d *daemonStatus) { d.Changed = r.Answer })
		})
	})
	asking.Go(func() {
		_ = eachReply(ctx, a.client, client.ConfigValue[string]("/cluster/cluster_name"), func(r client.Reply[string]) {
			mu.Lock()
			defer mu.Unlock()
			s.Cluster = cmp.Or(r.Answer, s.Cluster)
		})
	})
	asking.Go(func() {
		// Ganeti's own daemon accepts 00 as an index, which RFC 6901 forbids.
		_ = eachReply(ctx, a.client, client.Config("/cluster/enabled_hypervisors/00"), func(r client.Reply[json.RawMessage]) {
			put(r.Peer, func(d *daemonStatus) { d.Program = program(r.Err) })
		})
	})
	asking.Wait()
	if failure != nil {
		return nil, failure
	}
	answered := false
	for _, peer := range a.client.Peers() {
		d := all[peer]
		if d == nil {
			d = &daemonStatus{Peer: peer, State: stateSilent, Error: "no reply"}
		}
		answered = answered || d.State != stateSilent
		s.Peers = append(s.Peers, *d)
	}
	switch {
	case answered:
	case silence != nil:
		return nil, silence
	default:
		return nil, client.ErrNoReply
	}
	s.compare()
	return &s, nil
}

// eachReply calls take with the replies of all daemons.
func eachReply[A any](ctx context.Context, c *client.Client, q client.Question[A], take func(client.Reply[A])) error {
	for r, err := range client.Replies(ctx, c, q) {
		if err != nil {
			return err
		}
		take(r)
	}
	return nil
}

// plain returns the error of a daemon in one line.
func plain(err error) string {
	text := err.Error()
	if status := (*client.StatusError)(nil); errors.As(err, &status) {
		text = StatusText(status)
	}
	return inLine(text)
}

// program returns which program a daemon is, according to its error about an element 00.
func program(err error) string {
	switch {
	case err == nil:
		return "Ganeti's own"
	case errors.Is(err, client.ErrArgument):
		return "gntconfd"
	case errors.Is(err, client.ErrNotImplemented):
		return "of Ganeti 2.6"
	}
	return ""
}

// compare sets the states of the daemons that have answered, and the master that most of them
// name.
func (s *clusterStatus) compare() {
	var newest int64
	votes := make(map[string]int)
	for _, d := range s.Peers {
		if d.State == "" {
			newest = max(newest, d.FileSerial)
			votes[d.Master]++
		}
	}
	for _, d := range s.Peers {
		if d.State == "" && votes[d.Master] > votes[s.Master] {
			s.Master = d.Master
		}
	}
	for i := range s.Peers {
		switch d := &s.Peers[i]; {
		case d.State != "":
		case d.FileSerial < newest:
			d.State = stateStale
		case d.Master != s.Master:
			d.State = stateDiffers
		default:
			d.State = stateOK
		}
	}
}

func (s *clusterStatus) write(w io.Writer, form show.Form) error {
	if form.ForPrograms() {
		return form.Write(w, s)
	}
	var names []string
	for _, d := range s.Peers {
		names = append(names, cmp.Or(d.Node, d.Peer))
	}
	if form != show.AsName {
		if _, err := fmt.Fprintln(w, terminal.Printable(s.title())+"\n"); err != nil {
			return err
		}
	}
	return form.Show(w, show.View{Table: s.table(), Names: names})
}

// title describes the state of the cluster in one line.
func (s *clusterStatus) title() string {
	return fmt.Sprintf("Cluster %s, master %s, %s", cmp.Or(s.Cluster, "of unknown name"), cmp.Or(s.Master, "unknown"), s.counts())
}

// table returns a table with a row for each daemon.
func (s *clusterStatus) table() terminal.Table {
	head := []string{"DAEMON", "NODE", "STATE", "FILE SERIAL", "FILE CHANGED", "AGE", "ROUND TRIP", "PROGRAM"}
	t := terminal.Table{Noun: "daemons", Head: head, Spare: []string{"FILE CHANGED", "ROUND TRIP", "PROGRAM"}}
	for _, d := range s.Peers {
		changed, age, rtt, serial := "-", "-", "-", "-"
		if d.Changed > 0 {
			at := time.UnixMicro(int64(d.Changed * 1e6))
			changed, age = show.Date(at), show.Age(time.Since(at))
		}
		if d.RoundTrip > 0 {
			rtt = show.Milliseconds(time.Duration(d.RoundTrip) * time.Microsecond)
		}
		if d.FileSerial > 0 {
			serial = fmt.Sprint(d.FileSerial)
		}
		t.Row(d.Peer, cmp.Or(d.Node, "-"), stateTones[d.State].Cell(string(d.State)), serial, changed, age, rtt, cmp.Or(d.Program, d.Error, "-"))
	}
	return t
}

// counts returns how many daemons are in each state, as text.
func (s *clusterStatus) counts() string {
	counts := make(map[state]int)
	for _, d := range s.Peers {
		counts[d.State]++
	}
	return countStates(counts)
}

// verdict returns an error unless all daemons are ok.
func (s *clusterStatus) verdict() error {
	for _, d := range s.Peers {
		if d.State != stateOK {
			return fmt.Errorf("%w: %s", ErrDiffer, s.counts())
		}
	}
	return nil
}
