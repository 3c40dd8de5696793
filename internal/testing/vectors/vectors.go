// Package vectors reads the conformance vectors of spec/vectors and runs them against a
// daemon. It signs and verifies with its own code, using only the standard library, so that
// a mistake in the daemon's codec cannot cancel itself out.
package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gntconfd/internal/testing/jsonvalue"
)

// The dialects: Ganeti releases that name the folders of vectors recorded from their
// daemons, and the one that the configuration decides about.
const (
	Dialect        = "3.0"
	ClassicDialect = "2.6"
	AutoDialect    = "auto"
)

// Releases lists, for each dialect, the Ganeti releases whose daemons the vectors were
// recorded from, oldest first.
var Releases = map[string][]string{
	Dialect:        {"3.0.2", "3.1"},
	ClassicDialect: {"2.6.2"},
}

// Outcome is the outcome of a datagram. spec/vectors/README.md explains the classes.
type Outcome string

// The outcomes. Peers of a daemon cannot distinguish the dropped ones: they see no reply.
const (
	Answered       Outcome = "answered"
	AnsweredError  Outcome = "answered_error"
	DroppedSize    Outcome = "dropped:size"
	DroppedMagic   Outcome = "dropped:magic"
	DroppedJSON    Outcome = "dropped:json"
	DroppedHMAC    Outcome = "dropped:hmac"
	DroppedClock   Outcome = "dropped:clock"
	DroppedRequest Outcome = "dropped:request"
	// DroppedDisabled is the outcome of everything in the classic dialect while there is no
	// configuration, including the ping that Ask sends.
	DroppedDisabled Outcome = "dropped:disabled"

	// Silent is what peers see of every dropped outcome.
	Silent Outcome = "silent"
	// Garbled is an answer that cannot be verified: its signature is wrong, or it is not
	// JSON. Only Ganeti's own daemon may give one.
	Garbled Outcome = "garbled"
)

// Visible returns the outcome as the daemon's peers see it.
func (o Outcome) Visible() Outcome {
	if strings.HasPrefix(string(o), "dropped:") {
		return Silent
	}
	return o
}

// MissingConfig names the missing configuration: the daemon runs without a config.data.
const MissingConfig = "missing"

// ReadConfig returns the text of a configuration from the folder of vectors: nil for
// MissingConfig, and not nil for an empty one.
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

// File is one file of vectors, about one area of the protocol.
type File struct {
	Dialect     string   `json:"-"` // the folder of the file
	Area        string   `json:"-"` // the file's name without extension, and the first part of its vectors' ids
	Schema      string   `json:"$schema"`
	Description string   `json:"description"`
	Vectors     []Vector `json:"vectors"`
}

// Vector is a datagram and its expected reply.
type Vector struct {
	ID     string     `json:"id"`
	Note   string     `json:"note"`
	Tags   []string   `json:"tags,omitempty"`
	Config string     `json:"config"`          // name of a file in configs, without extension, or MissingConfig
	Edits  [][]string `json:"edits,omitempty"` // as in a Content
	Rule   string     `json:"rule"`            // the id of a rule in rules.json
	Claim  Claim      `json:"claim"`           // who must pass it
	Key    []byte     `json:"key,omitzero"`    // all bytes of hmac.key, if it is not the common one; base64 in the file
	Message
	Outcome   Outcome `json:"outcome"`
	Reply     *Reply  `json:"reply,omitempty"` // nil if there is none
	Deviation string  `json:"deviation,omitempty"`
	Real      []Real  `json:"real,omitempty"` // set if Deviation is set
	Twin      *Twin   `json:"twin,omitempty"`
}

// Content returns the configuration that the daemon serves.
func (v *Vector) Content() Content { return Content{v.Config, v.Edits} }

// Claim says for whom a vector is: an implementation may claim to pass only those of CoreClaim.
type Claim string

const (
	CoreClaim  Claim = "core"  // what Ganeti's own clients may send to a healthy cluster, and what keeps strangers out
	QuirkClaim Claim = "quirk" // everything else
)

