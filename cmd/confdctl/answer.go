package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
)

// These are the words for the numbers in replies.
var (
	statusWords = map[wire.Status]string{
		wire.StatusOK:             "ok",
		wire.StatusError:          "error",
		wire.StatusNotImplemented: "not implemented",
	}
	roleWords = map[int]string{
		wire.NodeRoleMaster:    "master",
		wire.NodeRoleCandidate: "master candidate",
		wire.NodeRoleOffline:   "offline",
		wire.NodeRoleDrained:   "drained",
		wire.NodeRoleRegular:   "regular",
	}
	errorWords = map[int]string{
		wire.ErrorUnknownEntry: "unknown entry",
		wire.ErrorInternal:     "internal error",
		wire.ErrorArgument:     "argument error",
	}
)

// answerLines lays the answer of a reply out for a person: words for numbers,
// tables for lists of like things, indented JSON for the rest. Lines of JSON and
// lists of texts are filled up to width columns; with width 0 a list has a line
// for each of its texts. An answer that is not what its request type promises is
// shown as JSON.
func answerLines(typ wire.RequestType, query wire.Query, reply *reply, width int) []string {
	answer := jx.Raw(reply.Answer)
	var lines []string
	switch {
	case reply.Status != wire.StatusOK:
		lines = numberLine(answer, errorWords)
	case typ == wire.RequestNodeRoleByName:
		lines = numberLine(answer, roleWords)
	case typ == wire.RequestNodePIPByInstanceIP:
		lines = nodeIPTable(answer, query.QueryParameters.IPList.Value)
	case typ == wire.RequestNodeDRBD:
		lines = minorTable(answer)
	case typ == wire.RequestDataCollectors:
		lines = collectorTable(answer)
	}
	if lines == nil {
		lines = textLines(answer, width)
	}
	if lines == nil {
		lines = jsonLines(answer, max(width, 80))
	}
	return lines
}

// numberLine puts a number into words. Like the functions below it returns nil
// for an answer of another shape.
func numberLine(answer jx.Raw, words map[int]string) []string {
	number, err := jx.DecodeBytes(answer).Int()
	word, ok := words[number]
	if err != nil || !ok {
		return nil
	}
	return []string{fmt.Sprintf("%s (%d)", word, number)}
}

// textLines shows a text, or a list of texts.
func textLines(answer jx.Raw, width int) []string {
	decoder := jx.DecodeBytes(answer)
	if answer.Type() == jx.String {
		text, err := decoder.Str()
		if err != nil {
			return nil
		}
		return strings.Split(printable(text), "\n")
	}
	texts := []string{} // not nil, even if there are none
	err := decoder.Arr(func(d *jx.Decoder) error {
		text, err := d.Str()
		texts = append(texts, printable(text))
		return err
	})
	switch {
	case err != nil:
		return nil
	case width == 0:
		return texts
	}
	return columns(texts, width)
}

// nodeIPTable shows the answers for several instance addresses.
func nodeIPTable(answer jx.Raw, addresses []string) []string {
	rows := [][]string{{"INSTANCE IP", "NODE IP", "SERIAL"}}
	err := jx.DecodeBytes(answer).Arr(func(d *jx.Decoder) error {
		var one wire.NodeIPAnswer
		if err := one.Decode(d); err != nil {
			return err
		}
		ip := one.V1.String
		if code, ok := one.V1.GetInt64(); ok {
			ip = errorWords[int(code)]
		}
		address := ""
		if i := len(rows) - 1; i < len(addresses) {
			address = addresses[i]
		}
		rows = append(rows, []string{address, ip, strconv.FormatInt(one.V2, 10)})
		return nil
	})
	if err != nil {
		return nil
	}
	return table(rows)
}

// minorTable shows the DRBD minors of a node.
func minorTable(answer jx.Raw) []string {
	rows := [][]string{{"NODE", "MINOR", "INSTANCE", "DISK", "ROLE", "PEER"}}
	err := jx.DecodeBytes(answer).Arr(func(d *jx.Decoder) error {
		var minor wire.NodeMinor
		if err := minor.Decode(d); err != nil {
			return err
		}
		if err := minor.Validate(); err != nil { // it decodes shorter lists, too
			return err
		}
		rows = append(rows, []string{minor.V0, strconv.FormatInt(minor.V1, 10), minor.V2, minor.V3, string(minor.V4), minor.V5})
		return nil
	})
	if err != nil {
		return nil
	}
	return table(rows)
}

// collectorTable shows the data collectors.
func collectorTable(answer jx.Raw) []string {
	var collectors wire.DataCollectors
	if collectors.UnmarshalJSON(answer) != nil {
		return nil
	}
	rows := [][]string{{"COLLECTOR", "ACTIVE", "INTERVAL"}}
	for _, name := range slices.Sorted(maps.Keys(collectors)) {
		active := "no"
		if collectors[name].Active {
			active = "yes"
		}
		seconds := strconv.FormatFloat(float64(collectors[name].Interval)/1e6, 'f', -1, 64)
		rows = append(rows, []string{name, active, seconds + " s"})
	}
	return table(rows)
}

// table aligns rows, the first of which are the headings.
func table(rows [][]string) []string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}

// columns puts as many equally wide texts into each line as fit into width.
func columns(texts []string, width int) []string {
	cell := 0
	for _, text := range texts {
		cell = max(cell, utf8.RuneCountInString(text)+2)
	}
	var lines []string
	for row := range slices.Chunk(texts, max(1, (width+2)/cell)) {
		line := ""
		for _, text := range row {
			line += fmt.Sprintf("%-*s", cell, text)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// printable returns text, in quotes if it holds characters that could upset a
// terminal.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
		return strconv.Quote(text)
	}
	return text
}

// jsonLines lays JSON out like a person would: what fits into width columns
// stays in one line, what does not has a line for each member, but a list of
// plain values is filled like text.
func jsonLines(text jx.Raw, width int) []string {
	return strings.Split(layout(text, "", "", width), "\n")
}

// layout returns the JSON of value behind label, which starts at the depth of
// indent.
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
	column := width // of the last line: a line is full before the first child
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

// inline returns the JSON of value in one line.
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

// member is a member of an object, or an element, without label, of an array.
type member struct {
	label string // with quotes, colon and space
	value jx.Raw
}

// members returns what an object or array consists of, and nil for other JSON.
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
