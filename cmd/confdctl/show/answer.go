package show

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/go-faster/jx"
	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/gen/wire"
	"gntconfd/internal/terminal"
)

// The words for the numbers in replies.
var (
	StatusWords = map[wire.Status]string{
		wire.StatusOK:             "ok",
		wire.StatusError:          "error",
		wire.StatusNotImplemented: "not implemented",
	}
	roleWords = map[int]string{
		wire.NodeRoleMaster:    client.RoleMaster.String(),
		wire.NodeRoleCandidate: client.RoleCandidate.String(),
		wire.NodeRoleOffline:   client.RoleOffline.String(),
		wire.NodeRoleDrained:   client.RoleDrained.String(),
		wire.NodeRoleRegular:   client.RoleRegular.String(),
	}
	errorWords = map[int]string{
		wire.ErrorUnknownEntry: client.ErrUnknownEntry.Error(),
		wire.ErrorInternal:     client.ErrInternal.Error(),
		wire.ErrorArgument:     client.ErrArgument.Error(),
	}
)

// AnswerTable formats an answer to any request for people: words for numbers, tables for lists
// of objects, indented JSON for the rest. Lines of JSON and lists of texts are filled up to
// width columns; with width 0 each text of a list has its own line. An answer that does not have
// the form of its request type is shown as JSON.
func AnswerTable(typ wire.RequestType, query wire.Query, raw json.RawMessage, width int) terminal.Table {
	answer := jx.Raw(raw)
	var t terminal.Table
	ok := false
	switch typ {
	case wire.RequestNodeRoleByName:
		t, ok = numberLine(answer, roleWords)
	case wire.RequestNodePIPByInstanceIP:
		t, ok = locations(raw, query.QueryParameters.IPList.Value)
	case wire.RequestNodeDRBD:
		t, ok = decoded(client.Minors(""), raw, minorTable)
	case wire.RequestDataCollectors:
		t, ok = decoded(client.Collectors(), raw, collectorTable)
	}
	if !ok {
		t = jsonTable(answer, width)
	}
	return t
}

// ErrorTable formats the error of a daemon, whose texts may have several lines.
func ErrorTable(raw json.RawMessage, width int) terminal.Table {
	if t, ok := numberLine(jx.Raw(raw), errorWords); ok {
		return t
	}
	if text, err := jx.DecodeBytes(raw).Str(); err == nil {
		return terminal.Listing("lines", strings.Split(text, "\n")...)
	}
	return jsonTable(jx.Raw(raw), width)
}

// JSON shows any JSON.
func JSON(_, raw json.RawMessage) View {
	return View{Value: raw, Table: jsonTable(jx.Raw(raw), 0)}
}

// jsonTable shows texts as they are and other JSON indented.
func jsonTable(answer jx.Raw, width int) terminal.Table {
	if t, ok := textLines(answer, width); ok {
		return t
	}
	return terminal.Listing("lines", jsonLines(answer, cmp.Or(width, 80))...)
}

// numberLine shows the word for a number. Like the functions below it returns ok false for an
// answer of another form.
func numberLine(answer jx.Raw, words map[int]string) (t terminal.Table, ok bool) {
	number, err := jx.DecodeBytes(answer).Int()
	word, known := words[number]
	return terminal.Listing("lines", fmt.Sprintf("%s (%d)", word, number)), err == nil && known
}

// textLines shows a text, or a list of texts.
func textLines(answer jx.Raw, width int) (t terminal.Table, ok bool) {
	decoder := jx.DecodeBytes(answer)
	if answer.Type() == jx.String {
		text, err := decoder.Str()
		return terminal.Listing("lines", text), err == nil
	}
	var texts []string
	err := decoder.Arr(func(d *jx.Decoder) error {
		text, err := d.Str()
		texts = append(texts, text)
		return err
	})
	if width > 0 && len(texts) > 0 {
		texts = terminal.Columns(texts, width)
	}
	return terminal.Listing("texts", texts...), err == nil
}

