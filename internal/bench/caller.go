package bench

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"net/netip"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/udp"
)

// resign is the age at which a request gets a new timestamp, well below
// protocol.ClockSkew seconds.
const resign = 200 * time.Second

// A caller is one client of a server: a socket with requests that were signed in advance. No
// request is in flight twice, so its rsalt identifies its reply. Times count from the
// beginning of the load.
type caller struct {
	conn  *udp.Conn
	batch *udp.Batch
	codec *protocol.Codec
	echo  bool // the server replies with the request itself

	begin    time.Time
	patience time.Duration

	topics   []topic
	order    []int  // of the topics, over and over
	next     int    // in order
	made     []int  // by topic: how many requests there are
	marker   []byte // every rsalt begins with it
	requests []request
	idle     [][]int32 // by topic: requests that can be sent, longest idle first
	waiting  []sending // what was sent, in this order; the first may be answered by now
	seed     maphash.Seed

	outstanding int
	result
}

// request is a signed request.
type request struct {
	datagram []byte
	topic    int
	query    wire.Query
	signed   time.Duration // when
	// generation is counted up when a request is lost, and is part of the
	// rsalt: its reply may still come.
	generation uint16

	due     time.Duration // when it was to be sent
	sending bool          // whether the reply is awaited

	// reply is the hash of the reply that was last found genuine, status its
	// status, and text how many of its bytes were signed. Replies to the very same
	// request are the same as long as the cluster is.
	reply  uint64
	status wire.Status
	text   int
}

// sending is one sending of a request.
type sending struct {
	request int32
	due     time.Duration
}

// result is what became of the requests of a caller.
type result struct {
	sent, replies, lost, unsent int
	// refused replies say that there is no answer, late ones came after their
	// request was given up, wrong ones are not signed or belong to no request.
	refused, late, wrong int
	bytes, text          int           // of the replies: all, and those that were signed
	last                 time.Duration // when the last reply came
	latency              *hdr.Histogram
}

// Bounds of what is recorded as a latency, with three significant digits.
const (
	minLatency = time.Microsecond
	maxLatency = time.Minute
)

func newResult() result {
	return result{latency: hdr.New(int64(minLatency), int64(maxLatency), 3)}
}

// add adds another result.
func (r *result) add(other result) {
	r.sent += other.sent
	r.replies += other.replies
	r.lost += other.lost
	r.unsent += other.unsent
	r.refused += other.refused
	r.late += other.late
	r.wrong += other.wrong
	r.bytes += other.bytes
	r.text += other.text
	r.last = max(r.last, other.last)
	r.latency.Merge(other.latency)
}

func newCaller(server netip.AddrPort, key []byte, topics []topic, order []int) (*caller, error) {
	conn, err := udp.Dial(server)
	if err != nil {
		return nil, err
	}
	batch, err := udp.NewBatch()
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &caller{
		conn:   conn,
		batch:  batch,
		codec:  protocol.NewCodec(protocol.NewKeyring(key)),
		topics: topics,
		order:  order,
		made:   make([]int, len(topics)),
		marker: []byte("bench-" + rand.Text()[:10] + "-"),
		idle:   make([][]int32, len(topics)),
		seed:   maphash.MakeSeed(),
		begin:  time.Now(),
		result: newResult(),
	}, nil
}

func (c *caller) close() {
	c.conn.Close()
	c.batch.Free()
}

// prepare makes at least n requests in advance, so that none must be made when it is due.
func (c *caller) prepare(n int) error {
	for topic := range c.topics {
		for range max(n/len(c.topics), 1) {
			if err := c.make(topic); err != nil {
				return err
			}
		}
	}
	return nil
}

// make makes another request of a topic.
func (c *caller) make(topic int) error {
	queries := c.topics[topic].queries
	c.requests = append(c.requests, request{topic: topic, query: queries[c.made[topic]%len(queries)]})
	c.made[topic]++
	i := int32(len(c.requests) - 1)
	c.idle[topic] = append(c.idle[topic], i)
	return c.sign(i, time.Since(c.begin))
}

// sign signs a request as of now. Its rsalt is the marker, its number and its
// generation.
func (c *caller) sign(i int32, now time.Duration) error {
	r := &c.requests[i]
	r.signed = now
	var err error
	r.datagram, err = c.codec.SealRequest(nil, &wire.Request{
		Protocol: wire.ProtocolVersion,
		Type:     c.topics[r.topic].typ,
		Rsalt:    c.rsalt(i, r.generation),
		Query:    wire.OptQuery{Value: r.query, Set: r.query.Type != ""},
	}, c.begin.Add(now))
	return err
}

