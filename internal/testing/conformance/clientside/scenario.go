// Package clientside tests clients of ganeti-confd: it plays the servers that a client
// asks, checks what the client sends against the protocol, and checks how it handles good,
// late, forged, duplicate and stale replies. The scenarios are data, in
// spec/vectors/clients; README.md there has the contract between the suite and a client
// under test.
package clientside

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"gntconfd/internal/testing/vectors"
)

// Scenario is a series of questions that a client is told to ask, and the expected results.
type Scenario struct {
	ID        string     `json:"id"` // area, slash, name
	Note      string     `json:"note"`
	Features  []string   `json:"features,omitempty"` // the features that a client must declare; otherwise the scenario is skipped
	Key       string     `json:"key,omitempty"`      // default is defaultKey
	Servers   []string   `json:"servers,omitempty"`  // listening or closed; default is one that listens
	IPv6      bool       `json:"ipv6,omitempty"`     // the one server is at ::1
	Questions []Question `json:"questions"`
}

// Question is a question, what the servers do when they have received it, the checks on the
// request, and the expected report.
type Question struct {
	Type      int64           `json:"type"`
	Query     json.RawMessage `json:"query,omitempty"`
	Pad       int             `json:"pad,omitempty"`        // number of letters q that replace {pad} in the query
	TimeoutMS int64           `json:"timeout_ms,omitempty"` // default is defaultTimeout
	Coverage  int             `json:"coverage,omitempty"`   // how many servers to ask; default is all
	Replies   []Step          `json:"replies,omitempty"`    // sent in this order, once Coverage servers have been asked
	Checks    []string        `json:"checks,omitempty"`     // keys of checks
	Want      Report          `json:"want"`
}

// Step is a datagram that a server sends once or several times. The members of Recipe are
// those of a vector's datagram; by default Inner and Salt are those of a reply to the
// question.
type Step struct {
	Server  int    `json:"server,omitempty"`   // index of the server
	Via     string `json:"via,omitempty"`      // otherPort or otherAddress, instead of the server's own
	AfterMS int64  `json:"after_ms,omitempty"` // pause before it
	Times   int    `json:"times,omitempty"`    // how often it is sent, default once
	Echo    bool   `json:"echo,omitempty"`     // the request itself, unchanged
	Raw     []byte `json:"raw,omitzero"`       // all bytes of it; base64 in the file
	Cut     int    `json:"cut,omitempty"`      // how many bytes to cut off at its end

	Status int64           `json:"status,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
	Serial int64           `json:"serial,omitempty"`
	vectors.Recipe
}

// Report is a client's result of a question: a reply, or why there is none.
type Report struct {
	Error  string          `json:"error,omitempty"` // NoReply, Refused, or the client's own words
	Status int64           `json:"status"`
	Answer json.RawMessage `json:"answer"`
	Serial int64           `json:"serial"`
}

// Errors that a Report may be expected to have.
const (
	NoReply = "no-reply" // timeout
	Refused = "refused"  // the question cannot be sent, and was not
)

const (
	otherPort    = "other-port"
	otherAddress = "other-address"
	closed       = "closed" // a server whose port nobody listens on

	defaultKey     = "b4a0f2d1c3e5968778695a4b3c2d1e0f01234567\n"
	defaultTimeout = 5 * time.Second
)

// file is one file of scenarios, about one area.
type file struct {
	Schema      string     `json:"$schema"`
	Description string     `json:"description"`
	Scenarios   []Scenario `json:"scenarios"`
}

// Load reads all scenarios from the folder clients of vectors. Unknown members are an
// error.
func Load(vectors fs.FS) ([]Scenario, error) {
	names, err := fs.Glob(vectors, "clients/*.json")
	if err != nil {
		return nil, err
	}
	var all []Scenario
	for _, name := range names {
		if path.Base(name) == "clients.schema.json" {
			continue
		}
		text, err := fs.ReadFile(vectors, name)
		if err != nil {
			return nil, err
		}
		var f file
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			return nil, fmt.Errorf("scenarios: %s: %w", name, err)
		}
		all = append(all, f.Scenarios...)
	}
	if len(all) == 0 {
		return nil, errors.New("scenarios: none in folder clients")
	}
	return all, nil
}

func (s *Scenario) key() []byte {
	if s.Key == "" {
		return []byte(defaultKey)
	}
	return []byte(s.Key)
}

// servers returns for each server whether it listens.
func (s *Scenario) servers() []bool {
	if s.Servers == nil {
		return []bool{true}
	}
	listening := make([]bool, len(s.Servers))
	for i, state := range s.Servers {
		listening[i] = state != closed
	}
	return listening
}

func (q *Question) timeout() time.Duration {
	if q.TimeoutMS == 0 {
		return defaultTimeout
	}
	return time.Duration(q.TimeoutMS) * time.Millisecond
}

// query returns the query as the client gets it, or null if there is none.
func (q *Question) query() json.RawMessage {
	if q.Query == nil {
		return json.RawMessage("null")
	}
	return bytes.ReplaceAll(q.Query, []byte("{pad}"), bytes.Repeat([]byte("q"), q.Pad))
}

// datagram returns what the step sends in reply to the request.
func (s *Step) datagram(key []byte, request, former *received, now time.Time) ([]byte, error) {
	switch {
	case s.Echo:
		return request.datagram, nil
	case s.Raw != nil:
		return s.Raw, nil
	}
	recipe := s.Recipe
	recipe.Salt = fillSalt(recipe.Salt, request, former)
	if recipe.Inner == "" {
		inner, err := json.Marshal(struct {
			Protocol int64           `json:"protocol"`
			Status   int64           `json:"status"`
			Answer   json.RawMessage `json:"answer"`
			Serial   int64           `json:"serial"`
		}{1, s.Status, s.Answer, s.Serial})
		if err != nil {
			return nil, err
		}
		recipe.Inner = string(inner)
	}
	datagram, err := (&vectors.Message{Datagram: &recipe}).Build(key, now)
	if err != nil {
		return nil, err
	}
	return datagram[:len(datagram)-min(s.Cut, len(datagram))], nil
}
