package answer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

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

// These texts are exactly those of Ganeti's daemon, which prints values in Haskell
// notation: tools print them and scripts search for them. See "Error texts" in
// spec/README.md.

// NodeProblem returns why a name does not identify one node.
func NodeProblem(name string, match cluster.Match) string { return problem("Node", name, match) }

func instanceProblem(name string, match cluster.Match) string {
	return problem("Instance", name, match)
}

func problem(kind, name string, match cluster.Match) string {
	name = Cut(name)
	if match == cluster.Ambiguous {
		return kind + " name " + name + " has multiple matches"
	}
	return kind + " name " + name + " not found"
}

// failure wraps a problem for request types 1 and 3.
func failure(problem string) string {
	return "Failure: prerequisites not met for this operation:\nerror type: ECodeNoEnt, error details:\n" + problem
}

// prerequisite wraps a problem for the other request types.
func prerequisite(problem string) string {
	return "OpPrereqError " + show(problem) + " ECodeNoEnt"
}

// InvalidQuery returns the error for a kind of query that the request type does not accept.
func InvalidQuery(query *wire.Query) string {
	switch query.Type {
	case wire.NullQuery:
		return "Invalid query type EmptyQuery"
	case wire.StringQuery:
		return "Invalid query type PlainQuery " + show(query.String)
	}
	q := &query.QueryParameters
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
		fields[i] = [...]string{
			wire.FieldName:          "ReqFieldName",
			wire.FieldIP:            "ReqFieldIp",
			wire.FieldMasterNodePIP: "ReqFieldMNodePip",
		}[fieldCode(field)]
	}
	return fmt.Sprintf("Invalid query type DictQuery (ConfdReqQ {confdReqQIp = %s, "+
		"confdReqQIpList = [%s], confdReqQLink = %s, confdReqQFields = [%s]})",
		showMaybe(q.IP), strings.Join(ips, ","), showMaybe(q.Link), strings.Join(fields, ","))
}

func showMaybe(text wire.OptNilString) string {
	if value, ok := text.Get(); ok {
		return "Just " + show(value)
	}
	return "Nothing"
}

// show returns text as a Haskell string literal. For a text that does not fit into a
// datagram it returns only a beginning, which does not fit either.
func show(text string) string {
	names := [...]string{
		"NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "a", "b", "t", "n", "v", "f", "r", "SO", "SI",
		"DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
	}
	var b strings.Builder
	b.WriteByte('"')
	var previous string // the escape just written, if the next character could extend it
	for _, r := range text {
		if b.Len() > wire.MaxDatagramSize {
			break
		}
		if (previous == "number" && '0' <= r && r <= '9') || (previous == "SO" && r == 'H') {
			b.WriteString(`\&`)
		}
		previous = ""
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			b.WriteString(`\` + names[r])
			previous = names[r]
		case r == 0x7f:
			b.WriteString(`\DEL`)
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
