package ask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/internal/terminal"
)

// ErrDiffer: the daemons give different answers.
var ErrDiffer = errors.New("not all daemons say the same")

// state is the result of comparing a daemon's answer with the others.
type state string

const (
	stateOK      state = "ok"      // the newest answer, and the most frequent one with its serial
	stateStale   state = "stale"   // the serial is lower than another's
	stateDiffers state = "differs" // another answer with the same serial
	stateError   state = "error"   // an error instead of an answer
	stateSilent  state = "silent"  // no reply
)

var stateTones = map[state]terminal.Tone{
	stateOK: terminal.Good, stateStale: terminal.Warn, stateDiffers: terminal.Bad, stateError: terminal.Bad, stateSilent: terminal.Bad,
}

// opinion is the answer of one daemon.
type opinion struct {
	answer
	state state
	key   string // equal for equal answers
}

// askAll asks every daemon and prints each answer.
func askAll(ctx context.Context, asked *asked, w io.Writer) error {
	opinions, err := collect(ctx, asked.client, asked.inquiry)
	if err != nil {
		return asked.conn.Advise(err)
	}
	if asked.form.ForPrograms() {
		err = asked.form.Write(w, opinionsDocument(opinions))
	} else {
		err = writeOpinions(w, asked, opinions)
	}
	if err != nil {
		return err
	}
	if alike(opinions) {
		if opinions[0].err != nil {
			return asked.explain(ctx, opinions[0].err)
		}
		return opinions[0].View.Err
	}
	counts := make(map[state]int)
	for _, o := range opinions {
		counts[o.state]++
	}
	return fmt.Errorf("%w: %s", ErrDiffer, countStates(counts))
}

// countStates returns how many daemons are in each state, as text.
func countStates(counts map[state]int) string {
	var texts []string
	for _, s := range []state{stateOK, stateStale, stateDiffers, stateError, stateSilent} {
		if n := counts[s]; n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(texts, ", ")
}

// collect returns the answers of all daemons in the order in which they were named. It returns
// an error if none has replied, or if this machine cannot ask.
func collect(ctx context.Context, c *client.Client, q inquiry) ([]opinion, error) {
	var (
		opinions []opinion
		silence  *client.NoReplyError
	)
	for a, err := range q.replies(ctx, c) {
		if err != nil && !errors.As(err, &silence) {
			return nil, err
		} else if err == nil {
			opinions = append(opinions, opinion{answer: a})
		}
	}
	if len(opinions) == 0 {
		return nil, silence
	}
	for i := range opinions {
		text, err := json.Marshal(opinions[i].document().Answer)
		if err != nil {
			return nil, err
		}
		opinions[i].key = canonical(text)
	}
	compare(opinions)
	if silence != nil {
		opinions = append(opinions, silentOpinions(silence)...)
	}
	named := c.Peers()
	slices.SortStableFunc(opinions, func(a, b opinion) int {
		return slices.Index(named, a.peer) - slices.Index(named, b.peer)
	})
	return opinions, nil
}

// silentOpinions returns the opinions of daemons that have not replied.
func silentOpinions(silence *client.NoReplyError) []opinion {
	var opinions []opinion
	for _, s := range silence.Asked {
		silent := opinion{answer: answer{peer: s.Peer, err: errors.New("no reply")}, state: stateSilent}
		if s.Err != nil {
			silent.err = s.Err
		}
		opinions = append(opinions, silent)
	}
	return opinions
}

// compare sets the states of the daemons that have replied. If several answers with the highest
// serial are equally frequent, nothing says which is right: all of them differ.
func compare(opinions []opinion) {
	var newest int64
	for _, o := range opinions {
		if o.err == nil {
			newest = max(newest, o.serial)
		}
	}
	votes := make(map[string]int)
	for _, o := range opinions {
		if o.err == nil && o.serial == newest {
			votes[o.key]++
		}
	}
	most := slices.Max(append(slices.Collect(maps.Values(votes)), 0))
	ties := 0
	for _, n := range votes {
		if n == most {
			ties++
		}
	}
	for i := range opinions {
		switch o := &opinions[i]; {
		case o.err != nil:
			o.state = stateError
		case o.serial < newest:
			o.state = stateStale
		case votes[o.key] < most || ties > 1:
			o.state = stateDiffers
		default:
			o.state = stateOK
		}
	}
}

// canonical returns JSON in a form in which equal values are equal texts.
func canonical(text []byte) string {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return string(text)
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		return string(text)
	}
	return string(sorted)
}

// alike reports whether all daemons give the same answer, or the same error.
func alike(opinions []opinion) bool {
	first := opinions[0]
	return !slices.ContainsFunc(opinions, func(o opinion) bool {
		return o.state == stateSilent || o.state != first.state || o.key != first.key
	})
}

// opinionsDoc is the opinions for programs.
type opinionsDoc struct {
	Consistent bool       `json:"consistent"`
	Peers      []document `json:"peers"`
}

func opinionsDocument(opinions []opinion) opinionsDoc {
	all := opinionsDoc{Consistent: alike(opinions)}
	for _, o := range opinions {
		d := o.document()
		d.State = o.state
		all.Peers = append(all.Peers, d)
	}
	return all
}

// writeOpinions prints a row for each daemon and, below, each answer that does not fit into a
// row once.
func writeOpinions(w io.Writer, asked *asked, opinions []opinion) error {
	t, long := opinionsTable(asked, opinions)
	if err := asked.form.Show(w, show.View{Table: t}); err != nil {
		return err
	}
	if asked.form == show.AsName {
		return nil
	}
	for _, same := range long {
		peers := make([]string, len(same))
		for i, o := range same {
			peers[i] = o.peer
		}
		title := strings.Join(peers, ", ") + ":"
		if len(long) == 1 && len(same) == len(opinions) {
			title = "All of them:"
		}
		if _, err := fmt.Fprintln(w, "\n"+terminal.StyleFor(w).Paint(terminal.Strong, title)); err != nil {
			return err
		}
		if err := asked.form.Show(w, same[0].View); err != nil {
			return err
		}
	}
	return nil
}

// opinionsTable returns a row for each daemon, and the opinions whose answers do not fit into
// it, grouped by answer.
func opinionsTable(asked *asked, opinions []opinion) (t terminal.Table, long [][]opinion) {
	t = terminal.Table{Noun: "daemons", Head: []string{"DAEMON", "STATE", "SERIAL", "ROUND TRIP", "ANSWER"}, Spare: []string{"ROUND TRIP", "SERIAL"}}
	for _, o := range opinions {
		mark := stateTones[o.state].Cell(string(o.state))
		if o.err != nil {
			text, rtt := o.err.Error(), show.Milliseconds(o.roundTrip)
			if status := (*client.StatusError)(nil); errors.As(o.err, &status) {
				text = cmp.Or(asked.words(status), inLine(StatusText(status)))
			}
			if o.state == stateSilent {
				rtt = "-"
			}
			t.Row(o.peer, mark, "-", rtt, text)
			continue
		}
		t.Row(o.peer, mark, o.serial, show.Milliseconds(o.roundTrip), o.Table.Brief())
		if o.Table.Head == nil && len(o.Table.Rows) < 2 {
			continue
		}
		i := slices.IndexFunc(long, func(same []opinion) bool { return same[0].key == o.key })
		if i < 0 {
			i = len(long)
			long = append(long, nil)
		}
		long[i] = append(long[i], o)
	}
	return t, long
}
