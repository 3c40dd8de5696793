package vectors

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/testing/specfiles"
)

// errorTable is spec/errors.json.
type errorTable struct {
	Texts []struct {
		Name, Text, Status string
		Parameters         []struct {
			Name, Form string
			Of         []string
		}
		Sent []errorCase
	}
	Codes []struct {
		Code string
		Sent []errorCase
	}

	values map[string]int64 // of the constants, by their full names
}

// readErrors returns the table of errors.
func readErrors(t *testing.T) *errorTable {
	t.Helper()
	table := errorTable{values: constantValues(t)}
	specfiles.Read(t, "errors.json", &table)
	return &table
}

// named returns what matches a text or a code.
func (e *errorTable) named(name string) *regexp.Regexp {
	if code, ok := e.values[name]; ok {
		return regexp.MustCompile(fmt.Sprintf("^%d$", code))
	}
	return regexp.MustCompile("^" + e.pattern(name, "text") + "$")
}

// text returns the answer of an error, of a text what it stands for.
func (r *Reply) text() string {
	var text string
	if json.Unmarshal(r.Answer, &text) != nil {
		return string(r.Answer)
	}
	return text
}

type errorCase struct {
	Dialect string
	Types   []int
}

// pattern returns a regular expression for a text, in the form that it has in another.
func (e *errorTable) pattern(name, form string) string {
	for _, text := range e.Texts {
		if text.Name != name {
			continue
		}
		const literal = `"(?:[^"\\]|\\.)*"`
		pattern := regexp.QuoteMeta(text.Text)
		for _, p := range text.Parameters {
			varies := map[string]string{
				"text":     `(?s:.*)`,
				"literal":  literal,
				"optional": `(?:Nothing|Just ` + literal + `)`,
				"literals": `\[(?:` + literal + `(?:,` + literal + `)*)?\]`,
				"fields":   `\[(?:ReqField[A-Za-z]+(?:,ReqField[A-Za-z]+)*)?\]`,
			}[p.Form]
			if p.Of != nil {
				var all []string
				for _, inner := range p.Of {
					all = append(all, e.pattern(inner, p.Form))
				}
				varies = "(?:" + strings.Join(all, "|") + ")"
			}
			pattern = strings.Replace(pattern, `\$`+p.Name, varies, 1)
		}
		if form == "literal" {
			pattern = `"` + pattern + `"`
		}
		return pattern
	}
	return "no text " + name
}

// TestErrors: the error answers in the vectors are those that spec/errors.json lists for the
// type of request, and it lists none that no vector has.
func TestErrors(t *testing.T) {
	table := readErrors(t)
	type answer struct {
		name    string
		pattern *regexp.Regexp
		status  int64
	}
	allowed := make(map[string][]answer) // by dialect and type
	unseen := make(map[string]bool)
	add := func(cases []errorCase, name, status string) {
		for _, c := range cases {
			for _, number := range c.Types {
				key := fmt.Sprintf("%s %d", c.Dialect, number)
				allowed[key] = append(allowed[key], answer{name, table.named(name), table.values[status]})
				unseen[key+" "+name] = true
			}
		}
	}
	for _, text := range table.Texts {
		status := text.Status
		if status == "" {
			status = "StatusError"
		}
		add(text.Sent, text.Name, status)
	}
	for _, code := range table.Codes {
		add(code.Sent, code.Code, "StatusError")
	}

	for _, file := range load(t) {
		for _, v := range file.Vectors {
			if v.Reply == nil || v.Reply.Status == 0 {
				continue
			}
			key := fmt.Sprintf("%s %s", spoken(t, file.Dialect, v.Content()), requestType(t, &v))
			got := v.Reply.text()
			i := slices.IndexFunc(allowed[key], func(a answer) bool {
				return a.status == v.Reply.Status && a.pattern.MatchString(got)
			})
			if i < 0 {
				t.Errorf("%s: %s: errors.json does not have %s", v.ID, key, got)
				continue
			}
			delete(unseen, key+" "+allowed[key][i].name)
		}
	}
	for name := range unseen {
		if !strings.HasSuffix(name, " TooLarge") && name != "2.6 7 NodeAmbiguous" { // these any request may get, and tests of package classic have this
			t.Errorf("no vector has %s", name)
		}
	}
}

// requestType returns the type of a vector's request, as text.
func requestType(t *testing.T, v *Vector) string {
	t.Helper()
	var request struct{ Type json.Number }
	if err := json.Unmarshal(requestText(v), &request); err != nil {
		t.Fatalf("%s: %v", v.ID, err)
	}
	return strings.TrimPrefix(request.Type.String(), "-") // -0 is 0
}

// requestText returns the text of a vector's request.
func requestText(v *Vector) []byte {
	switch {
	case v.RequestText != nil:
		return []byte(*v.RequestText)
	case v.Datagram != nil:
		return []byte(v.Datagram.Inner)
	}
	return v.Request
}

// constantValues returns the integers of spec/constants.json by their full names.
func constantValues(t *testing.T) map[string]int64 {
	t.Helper()
	var file struct {
		Groups []struct {
			Prefix    string
			Constants []struct {
				Name  string
				Value any
			}
		}
	}
	specfiles.Read(t, "constants.json", &file)
	values := make(map[string]int64)
	for _, group := range file.Groups {
		for _, c := range group.Constants {
			if number, ok := c.Value.(float64); ok {
				values[group.Prefix+c.Name] = int64(number)
			}
		}
	}
	return values
}
