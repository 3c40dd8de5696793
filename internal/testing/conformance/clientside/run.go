package clientside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/vectors"
)

// Options say which client to test, and how.
type Options struct {
	Command []string // starts the client
	Files   fs.FS    // the folder of the vectors
	conformance.Choice
}

// Cases lists all scenarios, in report order.
func (o *Options) Cases() ([]conformance.Case, error) {
	scenarios, err := Load(o.Files)
	cases := make([]conformance.Case, len(scenarios))
	for i, s := range scenarios {
		cases[i] = conformance.Case{ID: s.ID, Note: s.Note, File: "clients/" + path.Dir(s.ID) + ".json"}
	}
	return cases, err
}

// Run runs the scenarios, one after the other. The client keeps running while it follows
// the contract; otherwise it is started again for the next scenario. The error is about the
// suite itself, or about a client that cannot be started; failures of a running client are
// in the report.
func Run(ctx context.Context, o Options) (*conformance.Report, error) {
	scenarios, err := Load(o.Files)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*Scenario)
	for i := range scenarios {
		byID[scenarios[i].ID] = &scenarios[i]
	}
	all, err := o.Cases()
	if err != nil {
		return nil, err
	}
	chosen := o.Select(all)
	report := &conformance.Report{Subject: strings.Join(o.Command, " "), Release: conformance.Release()}
	ended := o.Counting(len(chosen))
	var p *process
	for _, c := range chosen {
		if p == nil {
			if p, err = start(ctx, o.Command); err != nil {
				return nil, err
			}
		}
		result := &conformance.Result{Case: c}
		verdict, err := play(ctx, p, byID[c.ID], result)
		var lost *lostError
		switch {
		case errors.As(err, &lost) && ctx.Err() == nil:
			p.kill()
			verdict = p.withStderr(lost.error)
			p = nil
		case err != nil:
			p.kill()
			return nil, fmt.Errorf("%s: %w", c.ID, err)
		}
		result.End(verdict)
		report.Results = append(report.Results, result)
		ended(1)
	}
	o.Finish(report, all)
	if p != nil {
		if err := p.stop(); err != nil {
			report.Problems = append(report.Problems, err.Error())
		}
	}
	return report, nil
}

// lostError means that the client broke the contract and can no longer be used.
type lostError struct{ error }

// play runs one scenario and adds the details to the result. The verdict is nil if the
// client does what it must; err is a *lostError, or about the suite itself.
func play(ctx context.Context, p *process, s *Scenario, result *conformance.Result) (verdict, err error) {
	for _, feature := range s.Features {
		if !slices.Contains(p.features, feature) {
			return fmt.Errorf("%w: the client does not have the feature %s", conformance.ErrSkip, feature), nil
		}
	}
	st, err := build(s)
	if errors.Is(err, errNoAddress) {
		return fmt.Errorf("%w: %w", conformance.ErrSkip, err), nil
	} else if err != nil {
		return nil, err
	}
	defer st.close()

	former := make([]*received, len(st.conns))
	rsalts := make(map[string]bool)
	var verdicts []error
	for i := range s.Questions {
		q := &s.Questions[i]
		o := order{
			ID:        fmt.Sprintf("%s#%d", s.ID, i+1),
			Coverage:  coverage(q, len(st.conns)),
			Key:       string(s.key()),
			Type:      q.Type,
			Query:     q.query(),
			TimeoutMS: q.timeout().Milliseconds(),
		}
		for _, address := range st.addresses {
			o.Servers = append(o.Servers, address.String())
		}
		e := &exchange{question: q, order: o, key: s.key(), requests: make([][]*received, len(st.conns)), former: former, rsalts: rsalts}
		err := e.run(ctx, p, st)
		result.Details = append(result.Details, e.details()...)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, e.judge()...)
		for server, requests := range e.requests {
			for _, r := range requests {
				former[server] = r
				rsalts[r.rsalt] = true
			}
		}
	}
	return errors.Join(verdicts...), nil
}

// exchange is a question in progress, and what was seen of it.
type exchange struct {
	question *Question
	order    order
	key      []byte
	former   []*received     // by server, the last request of earlier questions
	rsalts   map[string]bool // of earlier questions

	asked    time.Time     // when the client got the order
	requests [][]*received // by server
	replies  []sent
	report   *Report // nil if there is none
}

// sent is a datagram sent by a step.
type sent struct {
	*Step
	datagram []byte
}