// rsaltDigits is how many digits of an rsalt follow the marker.
const rsaltDigits = 12

func (c *caller) rsalt(i int32, generation uint16) string {
	return fmt.Sprintf("%s%08x%04x", c.marker, i, generation)
}

// find returns the request that a datagram's rsalt belongs to, and its generation.
func (c *caller) find(datagram []byte) (i int32, generation uint16, ok bool) {
	at := bytes.LastIndex(datagram, c.marker)
	if at < 0 || len(datagram) < at+len(c.marker)+rsaltDigits {
		return 0, 0, false
	}
	var number [8]byte
	if _, err := hex.Decode(number[8-rsaltDigits/2:], datagram[at+len(c.marker):][:rsaltDigits]); err != nil {
		return 0, 0, false
	}
	n := binary.BigEndian.Uint64(number[:])
	return int32(n >> 16), uint16(n), n>>16 < uint64(len(c.requests))
}

// ask adds the next request, which was due at a time, to the batch, and sends
// that when it is full.
func (c *caller) ask(due, now time.Duration) error {
	topic := c.order[c.next]
	c.next = (c.next + 1) % len(c.order)
	if len(c.idle[topic]) == 0 {
		if err := c.make(topic); err != nil {
			return err
		}
	}
	i := c.idle[topic][0]
	c.idle[topic] = c.idle[topic][1:]
	r := &c.requests[i]
	if now-r.signed > resign {
		if err := c.sign(i, now); err != nil {
			return err
		}
	}
	r.due, r.sending = due, true
	c.waiting = append(c.waiting, sending{i, due})
	c.outstanding++
	c.sent++
	if !c.batch.Add(r.datagram) {
		c.flush()
		c.batch.Add(r.datagram)
	}
	return nil
}

// flush sends the batch. What cannot be sent counts as lost.
func (c *caller) flush() {
	_ = c.conn.Write(c.batch)
}

// receive waits for a reply, at most for the given time, and takes all that have arrived. It
// returns their number and the time.
func (c *caller) receive(wait time.Duration) (replies int, now time.Duration) {
	if wait > 0 {
		c.conn.Wait(wait)
	}
	// An error is about a datagram that was sent earlier and is lost.
	_ = c.conn.Read(c.batch)
	now = time.Since(c.begin)
	before := c.replies
	for i := range c.batch.Len() {
		c.take(c.batch.Datagram(i), now)
	}
	return c.replies - before, now
}

// take takes one datagram.
func (c *caller) take(datagram []byte, now time.Duration) {
	i, generation, ok := c.find(datagram)
	if !ok {
		c.wrong++
		return
	}
	r := &c.requests[i]
	switch {
	case generation != r.generation:
		c.late++
		return
	case !r.sending || !c.genuine(i, datagram):
		c.wrong++
		return
	}
	c.replies++
	c.bytes += len(datagram)
	c.text += r.text
	c.last = now
	if r.status != wire.StatusOK {
		c.refused++
	}
	_ = c.latency.RecordValue(int64(min(max(now-r.due, minLatency), maxLatency)))
	c.rest(i)
}

// genuine reports whether a datagram is the reply to a request: signed with the
// key, or byte for byte the same as one that was.
func (c *caller) genuine(i int32, datagram []byte) bool {
	r := &c.requests[i]
	if c.echo {
		return bytes.HasPrefix(datagram, r.datagram)
	}
	hash := maphash.Bytes(c.seed, datagram)
	if hash == r.reply {
		return true
	}
	reply, salt, err := c.codec.OpenReply(datagram)
	if err != nil || salt != c.rsalt(i, r.generation) {
		return false
	}
	var envelope wire.Envelope
	if err := envelope.UnmarshalJSON(datagram[len(wire.Magic):]); err != nil {
		return false
	}
	r.reply, r.status, r.text = hash, reply.Status, len(envelope.Salt)+len(envelope.Msg)
	return true
}

// rest makes a request idle.
func (c *caller) rest(i int32) {
	r := &c.requests[i]
	r.sending = false
	c.idle[r.topic] = append(c.idle[r.topic], i)
	c.outstanding--
}

// expire gives up requests without a reply that were sent more than patience ago.
// It returns how many.
func (c *caller) expire(now time.Duration) (lost int, err error) {
	for len(c.waiting) > 0 {
		first := c.waiting[0]
		r := &c.requests[first.request]
		if r.sending && r.due == first.due {
			if now-first.due <= c.patience {
				break
			}
			c.lost++
			lost++
			r.generation++
			if err := c.sign(first.request, now); err != nil {
				return lost, err
			}
			c.rest(first.request)
		}
		c.waiting = c.waiting[1:]
	}
	return lost, nil
}
