package clientside

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gntconfd/internal/testing/vectors"
)

const (
	magic       = "plj0"
	maxDatagram = 61440 // bytes
	maxSendings = 10    // datagrams of one question to one server
	haste       = 2     // seconds by which the clocks may differ
)

// forEachRequest applies a check to every datagram.
func forEachRequest(check func(e *exchange, r *received) error) func(*exchange) error {
	return func(e *exchange) error {
		seen := false
		for i, requests := range e.requests {
			for _, r := range requests {
				seen = true
				if err := check(e, r); err != nil {
					return fmt.Errorf("a datagram to server %d: %w", i, err)
				}
			}
		}
		if !seen {
			return errors.New("no datagram was sent")
		}
		return nil
	}
}

// checks are the checks on a client's datagrams that a scenario can request, by name. The
// README of the scenarios explains them.
var checks = map[string]func(*exchange) error{
	"magic": forEachRequest(func(_ *exchange, r *received) error {
		if !bytes.HasPrefix(r.datagram, []byte(magic)) {
			return fmt.Errorf("it begins with %.4q, not with %s", r.datagram, magic)
		}
		return nil
	}),
	"ascii": forEachRequest(func(_ *exchange, r *received) error {
		if i := bytes.IndexFunc(r.datagram, func(c rune) bool { return c > '~' }); i >= 0 {
			return fmt.Errorf("byte %d is not ASCII: Ganeti's daemon does not read UTF-8, use \\u and four digits", i)
		}
		return nil
	}),
	"size": forEachRequest(func(_ *exchange, r *received) error {
		if len(r.datagram) > maxDatagram {
			return fmt.Errorf("it has %d bytes, the limit is %d", len(r.datagram), maxDatagram)
		}
		return nil
	}),
	"compact": forEachRequest(func(_ *exchange, r *received) error {
		if outer := bytes.TrimPrefix(r.datagram, []byte(magic)); !bytes.HasPrefix(outer, []byte("{")) {
			return fmt.Errorf("%.10q comes before the envelope: Ganeti's daemon does not accept white space there", outer)
		}
		var outer struct{ Msg string }
		if err := json.Unmarshal(envelopeText(r), &outer); err != nil {
			return err
		}
		if !strings.HasPrefix(outer.Msg, "{") {
			return fmt.Errorf("%.10q comes before the request: Ganeti's daemon does not accept white space there", outer.Msg)
		}
		return nil
	}),
	"envelope": forEachRequest(func(_ *exchange, r *received) error {
		_, err := openEnvelope(r)
		return err
	}),
	"hmac": forEachRequest(func(e *exchange, r *received) error {
		envelope, err := openEnvelope(r)
		if err != nil {
			return err
		}
		mac := hmac.New(sha1.New, e.key)
		mac.Write([]byte(envelope["salt"] + envelope["msg"]))
		if want := hex.EncodeToString(mac.Sum(nil)); !strings.EqualFold(envelope["hmac"], want) {
			return fmt.Errorf("hmac is %q, want %q: HMAC-SHA1 over salt and msg with all %d bytes of the key", envelope["hmac"], want, len(e.key))
		}
		return nil
	}),
	"timestamp": forEachRequest(func(_ *exchange, r *received) error {
		if strings.Trim(r.salt, "0123456789") != "" || r.salt == "" {
			return fmt.Errorf("salt is %q, want decimal digits", r.salt)
		}
		return nil
	}),
	"clock": forEachRequest(func(e *exchange, r *received) error {
		salt, err := strconv.ParseFloat(strings.TrimSpace(r.salt), 64)
		if err != nil {
			return fmt.Errorf("salt is %q, want seconds since 1970", r.salt)
		}
		if salt < float64(e.asked.Unix()-haste) || salt > float64(r.at.Unix()+haste) {
			return fmt.Errorf("salt is %s, but it was %d in seconds since 1970, UTC", r.salt, r.at.Unix())
		}
		return nil
	}),
	"members": forEachRequest(func(_ *exchange, r *received) error {
		request, err := openRequest(r)
		if err != nil {
			return err
		}
		for _, name := range []string{"protocol", "type", "rsalt"} {
			if _, ok := request[name]; !ok {
				return fmt.Errorf("its request has no %s", name)
			}
		}
		for name := range request {
			switch name {
			case "protocol", "type", "rsalt", "query":
			default:
				return fmt.Errorf("its request has a member %q", name)
			}
		}
		return nil
	}),
	"protocol": forEachRequest(func(_ *exchange, r *received) error { return member(r, "protocol", "1") }),
	"type": forEachRequest(func(e *exchange, r *received) error {
		return member(r, "type", strconv.FormatInt(e.question.Type, 10))
	}),
	"query": forEachRequest(func(e *exchange, r *received) error { return member(r, "query", string(e.question.query())) }),
	"rsalt": forEachRequest(func(_ *exchange, r *received) error {
		if r.rsalt == "" {
			return errors.New("its request has no rsalt, or an empty one")
		}
		return nil
	}),
	"rsalt-unique": forEachRequest(func(e *exchange, r *received) error {
		if e.rsalts[r.rsalt] {
			return fmt.Errorf("rsalt %q was that of an earlier question", r.rsalt)
		}
		return nil
	}),
	"few": func(e *exchange) error {
		for i, requests := range e.requests {
			if len(requests) > maxSendings {
				return fmt.Errorf("server %d got %d datagrams, want at most %d", i, len(requests), maxSendings)
			}
		}
		return nil
	},
	"coverage": func(e *exchange) error {
		if asked := count(e.requests); asked != e.order.Coverage {
			return fmt.Errorf("%d servers were asked, want %d", asked, e.order.Coverage)
		}
		return nil
	},
}

