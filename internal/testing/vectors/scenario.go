package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"gntconfd/internal/testing/jsonvalue"
)

// ScenarioFile is one file of scenarios, about one area.
type ScenarioFile struct {
	Area        string     `json:"-"` // the file's name without extension, and the first part of its scenarios' ids
	Schema      string     `json:"$schema"`
	Description string     `json:"description"`
	Scenarios   []Scenario `json:"scenarios"`
}

// Scenario is what happens to the files of a running daemon, and what it answers meanwhile.
type Scenario struct {
	ID        string `json:"id"`
	Note      string `json:"note"`
	Rule      string `json:"rule"`                // as in a Vector
	Claim     Claim  `json:"claim"`               // as in a Vector
	Dialect   string `json:"dialect"`             // also AutoDialect
	Config    string `json:"config"`              // at the start: as in a Vector
	Deviation string `json:"deviation,omitempty"` // set if a question has a Real
	Steps     []Step `json:"steps"`
}

// Step is a change, if any, and the questions asked after it.
type Step struct {
	Changes []Change `json:"changes,omitempty"` // made at once, in this order
	// Serves is the configuration in service afterwards, if it is not the one in the file.
	Serves *Content `json:"serves,omitempty"`
	// StayMS is for how many milliseconds the answers must be the expected ones.
	StayMS    int64      `json:"stay_ms,omitempty"`
	Questions []Question `json:"questions"`
}

// The files that may change, and how.
const (
	ConfigFile = "config"
	KeyFile    = "key"

	Replace = "replace" // by another file that gets its name, as Ganeti does
	Write   = "write"   // into the same file
	Link    = "link"    // by a symbolic link to another file elsewhere
	Remove  = "remove"
)

// Change is a change of a file. Content is for the configuration, Key for the key.
type Change struct {
	File string `json:"file"`
	How  string `json:"how"`
	Content
	Key      []byte `json:"key,omitzero"`        // base64 in the file
	KeepTime bool   `json:"keep_time,omitempty"` // the file keeps its time of modification
}

// Content is a configuration.
type Content struct {
	Config string     `json:"config,omitempty"` // as in a Vector
	Edits  [][]string `json:"edits,omitempty"`  // pairs: each text that occurs in it, and what replaces it
}

// Question is a datagram for a daemon and the expected reply, as in a Vector.
type Question struct {
	Key []byte `json:"key,omitzero"` // signs the request and the reply, if it is not the one in the file
	Message
	Outcome Outcome `json:"outcome"`
	Reply   *Reply  `json:"reply,omitempty"`
	Real    []Real  `json:"real,omitempty"`
}

// Vector returns the question as a vector of its scenario.
func (q *Question) Vector(s *Scenario) Vector {
	return Vector{ID: s.ID, Note: s.Note, Config: s.Config, Key: q.Key, Message: q.Message, Outcome: q.Outcome, Reply: q.Reply, Deviation: s.Deviation, Real: q.Real}
}

// ID tells one configuration from another.
func (c Content) ID() string { return string(jsonvalue.Encode(c)) }

// Read returns the text of the configuration from the folder of vectors: nil if there is
// none.
func (c Content) Read(vectors fs.FS) ([]byte, error) {
	text, err := ReadConfig(vectors, c.Config)
	if err != nil {
		return nil, err
	}
	for _, edit := range c.Edits {
		if len(edit) != 2 || !bytes.Contains(text, []byte(edit[0])) {
			return nil, fmt.Errorf("configuration %s: no %.100q to replace", c.Config, edit)
		}
		text = bytes.ReplaceAll(text, []byte(edit[0]), []byte(edit[1]))
	}
	return text, nil
}

// LoadScenarios reads the scenarios from the folder of vectors, ordered by area. Unknown
// members are an error.
func LoadScenarios(vectors fs.FS) ([]ScenarioFile, error) {
	names, err := fs.Glob(vectors, "scenarios/*.json")
	if err != nil {
		return nil, err
	}
	var files []ScenarioFile
	for _, name := range names {
		if strings.HasSuffix(name, ".schema.json") {
			continue
		}
		file := ScenarioFile{Area: area(name)}
		if err := readFile(vectors, name, &file); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// Format returns the text of the file as it is stored: one line per change and question,
// however long, so that a changed answer is one changed line.
func (f *ScenarioFile) Format() ([]byte, error) {
	var out bytes.Buffer
	if err := layOut(&out, "", jsonvalue.Encode(f)); err != nil {
		return nil, fmt.Errorf("vectors: scenarios/%s.json: %w", f.Area, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// layOut writes an object with one line per member. Lists of scenarios and steps are laid
// out in the same way; other lists of several objects have one line for each.
func layOut(out *bytes.Buffer, indent string, object json.RawMessage) error {
	members, err := membersOf(object)
	if err != nil {
		return err
	}
	out.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, "\n%s  %q: ", indent, m.name)
		var list []json.RawMessage
		deep := m.name == "scenarios" || m.name == "steps"
		if !deep && m.name != "changes" && m.name != "questions" {
			out.Write(m.value)
			continue
		}
		if err := json.Unmarshal(m.value, &list); err != nil {
			return err
		}
		out.WriteByte('[')
		for i, element := range list {
			if i > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(out, "\n%s    ", indent)
			if !deep {
				out.Write(element)
			} else if err := layOut(out, indent+"    ", element); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "\n%s  ]", indent)
	}
	fmt.Fprintf(out, "\n%s}", indent)
	return nil
}
