// Package vectors reads the conformance vectors of spec/vectors and holds them
// against a daemon. It signs and verifies by itself, on nothing but the standard
// library, so that a mistake in the daemon's codec cannot cancel itself out.
package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// The dialects: releases of Ganeti, and the folders of the vectors that their
// daemons were recorded with.
const (
	Dialect        = "3.0"
	ClassicDialect = "2.6"
)

// Releases lists, for each dialect, the releases of Ganeti whose daemons the vectors were
// recorded from, the oldest first.
var Releases = map[string][]string{
	Dialect:        {"3.0.2", "3.1"},
	ClassicDialect: {"2.6.2"},
}

// Outcome says how a datagram ends. spec/vectors/README.md explains the classes.
type Outcome string

// The classes of outcome. A daemon's peer cannot tell the dropped ones apart:
// all it sees is silence.
const (
	Answered       Outcome = "answered"
	AnsweredError  Outcome = "answered_error"
	DroppedSize    Outcome = "dropped:size"
	DroppedMagic   Outcome = "dropped:magic"
	DroppedJSON    Outcome = "dropped:json"
	DroppedHMAC    Outcome = "dropped:hmac"
	DroppedClock   Outcome = "dropped:clock"
	DroppedRequest Outcome = "dropped:request"
	// DroppedDisabled is how everything ends in the classic dialect while there
	// is no configuration, the ping that Ask sends included.
	DroppedDisabled Outcome = "dropped:disabled"

	// Silent is what is seen of every dropped class.
	Silent Outcome = "silent"
	// Garbled is an answer that nobody can verify: its signature is wrong, or
	// it is not JSON. Only Ganeti's own daemon may give one.
	Garbled Outcome = "garbled"
)

// Visible is the outcome as the daemon's peer sees it.
func (o Outcome) Visible() Outcome {
	if strings.HasPrefix(string(o), "dropped:") {
		return Silent
	}
	return o
}

// MissingConfig is the name of the configuration that does not exist: the daemon
// runs without a config.data.
const MissingConfig = "missing"

// ReadConfig returns the text of a configuration from the folder of vectors: nil
// for MissingConfig, and not nil for one that is empty.
func ReadConfig(vectors fs.FS, name string) ([]byte, error) {
	if name == MissingConfig {
		return nil, nil
	}
	text, err := fs.ReadFile(vectors, "configs/"+name+".json")
	if text == nil {
		text = []byte{}
	}
	return text, err
}

// File is one file of vectors: an area of the protocol.
type File struct {
	Dialect     string   `json:"-"` // the folder that the file is in
	Area        string   `json:"-"` // the file's name without extension, and the first part of its vectors' ids
	Schema      string   `json:"$schema"`
	Description string   `json:"description"`
	Vectors     []Vector `json:"vectors"`
}

// Vector is one datagram and what must come of it.
type Vector struct {
	ID     string   `json:"id"`
	Note   string   `json:"note"`
	Tags   []string `json:"tags,omitempty"`
	Config string   `json:"config"`       // name of a file in configs, without extension, or MissingConfig
	Key    []byte   `json:"key,omitzero"` // all bytes of hmac.key, when it is another one; base64 in the file
	Message
	Outcome   Outcome `json:"outcome"`
	Reply     *Reply  `json:"reply,omitempty"` // nil when there is none
	Deviation string  `json:"deviation,omitempty"`
	Real      []Real  `json:"real,omitempty"` // set where Deviation is
	Twin      *Twin   `json:"twin,omitempty"`
}

// Message is a datagram in exactly one of four forms.
type Message struct {
	Request     json.RawMessage `json:"request,omitempty"`      // the request as JSON; signed and sent as ASCII
	RequestText *string         `json:"request_text,omitempty"` // the exact text of the request
	Datagram    *Recipe         `json:"datagram,omitempty"`     // step by step
	Raw         []byte          `json:"raw,omitzero"`           // all bytes of the datagram; base64 in the file
}

// Reply is the reply to a datagram. The classic dialect leaves out a serial or an
// answer that is null.
type Reply struct {
	Salt      string          `json:"salt"` // of the envelope
	Protocol  int64           `json:"protocol"`
	Status    int64           `json:"status"`
	Serial    *int64          `json:"serial,omitempty"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	Unordered bool            `json:"unordered,omitempty"` // the answer is a list whose order does not matter
}

// Real is what Ganeti's own daemon does in the releases where the project means to differ
// from it.
type Real struct {
	Releases []string `json:"releases"`        // the oldest first
	Outcome  Outcome  `json:"outcome"`         // Answered, AnsweredError, Silent or Garbled
	Reply    *Reply   `json:"reply,omitempty"` // nil also where the reply is too long to be kept
}

// Twin is the datagram whose reply was recorded from Ganeti's own daemon in place
// of one that it does not give as it should.
type Twin struct {
	Config string `json:"config,omitempty"` // when it is another one
	Message
}

// Expected is what Ganeti's own daemon of a release does with the vector or, for the
// release "", what the project's must do. A nil reply to an outcome that has one means any.
func (v *Vector) Expected(release string) (Outcome, *Reply) {
	for _, real := range v.Real {
		if slices.Contains(real.Releases, release) {
			return real.Outcome, real.Reply
		}
	}
	return v.Outcome.Visible(), v.Reply
}

// Load reads the vectors of a dialect, ordered by area, from the folder of
// vectors. Members that a vector does not have are an error.
func Load(vectors fs.FS, dialect string) ([]File, error) {
	names, err := fs.Glob(vectors, dialect+"/*.json")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("vectors: no files in folder %s", dialect)
	}
	files := make([]File, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(vectors, name)
		if err != nil {
			return nil, err
		}
		file := File{Dialect: dialect, Area: strings.TrimSuffix(path.Base(name), ".json")}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&file); err != nil {
			return nil, fmt.Errorf("vectors: %s: %w", name, err)
		}
		files = append(files, file)
	}
	return files, nil
}

// Format is the text of the file as it is stored: one line for each member of a
// vector, however long, so that a change of one answer is a change of one line.
func (f *File) Format() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("{\n")
	fmt.Fprintf(&out, "  \"$schema\": %s,\n", compact(f.Schema))
	fmt.Fprintf(&out, "  \"description\": %s,\n  \"vectors\": [", compact(f.Description))
	for i := range f.Vectors {
		members, err := membersOf(&f.Vectors[i])
		if err != nil {
			return nil, fmt.Errorf("vectors: %s: %w", f.Vectors[i].ID, err)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "\n    {\n      %s\n    }", bytes.Join(members, []byte(",\n      ")))
	}
	out.WriteString("\n  ]\n}\n")
	return out.Bytes(), nil
}

// membersOf returns the members of v, in order, each as `"name": value`.
func membersOf(v *Vector) ([][]byte, error) {
	var members [][]byte
	d := json.NewDecoder(bytes.NewReader(compact(v)))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		members = append(members, fmt.Appendf(nil, "%q: %s", name, value))
	}
	return members, nil
}

// compact is the JSON text of v without white space. The types of this package
// always have one.
func compact(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