// count returns how many servers have been asked.
func count(requests [][]*received) (asked int) {
	for _, r := range requests {
		if len(r) > 0 {
			asked++
		}
	}
	return asked
}

// coverage returns how many of the servers must be asked.
func coverage(q *Question, servers int) int {
	if q.Coverage == 0 {
		return servers
	}
	return q.Coverage
}

func envelopeText(r *received) []byte { return r.datagram[min(len(r.datagram), len(magic)):] }

// openEnvelope returns the three members of the envelope.
func openEnvelope(r *received) (map[string]string, error) {
	var members map[string]any
	if err := json.Unmarshal(envelopeText(r), &members); err != nil {
		return nil, fmt.Errorf("its envelope: %w", err)
	}
	texts := make(map[string]string)
	for _, name := range []string{"msg", "salt", "hmac"} {
		text, ok := members[name].(string)
		if !ok {
			return nil, fmt.Errorf("its envelope has no text %s", name)
		}
		texts[name] = text
	}
	if len(members) > len(texts) {
		return nil, fmt.Errorf("its envelope has %d members, want msg, salt and hmac", len(members))
	}
	return texts, nil
}

// openRequest returns the members of the request.
func openRequest(r *received) (map[string]json.RawMessage, error) {
	var outer struct{ Msg string }
	if err := json.Unmarshal(envelopeText(r), &outer); err != nil {
		return nil, fmt.Errorf("its envelope: %w", err)
	}
	var request map[string]json.RawMessage
	if err := json.Unmarshal([]byte(outer.Msg), &request); err != nil {
		return nil, fmt.Errorf("its msg: %w", err)
	}
	return request, nil
}

// member compares a member of the request; a missing one counts as null.
func member(r *received, name, want string) error {
	request, err := openRequest(r)
	if err != nil {
		return err
	}
	got := request[name]
	if got == nil {
		got = json.RawMessage("null")
	}
	err = vectors.Compare(&vectors.Reply{Answer: json.RawMessage(want)}, &vectors.Reply{Answer: got})
	if err != nil {
		return fmt.Errorf("%s is %.200s, want %.200s", name, got, want)
	}
	return nil
}
