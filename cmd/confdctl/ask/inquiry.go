package ask

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/show"
)

// answer is what one peer, or several together, say.
type answer struct {
	show.View
	peer               string // of one
	serial             int64
	roundTrip          time.Duration
	agreed, consistent bool // of several
	replies, asked     int
	err                error // why there is no answer: client.StatusError or client.ErrAnswer
}

// inquiry is a question with answers that can be shown, whatever their type is.
type inquiry interface {
	query(context.Context, *client.Client) (answer, error)
	replies(context.Context, *client.Client) iter.Seq2[answer, error]
	watch(context.Context, *client.Client, time.Duration) iter.Seq2[answer, error]
}

// inquire makes an inquiry of a question. view gets the answer, and as it came.
func inquire[A any](question client.Question[A], view func(A, json.RawMessage) show.View) inquiry {
	return typed[A]{question, view}
}

type typed[A any] struct {
	question client.Question[A]
	view     func(A, json.RawMessage) show.View
}

func (q typed[A]) query(ctx context.Context, c *client.Client) (answer, error) {
	result, err := client.Query(ctx, c, q.question)
	return q.result(result, err), err
}

// result makes an answer of what several peers say; it is empty when they do not.
func (q typed[A]) result(r client.Result[A], err error) answer {
	if err != nil && !errors.Is(err, client.ErrInconsistent) {
		return answer{err: err, roundTrip: r.RoundTrip}
	}
	return answer{
		View: q.view(r.Answer, r.JSON), serial: r.Serial, roundTrip: r.RoundTrip,
		agreed: r.Agreed, consistent: r.Consistent, replies: len(r.Replies), asked: len(r.Replies) + len(r.Silent),
	}
}

func (q typed[A]) replies(ctx context.Context, c *client.Client) iter.Seq2[answer, error] {
	return func(yield func(answer, error) bool) {
		for r, err := range client.Replies(ctx, c, q.question) {
			a := answer{peer: r.Peer, serial: r.Serial, roundTrip: r.RoundTrip, err: r.Err}
			if err == nil && r.Err == nil {
				a.View = q.view(r.Answer, r.JSON)
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

func (q typed[A]) watch(ctx context.Context, c *client.Client, every time.Duration) iter.Seq2[answer, error] {
	return func(yield func(answer, error) bool) {
		for r, err := range client.Watch(ctx, c, q.question, every) {
			if !yield(q.result(r, err), err) {
				return
			}
		}
	}
}

// document is an answer for machines. The help of confdctl describes its members.
type document struct {
	Time       string            `json:"time,omitempty"`
	Peer       string            `json:"peer,omitempty"`
	State      state             `json:"state,omitempty"`
	Status     *int              `json:"status,omitempty"`
	Answer     any               `json:"answer,omitempty"`
	Names      map[string]string `json:"names,omitempty"`
	Error      string            `json:"error,omitempty"`
	Serial     *int64            `json:"serial,omitempty"`
	Agreed     *bool             `json:"agreed,omitempty"`
	Consistent *bool             `json:"consistent,omitempty"`
	RoundTrip  *int64            `json:"rtt_us,omitempty"`
}

// document returns an answer, or the error in its place, for machines.
func (a *answer) document() document {
	rtt := a.roundTrip.Microseconds()
	d := document{RoundTrip: &rtt, Peer: a.peer}
	var status *client.StatusError
	switch {
	case errors.As(a.err, &status):
		d.Status, d.Answer, d.Serial = &status.Status, status.JSON, &status.Serial
		d.Peer, d.Error = status.Peer, StatusText(status)
	case a.err != nil:
		d.RoundTrip, d.Error = nil, a.err.Error()
	default:
		d.Status, d.Answer, d.Serial, d.Names = new(int), a.Value, &a.serial, a.Hosts
		if d.Answer == nil {
			d.Answer = json.RawMessage("null")
		}
		if a.peer == "" {
			d.Agreed, d.Consistent = &a.agreed, &a.consistent
		}
	}
	return d
}

// StatusText returns what a peer says in place of an answer, without the peer.
func StatusText(e *client.StatusError) string {
	if e.Code != nil {
		return e.Code.Error()
	}
	return e.Text
}

// inLine returns a text with its lines in one, such as the error of a daemon, which for Ganeti
// has several.
func inLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// note says what a person may want to know about how an answer came about, or "".
func (a *answer) note() string {
	if a.agreed || a.asked < 2 {
		return ""
	}
	text := fmt.Sprintf("%d of %d daemons replied, and not enough agree", a.replies, a.asked)
	if !a.consistent {
		text += ": they give different answers with the same serial"
	}
	return text + "; --all shows what each one says"
}

// IsStatus reports whether an error is what a daemon says in place of an answer.
func IsStatus(err error) bool {
	var status *client.StatusError
	return errors.As(err, &status)
}
