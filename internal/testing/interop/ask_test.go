package interop

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// This file has a client written only for the tests: it shares no code with the daemon, so
// that a mistake made on both sides of the wire does not cancel out.

// A question is the text of an inner request. It contains $N, for the question's number, at
// the start of its rsalt, which identifies the reply.
type question string

// ask1 makes a question from the JSON texts of a request type and a query.
func ask1[T int | string](requestType T, query string) question {
	return question(fmt.Sprintf(`{"protocol": 1, "type": %v, "rsalt": "$N", "query": %s}`, requestType, query))
}

const ping question = `{"protocol": 1, "type": 0, "rsalt": "$N"}`

// A reply is what came back for a question.
type reply struct {
	silent bool   // no reply
	lossy  bool   // characters were lost on the way, as in the real daemon above U+00FF
	salt   string // the reply's salt
	text   string // the inner reply
	size   int    // of the datagram, in bytes
}

func (r reply) String() string {
	if r.silent {
		return silence
	}
	return brief(r.text)
}

// parse decodes the inner reply; numbers stay json.Number.
func (r reply) parse() (status, serial json.Number, answer any, err error) {
	var inner struct {
		Protocol json.Number
		Status   json.Number
		Answer   any
		Serial   json.Number
	}
	dec := json.NewDecoder(strings.NewReader(r.text))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(&inner); err != nil {
		return "", "", nil, err
	}
	if inner.Protocol != "1" {
		return "", "", nil, fmt.Errorf("protocol is %q", inner.Protocol)
	}
	return inner.Status, inner.Serial, inner.Answer, nil
}

// window is how many questions are in flight at a time.
const window = 32

// grace is how long a batch waits for replies after the reply to the ping behind it. A
// later answer counts as missing until compare asks again.
const grace = 40 * time.Millisecond

// ask asks all questions and returns the replies in the same order.
func (d *daemon) ask(t *testing.T, questions []question) []reply {
	t.Helper()
	conn := d.dial(t)
	defer conn.Close()
	replies := make([]reply, len(questions))
	for i := range replies {
		replies[i].silent = true
	}
	for first := 0; first < len(questions); first += window {
		batch := questions[first:min(first+window, len(questions))]
		for i, q := range batch {
			d.send(t, conn, q, first+i)
		}
		// Once the daemon has answered this ping, it has seen all the questions before it.
		fence := len(questions) + first
		d.send(t, conn, ping, fence)
		conn.SetReadDeadline(time.Now().Add(lateness))
		deadline := time.Now().Add(patience)
		for open, fenced := len(batch), false; open > 0 || !fenced; {
			n, r, err := d.receive(t, conn)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded) && fenced:
				open = 0
				continue
			case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline):
				d.send(t, conn, ping, fence) // large replies may have left no room for the first reply
				conn.SetReadDeadline(time.Now().Add(lateness))
				continue
			case err != nil:
				t.Fatalf("%s no longer answers: %v\n%s", d.path, err, d.log)
			case n >= len(questions):
				fenced = fenced || n == fence
			case !replies[n].silent:
				t.Fatalf("%s: second reply to a question: %v", d.path, r)
			default:
				replies[n] = r
				if n >= first { // otherwise it is a late one, of an earlier batch
					open--
				}
			}
			if fenced {
				conn.SetReadDeadline(time.Now().Add(grace))
			}
		}
	}
	return replies
}

// askAlone asks one question and waits for its reply up to a timeout.
func (d *daemon) askAlone(t *testing.T, q question, wait time.Duration) reply {
	t.Helper()
	conn := d.dial(t)
	defer conn.Close()
	d.send(t, conn, q, 0)
	conn.SetReadDeadline(time.Now().Add(wait))
	for {
		_, r, err := d.receive(t, conn)
		if err == nil {
			return r
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return reply{silent: true}
		}
		// Nobody listens yet: the request is lost, but the wait continues.
		time.Sleep(wait)
	}
}

