package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/protocol"
)

// lostAfter is how long a reply may take before it counts as lost.
const lostAfter = 3 * time.Second

// questions are asked in turn: all request types, including some that get errors.
var questions = []string{
	`"type":0`, `"type":1,"query":"node1.example.org"`, `"type":1,"query":"node4"`, `"type":1,"query":"none"`,
	`"type":2,"query":{"1":"203.0.113.10"}`, `"type":2,"query":{"2":["203.0.113.10","x"]}`, `"type":3`, `"type":3,"query":{"3":[0,1,2]}`,
	`"type":4`, `"type":5`, `"type":6`, `"type":6,"query":"br1"`, `"type":7,"query":"node2.example.org"`, `"type":8,"query":"node2.example.org"`,
	`"type":9,"query":"www1.example.org"`, `"type":10,"query":"/cluster/serial_no"`, `"type":10,"query":"/serial_no"`, `"type":10,"query":"/none"`, `"type":11`,
}

// asker asks questions and judges the replies.
type asker struct {
	world *world
	conn  *net.UDPConn
	phase atomic.Pointer[string] // the last fault

	mu       sync.Mutex
	asked    map[string]*question // questions without a reply, by salt
	number   int
	answered int
	trips    []time.Duration
	lost     map[string]int // by phase
	wrong    []string       // the first wrong replies
	wrongs   int
}

// question is a question that was asked.
type question struct {
	request *wire.Request
	at      time.Time
	phase   string
}

func newAsker(w *world) (*asker, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(w.addr))
	if err != nil {
		return nil, err
	}
	conn.SetReadBuffer(1 << 20)
	a := &asker{world: w, conn: conn, asked: make(map[string]*question), lost: make(map[string]int)}
	a.phase.Store(new("none"))
	return a, nil
}

// ask asks questions at a rate until ctx ends.
func (a *asker) ask(ctx context.Context, rate float64) {
	codec := protocol.NewCodec(a.world.ring)
	begin := time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		time.Sleep(time.Until(begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		salt := strconv.Itoa(i)
		text := `{"protocol":1,"rsalt":"` + salt + `",` + questions[i%len(questions)] + `}`
		request := new(wire.Request)
		if err := request.Decode(jx.DecodeStr(text)); err != nil {
			panic(err) // the questions are above
		}
		datagram, err := codec.SealRequest(nil, request, time.Now())
		if err != nil {
			panic(err)
		}
		q := &question{request, time.Now(), *a.phase.Load()}
		a.mu.Lock()
		a.number++
		a.asked[salt] = q
		for salt, old := range a.asked {
			if time.Since(old.at) > lostAfter {
				a.lost[old.phase]++
				delete(a.asked, salt)
			}
		}
		a.mu.Unlock()
		_, _ = a.conn.Write(datagram) // it is counted as lost
	}
}

// receive checks replies until the socket is closed.
func (a *asker) receive() {
	codec := protocol.NewCodec(a.world.ring)
	buffer := make([]byte, wire.MaxDatagramSize)
	var scratch answer.Scratch
	for {
		n, err := a.conn.Read(buffer)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		reply, salt, err := codec.OpenReply(buffer[:n])
		a.mu.Lock()
		q := a.asked[salt]
		delete(a.asked, salt)
		switch {
		case err != nil:
			a.note(fmt.Sprintf("not a valid reply: %v", err))
		case q == nil: // it came too late
		default:
			a.answered++
			a.trips = append(a.trips, time.Since(q.at))
			if problem := a.judge(q, reply, &scratch); problem != "" {
				a.note(problem)
			}
		}
		a.mu.Unlock()
	}
}

func (a *asker) note(problem string) {
	if a.wrongs++; len(a.wrong) < 10 {
		a.wrong = append(a.wrong, *a.phase.Load()+": "+problem)
	}
}

// judge compares a reply with the answers of all configurations in place since the question
// was asked. It returns what is wrong.
func (a *asker) judge(q *question, reply *wire.ClassicReply, s *answer.Scratch) string {
	var wants []string
	for _, book := range a.world.books(q.at) {
		if book == nil {
			if reply.Status == wire.StatusError {
				return ""
			}
			continue
		}
		r, _ := book.Answer(q.request, s)
		var want wire.Reply
		if err := want.Decode(jx.DecodeBytes(r.Text)); err != nil {
			return err.Error()
		}
		if want.Status == reply.Status && want.Serial == reply.Serial.Value && bytes.Equal(want.Answer, reply.Answer) {
			return ""
		}
		wants = append(wants, fmt.Sprintf("%d %.80s %d", want.Status, want.Answer, want.Serial))
	}
	return fmt.Sprintf("type %d: got %d %.80s %d, want one of %q", q.request.Type, reply.Status, reply.Answer, reply.Serial.Value, wants)
}

// summary returns a line about the progress.
func (a *asker) summary() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprintf("%d questions, %d replies, %d wrong, lost %v", a.number, a.answered, a.wrongs, a.lost)
}

// results are the results of the questions.
type results struct {
	asked, answered, wrongs int
	wrong                   []string
	lost                    map[string]int
	p50, p99, slowest       time.Duration
}

func (a *asker) results() results {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.asked {
		a.lost[q.phase]++
	}
	r := results{asked: a.number, answered: a.answered, wrongs: a.wrongs, wrong: a.wrong, lost: a.lost}
	if slices.Sort(a.trips); len(a.trips) > 0 {
		r.p50, r.p99, r.slowest = a.trips[len(a.trips)/2], a.trips[len(a.trips)*99/100], a.trips[len(a.trips)-1]
	}
	return r
}
