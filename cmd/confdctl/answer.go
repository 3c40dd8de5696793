package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-faster/jx"
	"github.com/goccy/go-json"

	"gntconfd/client"
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

// answerTable lays an answer out for a person, whatever the type of its request: words
// for numbers, tables for lists of like things, indented JSON for the rest. Lines of
// JSON and lists of texts are filled up to width columns; with width 0 a list has a
// line for each of its texts. An answer that is not what its request type promises is
// shown as JSON.
func answerTable(typ wire.RequestType, query wire.Query, raw json.RawMessage, width int) table {
	answer := jx.Raw(raw)
	var t table
	ok := false
	switch typ {
	case wire.RequestNodeRoleByName:
		t, ok = numberLine(answer, roleWords)
	case wire.RequestNodePIPByInstanceIP:
		t, ok = nodeIPTable(answer, query.QueryParameters.IPList.Value)
	case wire.RequestNodeDRBD:
		t, ok = decodeMinors(answer)
	case wire.RequestDataCollectors:
		t, ok = decodeCollectors(answer)
	}
	if !ok {
		t = jsonTable(answer, width)
	}
	return t
}

// errorTable lays out what a daemon says in place of an answer.
func errorTable(raw json.RawMessage, width int) table {
	if t, ok := numberLine(jx.Raw(raw), errorWords); ok {
		return t
	}
	return jsonTable(jx.Raw(raw), width)
}

// jsonView shows any JSON.
func jsonView(_, raw json.RawMessage) view {
	return view{value: raw, table: jsonTable(jx.Raw(raw), 0)}
}

// jsonTable shows texts as they are and other JSON indented.
func jsonTable(answer jx.Raw, width int) table {
	if t, ok := textLines(answer, width); ok {
		return t
	}
	return listing("lines", jsonLines(answer, max(width, 80))...)
}

// numberLine puts a number into words. Like the functions below it is not ok for an
// answer of another shape.
func numberLine(answer jx.Raw, words map[int]string) (t table, ok bool) {
	number, err := jx.DecodeBytes(answer).Int()
	word, known := words[number]
	return listing("lines", fmt.Sprintf("%s (%d)", word, number)), err == nil && known
}

// textLines shows a text, or a list of texts.
func textLines(answer jx.Raw, width int) (t table, ok bool) {
	decoder := jx.DecodeBytes(answer)
	if answer.Type() == jx.String {
		text, err := decoder.Str()
		return listing("lines", strings.Split(text, "\n")...), err == nil
	}
	var texts []string
	err := decoder.Arr(func(d *jx.Decoder) error {
		text, err := d.Str()
		texts = append(texts, text)
		return err
	})
	if width > 0 && len(texts) > 0 {
		texts = columns(texts, width)
	}
	return listing("texts", texts...), err == nil
}

// nodeIPTable shows the answers for several instance addresses.
func nodeIPTable(answer jx.Raw, addresses []string) (t table, ok bool) {
	t = table{noun: "locations", head: locationHead}
	err := jx.DecodeBytes(answer).Arr(func(d *jx.Decoder) error {
		raw, err := d.Raw()
		if err != nil {
			return err
		}
		if len(members(raw)) != 3 { // as those of Ganeti 2.6, whose codes are others
			return errors.New("no triplet")
		}
		var one wire.NodeIPAnswer
		if err := one.Decode(jx.DecodeBytes(raw)); err != nil {
			return err
		}
		node := cell{text: one.V1.String}
		if code, ok := one.V1.GetInt64(); ok {
			node = cell{errorWords[int(code)], bad}
		}
		address := ""
		if i := len(t.rows); i < len(addresses) {
			address = addresses[i]
		}
		t.row(address, node, one.V2)
		return nil
	})
	return t, err == nil
}

// decodeMinors shows the DRBD minors of a node.
func decodeMinors(answer jx.Raw) (t table, ok bool) {
	var minors []client.Minor
	err := jx.DecodeBytes(answer).Arr(func(d *jx.Decoder) error {
		var m wire.NodeMinor
		if err := errors.Join(m.Decode(d), m.Validate()); err != nil { // it decodes shorter lists, too
			return err
		}
		minors = append(minors, client.Minor{
			Node: m.V0, Minor: m.V1, Instance: m.V2, Disk: m.V3, Role: client.MinorRole(m.V4), Peer: m.V5,
		})
		return nil
	})
	return minorTable(minors), err == nil
}

// decodeCollectors shows the data collectors.
func decodeCollectors(answer jx.Raw) (t table, ok bool) {
	var all wire.DataCollectors
	err := all.UnmarshalJSON(answer)
	collectors := make(map[string]client.Collector, len(all))
	for name, c := range all {
		collectors[name] = client.Collector{Active: c.Active, Interval: time.Duration(c.Interval) * time.Microsecond}
	}
	return collectorTable(collectors), err == nil
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

// jsonLines lays JSON out like a person would: what fits into width columns
// stays in one line, what does not has a line for each member, but a list of
// plain values is filled like text.
func jsonLines(text jx.Raw, width int) []string {
	// Only in texts can there be what a terminal should not get.
	text = jx.Raw(escapeUnicode(string(text)))
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
