package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-json"
)

// generatedTable matches a table in a page: a comment with its name, the table, and a comment
// that ends it.
var generatedTable = regexp.MustCompile(`(?s)(<!-- table ([a-z0-9.-]+), made by go generate -->\n).*?(<!-- end -->)`)

// fill replaces the tables of rules in a page. Each must be there once.
func (r *rules) fill(page []byte) ([]byte, error) {
	tables := map[string]func() string{
		"errors":           r.errorTable,
		"texts":            r.textTable,
		"requests":         r.requestTable,
		"classic-requests": r.classicTable,
		"checks":           func() string { return r.checkTable(r.Datagram.Daemon) },
		"client-checks":    func() string { return r.checkTable(r.Datagram.Client) },
		"names":            r.nameTable,
		"roles":            r.roleTable,
		"lookups":          func() string { return r.lookupLists("3.0") },
		"classic-lookups":  func() string { return r.lookupLists("2.6") },
		"units":            r.unitTable,
		"filters":          r.filterTable,
		"logical-ids":      r.logicalIDTable,
		"collectors":       r.collectorTable,

		"envelope":        func() string { return r.memberTable("Envelope") },
		"request":         func() string { return r.memberTable("Request") },
		"reply":           func() string { return r.memberTable("Reply") },
		"parameters":      func() string { return r.memberTable("QueryParameters") },
		"classic-request": func() string { return r.memberTable("ClassicRequest") },
		"classic-reply":   func() string { return r.memberTable("ClassicReply") },

		"statuses":      func() string { return r.constantTable("Status") },
		"codes":         func() string { return r.constantTable("Error") },
		"classic-codes": func() string { return r.constantTable("ClassicError") },

		"deviations":         func() string { return r.deviationTable("datagram") },
		"file-deviations":    func() string { return r.deviationTable("files") },
		"classic-deviations": func() string { return r.deviationTable("classic") },
	}
	var unknown []string
	filled := generatedTable.ReplaceAllStringFunc(string(page), func(old string) string {
		parts := generatedTable.FindStringSubmatch(old)
		table, ok := tables[parts[2]]
		if !ok {
			unknown = append(unknown, parts[2])
			return old
		}
		delete(tables, parts[2])
		return parts[1] + "\n" + table() + "\n" + parts[3]
	})
	for name := range tables {
		return nil, fmt.Errorf("there is no place for the table %s", name)
	}
	if unknown != nil {
		return nil, fmt.Errorf("no table %q, or a second one", unknown)
	}
	return []byte(filled), nil
}