// locations returns the table of the answers for several instance addresses.
func locations(answer json.RawMessage, addresses []string) (t terminal.Table, ok bool) {
	ips := make([]netip.Addr, len(addresses))
	for i, address := range addresses {
		var err error
		if ips[i], err = netip.ParseAddr(address); err != nil {
			return t, false
		}
	}
	return decoded(client.LocateAll("", ips...), answer, func(all []client.Location) terminal.Table {
		t := terminal.Table{Noun: "locations", Head: []string{"INSTANCE IP", "NODE IP", "SERIAL"}}
		for _, l := range all {
			node := terminal.Cell{Text: addrText(l.Node)}
			if l.Err != nil {
				node = terminal.Bad.Cell(l.Err.Error())
			}
			t.Row(addrText(l.IP), node, l.Serial)
		}
		return t
	})
}

// decoded returns the table of an answer to a question.
func decoded[A any](question client.Question[A], answer json.RawMessage, show func(A) terminal.Table) (t terminal.Table, ok bool) {
	value, err := question.Decode(answer)
	if err != nil {
		return t, false
	}
	return show(value), true
}

// jsonLines formats JSON for people: what fits into width columns stays in one line, anything
// else has a line for each member, and a list of plain values is filled like a paragraph.
func jsonLines(text jx.Raw, width int) []string {
	// Only strings can contain characters that could upset a terminal.
	text = jx.Raw(terminal.EscapeUnicode(string(text)))
	if deep(text) {
		return []string{string(text)}
	}
	return strings.Split(layout(text, "", "", width), "\n")
}

// deep reports whether JSON has so many levels of objects and lists that it stays as it is:
// nobody could read it indented, and the time for that grows with the cube of the levels.
func deep(text jx.Raw) bool {
	const most = 50
	level, inText := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '[' || c == '{':
			if level++; level > most {
				return true
			}
		case c == ']' || c == '}':
			level--
		}
	}
	return false
}

// layout returns the JSON of value after label, which begins at the depth of indent.
func layout(value jx.Raw, indent, label string, width int) string {
	line := label + inline(value)
	children := members(value)
	if len(children) == 0 || len(indent)+utf8.RuneCountInString(line)+len(",") <= width {
		return line
	}
	start, end := brackets(value)
	deeper := indent + "  "
	plain := value.Type() == jx.Array
	for _, child := range children {
		plain = plain && members(child.value) == nil
	}
	out := label + start
	column := width // of the last line; width makes the first child begin a line
	for i, child := range children {
		part := layout(child.value, deeper, child.label, width)
		if i < len(children)-1 {
			part += ","
		}
		if size := utf8.RuneCountInString(part); plain && column+1+size <= width {
			out += " " + part
			column += 1 + size
		} else {
			out += "\n" + deeper + part
			column = len(deeper) + size
		}
	}
	return out + "\n" + indent + end
}

// Inline returns the JSON of value in one line.
func Inline(value jx.Raw) string {
	if deep(value) {
		return string(value)
	}
	return inline(value)
}

func inline(value jx.Raw) string {
	children := members(value)
	if children == nil {
		return string(value)
	}
	var parts []string
	for _, child := range children {
		parts = append(parts, child.label+inline(child.value))
	}
	start, end := brackets(value)
	return start + strings.Join(parts, ", ") + end
}

func brackets(value jx.Raw) (start, end string) {
	if value.Type() == jx.Object {
		return "{", "}"
	}
	return "[", "]"
}

// member is a member of an object, or an element of a list, which has no label.
type member struct {
	label string // with quotes, colon and space
	value jx.Raw
}

// members returns the members of an object or list, and nil for other JSON.
func members(value jx.Raw) []member {
	var all []member
	decoder := jx.DecodeBytes(value)
	var err error
	switch value.Type() {
	case jx.Object:
		all = []member{}
		err = decoder.Obj(func(d *jx.Decoder, key string) error {
			var label jx.Writer
			label.Str(key)
			raw, err := d.Raw()
			all = append(all, member{string(label.Buf) + ": ", raw})
			return err
		})
	case jx.Array:
		all = []member{}
		err = decoder.Arr(func(d *jx.Decoder) error {
			raw, err := d.Raw()
			all = append(all, member{"", raw})
			return err
		})
	}
	if err != nil {
		return nil
	}
	return all
}
