package answer

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"gntconfd/gen/rules"
	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

// errorText makes a reply with an error text.
func (s *Scratch) errorText(text string) Reply {
	s.Begin().Str(Cut(text))
	return s.end(wire.StatusError, 0)
}

// errorCode makes a reply with one of the error codes.
func (s *Scratch) errorCode(code int) Reply {
	s.Begin().Int(code)
	return s.end(wire.StatusError, 0)
}

// The texts of errors are those of spec/errors.json. Names are cut before they are put into
// them, because a text that is too large is not sent.

// NodeProblem returns why a name does not identify one node.
func NodeProblem(name string, match cluster.Match) string {
	if match == cluster.Ambiguous {
		return rules.TextNodeAmbiguous(Cut(name))
	}
	return rules.TextNodeNotFound(Cut(name))
}

func instanceProblem(name string, match cluster.Match) string {
	if match == cluster.Ambiguous {
		return rules.TextInstanceAmbiguous(Cut(name))
	}
	return rules.TextInstanceNotFound(Cut(name))
}

// prerequisite wraps a problem.
func prerequisite(problem string) string { return rules.TextPrerequisite(show(problem)) }

// ObjectQuery returns the error for an object where a text is needed.
func ObjectQuery(q *wire.QueryParameters) string {
	var ips []string
	size := 0
	for _, ip := range q.IPList.Value {
		ips = append(ips, show(ip))
		if size += len(ips[len(ips)-1]); size > wire.MaxDatagramSize {
			break // already too large
		}
	}
	fields := make([]string, len(q.Fields.Value))
	for i, field := range q.Fields.Value {
		fields[i] = rules.FieldNames[fieldCode(field)]
	}
	return rules.TextObjectQuery(showMaybe(q.IP), showList(ips), showMaybe(q.Link), showList(fields))
}

func showList(shown []string) string { return "[" + strings.Join(shown, ",") + "]" }

func showMaybe(text wire.OptNilString) string {
	if value, ok := text.Get(); ok {
		return "Just " + show(value)
	}
	return "Nothing"
}

// show returns text as a Haskell string literal. For a text that does not fit into a
// datagram it returns only a beginning, which does not fit either.
func show(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	var previous string // the escape just written, if the next character could extend it
	for _, r := range text {
		if b.Len() > wire.MaxDatagramSize {
			break
		}
		if (previous == "number" && '0' <= r && r <= '9') || (previous == "SO" && r == 'H') {
			b.WriteString(rules.LiteralSeparator)
		}
		previous = ""
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			previous = rules.LiteralControls[r]
			b.WriteString(`\` + previous)
		case r == 0x7f:
			b.WriteString(`\` + rules.LiteralDelete)
		case r >= utf8.RuneSelf:
			b.WriteString(`\` + strconv.Itoa(int(r)))
			previous = "number"
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