// table writes a table of Markdown.
func table(rows ...[]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

// memberTable has the members of an object in wire.json.
func (r *rules) memberTable(definition string) string {
	rows := [][]string{{"member", "value"}}
	object := r.wire.Definitions[definition]
	if object == nil {
		return table(rows...)
	}
	for _, member := range object.Properties {
		about := member.Description
		if of := r.wire.Definitions[member.Definition()]; about == "" && of != nil {
			about = of.Description
		}
		rows = append(rows, []string{"`" + member.Name + "`", about})
	}
	return table(rows...)
}

// constantTable has the constants whose names have a prefix.
func (r *rules) constantTable(prefix string) string {
	rows := [][]string{{"value", "name", "meaning"}}
	for _, group := range r.constants.Groups {
		if group.Prefix != prefix {
			continue
		}
		for _, c := range group.Constants {
			rows = append(rows, []string{string(c.Value), "`" + prefix + c.Name + "`", c.Doc})
		}
	}
	return table(rows...)
}

// deviationTable has the deviations of a scope.
func (r *rules) deviationTable(scope string) string {
	rows := [][]string{{"name", "this project", "Ganeti's daemon"}}
	for _, d := range r.deviations.Deviations {
		if d.Scope != scope {
			continue
		}
		real := d.Real
		if d.Releases != nil {
			real = "Release " + strings.Join(d.Releases, " and ") + ": " + real
		}
		rows = append(rows, []string{"`" + d.ID + "`", d.Title + ".", real})
	}
	return table(rows...)
}

func (r *rules) errorTable() string {
	rows := [][]string{{"dialect", "types", "when", "answer"}}
	for _, dialect := range []string{"3.0", "2.6"} {
		for _, text := range r.Errors.Texts {
			rows = append(rows, sentRows(dialect, text.Sent, "`"+text.Name+"`")...)
		}
		for _, code := range r.Errors.Codes {
			rows = append(rows, sentRows(dialect, code.Sent, "`"+code.Code+"`")...)
		}
	}
	return table(rows...)
}

func sentRows(dialect string, all []sent, answer string) (rows [][]string) {
	for _, s := range all {
		if s.Dialect == dialect {
			rows = append(rows, []string{dialect, typeList(s.Types), s.When, answer})
		}
	}
	return rows
}

func (r *rules) textTable() string {
	rows := [][]string{{"name", "text", "what varies"}}
	for _, text := range r.Errors.Texts {
		quoted := string(must(json.MarshalWithOption(text.Text, json.DisableHTMLEscape())))
		varies := each(text.Parameters, func(p parameter) string {
			line := "`$" + p.Name + "`: " + p.Doc
			if p.Of != nil {
				line += ", " + strings.Join(each(p.Of, func(name string) string { return "`" + name + "`" }), " or ")
			}
			if p.Form != "text" {
				line += ", as " + r.Errors.Forms[p.Form]
			}
			return line
		})
		rows = append(rows, []string{"`" + text.Name + "`", "`" + quoted[1:len(quoted)-1] + "`", strings.Join(varies, "; ")})
	}
	return table(rows...)
}

// requestTable has a column for each kind of query.
func (r *rules) requestTable() string {
	f := &r.Requests
	head := []string{"type"}
	for _, kind := range f.Kinds.Modern {
		head = append(head, kind.Name)
	}
	rows := [][]string{append(head, "serial", "order", "lookups")}
	for _, one := range f.Requests {
		row := []string{fmt.Sprintf("%d `%s`", one.Type, one.Name)}
		for _, kind := range f.Kinds.Modern {
			row = append(row, one.Modern.Queries[kind.Name].written())
		}
		rows = append(rows, append(row, f.Serials[one.Modern.Serial], f.Orders[one.Modern.Order], lookupNames(one.Modern)))
	}
	return table(rows...)
}

// classicTable has a row for the kinds of query that a type of request treats alike. The
// largest group comes last, as anything else.
func (r *rules) classicTable() string {
	f := &r.Requests
	rows := [][]string{{"type", "query", "reply", "order", "lookups"}}
	for _, one := range f.Requests {
		var outcomes []outcome
		kinds := make(map[outcome][]string)
		for _, kind := range f.Kinds.Classic {
			of := one.Classic.Queries[kind.Name]
			if kinds[of] == nil {
				outcomes = append(outcomes, of)
			}
			kinds[of] = append(kinds[of], kind.Doc)
		}
		largest := slices.MaxFunc(outcomes, func(a, b outcome) int { return cmp.Compare(len(kinds[a]), len(kinds[b])) })
		if len(outcomes) == 1 {
			kinds[largest] = []string{"anything"}
		} else if len(kinds[largest]) > 2 {
			kinds[largest] = []string{"anything else"}
			outcomes = append(slices.DeleteFunc(outcomes, func(o outcome) bool { return o == largest }), largest)
		}
		name := fmt.Sprintf("%d `%s`", one.Type, one.Name)
		for _, of := range outcomes {
			row := []string{name, strings.Join(kinds[of], "; "), of.written(), "", ""}
			if of.Outcome == "answer" {
				row[3], row[4] = f.Orders[one.Classic.Order], lookupNames(one.Classic)
			}
			rows = append(rows, row)
			name = ""
		}
	}
	return table(rows...)
}

// lookupNames writes the lookups that a type of request takes itself.
func lookupNames(a answered) string {
	return strings.Join(each(a.Lookups, func(name string) string { return "`" + name + "`" }), ", ")
}

// checkTable has the checks with their words, and a column of the classic dialect if some
// differ there.
func (r *rules) checkTable(checks []check) string {
	head, width := []string{"check", "must hold", "in dialect 2.6"}, 2
	if slices.ContainsFunc(checks, func(c check) bool { return c.Classic != "" }) {
		width = 3
	}
	rows := [][]string{head[:width]}
	for _, c := range checks {
		rows = append(rows, []string{"`" + c.Word + "`", r.resolved(c.Check), r.resolved(c.Classic)}[:width])
	}
	return table(rows...)
}

// resolved replaces the names of constants in a text by their values.
func (r *rules) resolved(text string) string {
	for _, group := range r.constants.Groups {
		for _, c := range group.Constants {
			text = regexp.MustCompile(`\$`+group.Prefix+c.Name+`\b`).ReplaceAllLiteralString(text, strings.Trim(string(c.Value), `"`))
		}
	}
	return text
}

func (r *rules) nameTable() string {
	rows := [][]string{{"lookup", "what for", "steps"}}
	words := map[nameStep]string{
		{By: "key", Match: "equal"}:                           "by its key, which is its UUID as a rule",
		{By: "name", Match: "equal", Several: "greatest-key"}: "by its exact name; of several, the one with the greatest key",
		{By: "name", Match: "prefix", Several: "ambiguous"}:   "by a name that begins with the text and a dot; if several names do, it is an error",
	}
	for _, l := range r.Lookups.Names.Lookups {
		steps := each(l.Steps, func(s nameStep) string { return words[s] })
		rows = append(rows, []string{"`" + l.Name + "`", l.Doc, strings.Join(steps, "; otherwise ")})
	}
	return table(rows...)
}

func (r *rules) roleTable() string {
	rows := [][]string{{"lookup", "first of these that holds", "what master means"}}
	for _, l := range r.Lookups.Roles.Lookups {
		steps := each(l.Steps, func(s roleStep) string { return fmt.Sprintf("%s: %s", s.If, r.resolved("$"+s.Role)) })
		rows = append(rows, []string{"`" + l.Name + "`", strings.Join(steps, ", "), strings.TrimPrefix(l.Doc, "master: ")})
	}
	return table(rows...)
}

func (r *rules) unitTable() string {
	rows := [][]string{{"unit", "mebibytes"}}
	for _, unit := range r.Values.Units.Units {
		names := each(unit.Names, func(name string) string {
			if name == "" {
				return "none"
			}
			return "`" + name + "`"
		})
		rows = append(rows, []string{strings.Join(names, ", "), strconv.FormatInt(unit.Mebibytes, 10)})
	}
	return table(rows...)
}

func (r *rules) filterTable() string {
	rows := [][]string{{"expression", "becomes"}}
	for _, w := range r.Values.Filters.Rewrites {
		rows = append(rows, []string{fmt.Sprintf("`[%q, $1, $2]`", w.Operator), "`" + strings.NewReplacer(`"$1"`, "$1", `"$2"`, "$2").Replace(string(w.Becomes)) + "`"})
	}
	return table(rows...)
}

func (r *rules) logicalIDTable() string {
	rows := [][]string{{"dev_type", "elements", "definition"}}
	for _, id := range r.Values.LogicalIDs.Types {
		rows = append(rows, []string{"`" + id.DevType + "`", strconv.Itoa(id.Length), "`" + id.Definition + "`"})
	}
	return table(rows...)
}

func (r *rules) collectorTable() string {
	rows := [][]string{{"collector", "active only with"}}
	for _, c := range r.Values.Collectors.Collectors {
		needs := each(c.Hypervisors, func(name string) string { return "`" + name + "`" })
		rows = append(rows, []string{"`" + c.Name + "`", strings.Join(needs, " or ")})
	}
	return table(rows...)
}

func (o outcome) written() string {
	switch {
	case o.Outcome == "answer":
		return o.Doc
	case o.Outcome == "silence":
		return "no reply"
	case o.Doc != "":
		return "`" + o.Outcome + "`; " + o.Doc
	}
	return "`" + o.Outcome + "`"
}

// typeList writes types of request in ascending order.
func typeList(types []int) string {
	if len(types) == 12 {
		return "all"
	}
	var parts []string
	for i := 0; i < len(types); i++ {
		last := i
		for last+1 < len(types) && types[last+1] == types[last]+1 {
			last++
		}
		part := strconv.Itoa(types[i])
		if last >= i+2 {
			part += " to " + strconv.Itoa(types[last])
			i = last
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