// run sends the client the order and plays the servers until the client has reported, and
// everything that it sent before has arrived.
func (e *exchange) run(ctx context.Context, p *process, st *stage) error {
	e.asked = time.Now()
	if err := p.sendOrder(e.order); err != nil {
		return &lostError{fmt.Errorf("it does not read its input: %w", err)}
	}
	var (
		steps   = e.question.Replies
		due     <-chan time.Time // of the first step; nil until enough servers are asked
		lines   = p.lines
		fences  = -1 // how many steps are in progress; none at first
		tooLate = time.After(e.question.timeout() + patience)
	)
	await := func() {
		due = nil
		if len(steps) > 0 {
			due = time.After(time.Duration(steps[0].AfterMS) * time.Millisecond)
		}
	}
	for fences != 0 {
		select {
		case a := <-st.arrivals:
			if a.received == nil {
				fences--
				continue
			}
			begin := count(e.requests) < st.expected(e.order.Coverage)
			e.requests[a.server] = append(e.requests[a.server], a.received)
			if begin && count(e.requests) == st.expected(e.order.Coverage) {
				await()
			}
		case <-due:
			step := &steps[0]
			steps = steps[1:]
			await()
			if err := e.reply(st, step); err != nil {
				return err
			}
		case l, ok := <-lines:
			switch {
			case !ok:
				return &lostError{p.ended()}
			case l.ID != e.order.ID:
				return &lostError{fmt.Errorf("it reports on %q, but was asked for %q", l.ID, e.order.ID)}
			}
			e.report, lines, due = &l.Report, nil, nil
			var err error
			if fences, err = st.fence(); err != nil {
				return err
			}
		case <-tooLate:
			return &lostError{fmt.Errorf("it has not reported %v after its timeout of %v", patience, e.question.timeout())}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// reply performs a step, unless its server was not asked or the request cannot be read.
func (e *exchange) reply(st *stage, step *Step) error {
	requests := e.requests[step.Server]
	if len(requests) == 0 || requests[0].trouble != nil {
		return nil
	}
	datagram, err := step.datagram(e.key, requests[0], e.former[step.Server], time.Now())
	if err != nil {
		return err
	}
	e.replies = append(e.replies, sent{step, datagram})
	return st.send(step, datagram, requests[0].from)
}

// judge returns what is wrong with what the client sent and reported.
func (e *exchange) judge() (wrong []error) {
	q := e.question
	for _, name := range q.Checks {
		if err := checks[name](e); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
	}
	asked := count(e.requests)
	if q.Want.Error == Refused && asked > 0 {
		wrong = append(wrong, errors.New("it sent a query that cannot be sent"))
	}
	err := compare(&q.Want, e.report)
	if err == nil {
		return wrong
	}
	wrong = append(wrong, err)
	if asked < e.order.Coverage && q.Want.Error != Refused {
		wrong = append(wrong, fmt.Errorf("%d of %d servers were asked", asked, e.order.Coverage))
	}
	for i, requests := range e.requests {
		if len(requests) > 0 && requests[0].trouble != nil {
			wrong = append(wrong, fmt.Errorf("server %d cannot read the request: %w", i, requests[0].trouble))
		}
	}
	return wrong
}

// compare returns how a report differs from the expected one.
func compare(want, got *Report) error {
	switch {
	case want.Error != got.Error && got.Error == "":
		return fmt.Errorf("it reports the answer %.200s, want %s", got.Answer, want.Error)
	case want.Error != got.Error:
		return fmt.Errorf("it reports the error %.500q, want %s", got.Error, want)
	case want.Error != "":
		return nil
	}
	reply := func(r *Report) *vectors.Reply {
		return &vectors.Reply{Status: r.Status, Answer: r.Answer, Serial: &r.Serial}
	}
	if err := vectors.Compare(reply(want), reply(got)); err != nil {
		return fmt.Errorf("it reports %w", err)
	}
	return nil
}

// String returns the report in words.
func (r *Report) String() string {
	if r.Error != "" {
		return r.Error
	}
	return fmt.Sprintf("status %d, serial %d, answer %s", r.Status, r.Serial, readable(r.Answer))
}

// details lists what happened.
func (e *exchange) details() []conformance.Detail {
	order, err := json.Marshal(e.order)
	if err != nil { // its parts come from JSON
		panic(err)
	}
	details := []conformance.Detail{{Name: "told", Text: readable(order)}}
	add := func(name, text string) { details = append(details, conformance.Detail{Name: name, Text: text}) }
	for i, requests := range e.requests {
		for _, r := range requests {
			add("sent", fmt.Sprintf("to server %d: %s", i, readable(r.datagram)))
		}
	}
	for _, s := range e.replies {
		from := fmt.Sprintf("server %d", s.Server)
		if s.Via != "" {
			from = s.Via
		}
		add("received", fmt.Sprintf("from %s: %s", from, readable(s.datagram)))
	}
	add("expected", e.question.Want.String())
	if e.report != nil {
		add("reported", e.report.String())
	}
	return details
}

// readable returns the beginning of an arbitrary text, escaped.
func readable(text []byte) string {
	const shown = 1000 // in bytes
	rest := ""
	if len(text) > shown {
		text, rest = text[:shown], fmt.Sprintf("... (%d bytes)", len(text))
	}
	visible := func(c rune) rune {
		if c < ' ' {
			return utf8.RuneError
		}
		return c
	}
	return strings.Map(visible, string(text)) + rest
}