// Message is a datagram in exactly one of four forms.
type Message struct {
	Request     json.RawMessage `json:"request,omitempty"`      // the request as JSON; signed and sent as ASCII
	RequestText *string         `json:"request_text,omitempty"` // the exact text of the request
	Datagram    *Recipe         `json:"datagram,omitempty"`     // built step by step
	Raw         []byte          `json:"raw,omitzero"`           // all bytes of the datagram; base64 in the file
}

// Reply is the reply to a datagram. The classic dialect omits a null serial or answer.
type Reply struct {
	Salt      string          `json:"salt"` // of the envelope
	Protocol  int64           `json:"protocol"`
	Status    int64           `json:"status"`
	Serial    *int64          `json:"serial,omitempty"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	Unordered bool            `json:"unordered,omitempty"` // the answer is a list whose order does not matter
}

// Real is what Ganeti's own daemon does in releases where this project differs on purpose.
type Real struct {
	Releases []string `json:"releases"`        // oldest first
	Outcome  Outcome  `json:"outcome"`         // Answered, AnsweredError, Silent or Garbled
	Reply    *Reply   `json:"reply,omitempty"` // also nil if the reply is too long to be kept
}

// Twin is a datagram to which Ganeti's own daemon gives the expected reply; the reply was
// recorded from it.
type Twin struct {
	Config string `json:"config,omitempty"` // if it is another one
	Message
}

// Expected returns what Ganeti's own daemon of a release does with the vector or, for the
// release "", what this project's must do. A nil reply with an answered outcome means any
// reply.
func (v *Vector) Expected(release string) (Outcome, *Reply) {
	for _, real := range v.Real {
		if slices.Contains(real.Releases, release) {
			return real.Outcome, real.Reply
		}
	}
	return v.Outcome.Visible(), v.Reply
}

// Load reads the vectors of a dialect from the folder of vectors, ordered by area. Unknown
// members are an error.
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
		file := File{Dialect: dialect, Area: area(name)}
		if err := readFile(vectors, name, &file); err != nil {
			return nil, err
		}
		for i := range file.Vectors {
			if err := file.Vectors[i].Reply.checkPlaceholders(); err != nil {
				return nil, fmt.Errorf("vectors: %s: %s: %w", name, file.Vectors[i].ID, err)
			}
		}
		files = append(files, file)
	}
	return files, nil
}

// area returns the area that a file is about.
func area(name string) string { return strings.TrimSuffix(path.Base(name), ".json") }

// readFile decodes a file from the folder of vectors. Unknown members are an error.
func readFile(vectors fs.FS, name string, into any) error {
	text, err := fs.ReadFile(vectors, name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("vectors: %s: %w", name, err)
	}
	return nil
}

// Format returns the text of the file as it is stored: one line per member of a vector,
// however long, so that a changed answer is one changed line.
func (f *File) Format() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("{\n")
	fmt.Fprintf(&out, "  \"$schema\": %s,\n", jsonvalue.Encode(f.Schema))
	fmt.Fprintf(&out, "  \"description\": %s,\n  \"vectors\": [", jsonvalue.Encode(f.Description))
	for i := range f.Vectors {
		members, err := membersOf(jsonvalue.Encode(&f.Vectors[i]))
		if err != nil {
			return nil, fmt.Errorf("vectors: %s: %w", f.Vectors[i].ID, err)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n    {")
		for i, m := range members {
			if i > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(&out, "\n      %q: %s", m.name, m.value)
		}
		out.WriteString("\n    }")
	}
	out.WriteString("\n  ]\n}\n")
	return out.Bytes(), nil
}

// member is a member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf returns the members of an object in their order.
func membersOf(object json.RawMessage) ([]member, error) {
	var members []member
	d := json.NewDecoder(bytes.NewReader(object))
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
		members = append(members, member{fmt.Sprint(name), value})
	}
	return members, nil
}