func (d *daemon) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.UDPConn).SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	return conn
}

func (d *daemon) send(t *testing.T, conn net.Conn, q question, number int) {
	t.Helper()
	msg := strings.ReplaceAll(string(q), "$N", strconv.Itoa(number))
	salt := strconv.FormatInt(time.Now().Unix(), 10)
	if _, err := conn.Write(seal(d.key, msg, salt)); err != nil && !isRefused(err) {
		t.Fatal(err)
	}
}

// receive reads a reply and the number of the question it belongs to.
func (d *daemon) receive(t *testing.T, conn net.Conn) (int, reply, error) {
	t.Helper()
	buf := make([]byte, 1<<16)
	n, err := conn.Read(buf)
	if err != nil {
		return 0, reply{}, err
	}
	r, err := d.open(buf[:n])
	if err != nil {
		t.Fatalf("%s: bad reply: %v\n%q", d.path, err, buf[:n])
	}
	digits := len(r.salt) - len(strings.TrimLeft(r.salt, "0123456789"))
	number, err := strconv.Atoi(r.salt[:digits])
	if err != nil {
		t.Fatalf("%s: reply with a foreign salt: %q", d.path, buf[:n])
	}
	return number, r, nil
}

func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && strings.Contains(op.Err.Error(), "refused")
}

const magic = "plj0"

// clientLimit is the size of the longest datagram that Ganeti's clients read.
const clientLimit = 61440

func mac(key []byte, salt, msg string) string {
	h := hmac.New(sha1.New, key)
	h.Write([]byte(salt + msg))
	return hex.EncodeToString(h.Sum(nil))
}

// seal makes the datagram of a message.
func seal(key []byte, msg, salt string) []byte {
	return fmt.Appendf(nil, `%s{"msg": %s, "salt": %s, "hmac": "%s"}`, magic, quote(msg), quote(salt), mac(key, salt, msg))
}

var numberedSalt = regexp.MustCompile(`"salt":\s*"(\d+)`)

// open removes a reply's envelope and verifies it.
func (d *daemon) open(datagram []byte) (reply, error) {
	data, found := bytes.CutPrefix(datagram, []byte(magic))
	if !found {
		return reply{}, errors.New("no magic")
	}
	if d.latin1 {
		data = fromLatin1(data)
	} else if !utf8.Valid(data) {
		return reply{}, errors.New("not UTF-8")
	} else if len(datagram) > clientLimit {
		return reply{}, errors.New("longer than what clients read")
	}
	var envelope struct{ Msg, Salt, HMAC *string }
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(&envelope)
	switch {
	case err != nil && d.latin1:
		// A lost character has become a quote, a control character or similar.
		if m := numberedSalt.FindSubmatch(data); m != nil {
			return reply{lossy: true, salt: string(m[1]), text: string(data), size: len(datagram)}, nil
		}
		return reply{}, err
	case err != nil:
		return reply{}, err
	case dec.More():
		return reply{}, errors.New("bytes after the envelope")
	case envelope.Msg == nil || envelope.Salt == nil || envelope.HMAC == nil:
		return reply{}, errors.New("incomplete envelope")
	}
	r := reply{salt: *envelope.Salt, text: *envelope.Msg, size: len(datagram)}
	if *envelope.HMAC != mac(d.key, r.salt, r.text) {
		if !d.latin1 {
			return reply{}, errors.New("wrong hmac")
		}
		r.lossy = true
	}
	return r, nil
}

func fromLatin1(data []byte) []byte {
	out := make([]byte, 0, len(data))
	for _, b := range data {
		out = utf8.AppendRune(out, rune(b))
	}
	return out
}

// quote writes s as an ASCII JSON string, which the real daemon reads without loss.
func quote(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings can always be encoded
	}
	var out strings.Builder
	for _, r := range string(data) {
		switch {
		case r < utf8.RuneSelf:
			out.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		}
	}
	return out.String()
}
