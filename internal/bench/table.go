package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gntconfd/internal/terminal"
)

// Write writes the report for people, in at most width columns, or as many as it takes if
// width is 0.
func (r *Report) Write(w io.Writer, width int) error {
	return r.print(w, &printer{width: width})
}

// WriteMarkdown writes the report as Markdown.
func (r *Report) WriteMarkdown(w io.Writer) error {
	return r.print(w, &printer{markdown: true})
}

// printer is where a report is written.
type printer struct {
	strings.Builder
	markdown bool
	width    int
}

// section is a table of a report, with what is to be said below it. The first columns are
// keys: what a row is about.
type section struct {
	name  string // for Insert
	title string
	keys  int
	rows  [][]string
	notes []string
}

func (r *Report) print(w io.Writer, out *printer) error {
	for _, s := range r.sections(out) {
		title := s.title
		if out.markdown {
			title = "### " + title
		}
		fmt.Fprintln(out, "\n"+title)
		s.write(out)
	}
	extremes := ", with the smallest and the largest in parentheses"
	if out.brief() {
		extremes = ""
	}
	about := "CPU is the server's, user and system, all threads. Figures are medians of the rounds" + extremes + ". " +
		"Every reply was checked: its signature was verified, or it was byte for byte the same as an earlier one " +
		"to the same request that was."
	width := out.width
	if width == 0 {
		width = 80
	}
	fmt.Fprintln(out, "\n"+strings.Join(terminal.Wrap(about, width), "\n"))
	_, err := io.WriteString(w, out.String())
	return err
}

// Insert replaces the tables in a Markdown text by those of the report, and returns their
// names. A table stands between lines "<!-- bench: NAME -->" and "<!-- bench -->". NAME is
// what it is about and the clusters in it: "queries 3/10", "loads 3/10", "start
// 3/10,1000/10000" or "writes 3/10,1000/10000". Tables that the report does not have stay as
// they are. The error is about one without an end, or that there is none.
func (r *Report) Insert(text string) (changed string, names []string, err error) {
	const begin, closing, end = "<!-- bench: ", " -->\n", "<!-- bench -->"
	sections := r.sections(&printer{markdown: true})
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, begin)
		out.WriteString(before)
		if !found {
			break
		}
		name, rest, _ := strings.Cut(rest, closing)
		table, rest, found := strings.Cut(rest, end)
		if !found {
			return "", nil, fmt.Errorf("table %q: without the line %q behind it", name, end)
		}
		if i := slices.IndexFunc(sections, func(s section) bool { return s.name == name }); i >= 0 {
			markdown := &printer{markdown: true}
			sections[i].write(markdown)
			table = markdown.String() + "\n"
			names = append(names, name)
		}
		out.WriteString(begin + name + closing + table + end)
		text = rest
	}
	if names == nil {
		var known []string
		for _, s := range sections {
			known = append(known, s.name)
		}
		return "", nil, fmt.Errorf("no table of these: %s", strings.Join(known, "; "))
	}
	return out.String(), names, nil
}

// sections returns all tables.
func (r *Report) sections(out *printer) []section {
	var all []section
	for i := range r.Clusters {
		c := &r.Clusters[i]
		title := fmt.Sprintf("%s: %s MB of configuration", c.Name, number(float64(c.Size)/1e6))
		if c.Questions != nil {
			all = append(all, section{"queries " + c.Name, title, 2, c.queryRows(out, r.Contestants), nil})
			if last := &all[len(all)-1]; out.markdown {
				last.keys = 1
			} else {
				last.notes = r.comparison()
			}
		}
		if c.Loads != nil {
			s := section{"loads " + c.Name, title, 2, nil, r.comparison()}
			if c.Questions != nil {
				s.title = c.Name + ": simple queries under different loads"
			}
			for i := range c.Loads {
				c.Loads[i].addTo(&s, out, r.Contestants)
			}
			all = append(all, s)
		}
	}
	var clusters []string
	for i := range r.Clusters {
		clusters = append(clusters, r.Clusters[i].Name)
	}
	which := strings.Join(clusters, ",")
	start := section{"start " + which, "Start and memory", 2, [][]string{{"cluster", "server", "file MB", "start to first answer s", "MB after load"}}, nil}
	writes := section{"writes " + which, "Writes of the configuration", 3, [][]string{{"cluster", "change", "server", "CPU ms", "fresh ms", "p99", "slowest", "lost %", "query ms", "MB", "peak"}},
		[]string{"fresh, p99, slowest: of all writes in all rounds. query ms: the slowest query."}}
	for i := range r.Clusters {
		c := &r.Clusters[i]
		for _, l := range c.Loading {
			start.rows = append(start.rows, []string{
				c.Name,
				l.Contestant,
				number(float64(c.Size) / 1e6),
				out.spread(l.Start),
				number(float64(l.Resident) / 1e6),
			})
		}
		for _, w := range c.Writes {
			for i, t := range w.Results {
				if len(t) > 0 {
					writes.rows = append(writes.rows, append([]string{c.Name, w.title(), r.Contestants[i].Name}, t.cells(out)...))
				}
			}
		}
	}
	for _, s := range []section{start, writes} {
		if len(s.rows) > 1 {
			all = append(all, s)
		}
	}
	return all
}

// comparison explains the column "compared", if there is one.
func (r *Report) comparison() []string {
	var parts []string
	first := r.Contestants[0].Name
	others := r.Contestants[1:]
	if slices.ContainsFunc(others, func(c Contestant) bool { return !c.Echo }) {
		parts = append(parts, "the CPU of a daemon / that of "+first)
	}
	if slices.ContainsFunc(others, func(c Contestant) bool { return c.Echo }) {
		parts = append(parts, "the CPU of "+first+" / that of an echo server")
	}
	if parts == nil {
		return nil
	}
	return []string{"compared: " + strings.Join(parts, ", ") + "."}
}

// title says what a write changes.
func (w *Writing) title() string {
	switch w.Change {
	case oneObject:
		return "one object"
	case added, removed:
		return "instance " + w.Change
	}
	return w.Change + " of objects"
}

// cells returns the figures of a daemon's writes.
func (t Turn) cells(out *printer) []string {
	var meanwhile Result
	var fresh []float64
	for i := range t {
		meanwhile = append(meanwhile, t[i].Meanwhile)
		fresh = append(fresh, t[i].Fresh...)
	}
	slices.Sort(fresh)
	at := func(share float64) string {
		if len(fresh) == 0 {
			return unmeasured
		}
		return number(1e3 * fresh[int(math.Ceil(share*float64(len(fresh))))-1])
	}
	middle := unmeasured
	if len(fresh) > 0 {
		middle = number(1e3 * median(fresh))
	}
	slowest := 0.0
	for i := range meanwhile {
		slowest = max(slowest, meanwhile[i].Latency.Max)
	}
	return []string{
		out.spread(t.figures(writeCPU)),
		middle,
		at(0.99),
		at(1),
		number(median(meanwhile.figures(lost))),
		number(1e3 * slowest),
		number(median(t.figures(func(w *Written) float64 { return float64(w.Resident) / 1e6 }))),
		number(median(t.figures(func(w *Written) float64 { return float64(w.Peak) / 1e6 }))),
	}
}

// figures returns one figure of all rounds.
func (t Turn) figures(of func(*Written) float64) []float64 {
	var values []float64
	for i := range t {
		values = append(values, of(&t[i]))
	}
	return values
}

func writeCPU(w *Written) float64  { return w.CPU * 1e3 }           // in ms
func freshness(w *Written) float64 { return median(w.Fresh) * 1e3 } // in ms

// brief reports whether there is only room for medians.
func (out *printer) brief() bool { return out.width > 0 }

// spread writes a median, with the extremes if there is room.
func (out *printer) spread(values []float64) string {
	if out.brief() && len(values) > 0 {
		return number(median(values))
	}
	return spread(values)
}

// median returns the median of values, or 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// unmeasured is printed for a figure that was not measured, and for 0 where that is usual.
const unmeasured = "-"

// spread writes a median with the extremes around it, as far as they differ.
func spread(values []float64) string {
	if len(values) == 0 {
		return unmeasured
	}
	low, high := number(slices.Min(values)), number(slices.Max(values))
	if low == high {
		return low
	}
	return fmt.Sprintf("%s (%s..%s)", number(median(values)), low, high)
}

// figures returns one figure of all rounds.
func (r Result) figures(of func(*Figures) float64) []float64 {
	var values []float64
	for i := range r {
		values = append(values, of(&r[i]))
	}
	return values
}

func cpu(f *Figures) float64       { return f.CPU * 1e6 }
func perSecond(f *Figures) float64 { return f.PerSecond }
func lost(f *Figures) float64      { return 100 * float64(f.Lost) / float64(max(f.Sent, 1)) } // in percent

// ratios returns the quotients of a figure of two contestants, round by round.
func ratios(a, b Result, of func(*Figures) float64) []float64 {
	var values []float64
	for i := range min(len(a), len(b)) {
		if divisor := of(&b[i]); divisor > 0 {
			values = append(values, of(&a[i])/divisor)
		}
	}
	return values
}

// versus returns the heading and the values of a comparison of CPU time with the
// first contestant: how much less that takes than a daemon, and how much more than
// the bound that an echo server sets.
func versus(contestants []Contestant, results []Result, i int) (heading string, values []float64) {
	if first := contestants[0].Name; contestants[i].Echo {
		return "CPU, " + first + " / " + contestants[i].Name, ratios(results[0], results[i], cpu)
	} else {
		return "CPU, " + contestants[i].Name + " / " + first, ratios(results[i], results[0], cpu)
	}
}

// addTo adds all that is known of each contestant to a section.
func (c *Comparison) addTo(s *section, out *printer, contestants []Contestant) {
	compared := slices.ContainsFunc(c.Results, func(r Result) bool { return len(r) > 0 && r[0].Before > 0 })
	if s.rows == nil {
		s.rows = [][]string{{"load", "server", "replies/s", "CPU us", "compared", "of the load", "p50 us", "p90", "p99", "p99.9", "slowest", "lost %", "refused", "wrong", "MB before", "after", "closed loop/s before", "after"}}
	}
	for i, r := range c.Results {
		of := func(f func(*Figures) float64) string { return number(median(r.figures(f))) }
		row := []string{
			c.Name,
			contestants[i].Name,
			out.spread(r.figures(perSecond)),
			known(r.figures(cpu), out.spread),
			unmeasured,
			of(func(f *Figures) float64 { return f.Generator * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.P50 * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.P90 * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.P99 * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.P999 * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.Max * 1e6 }),
			of(lost),
			some(r.figures(func(f *Figures) float64 { return float64(f.Refused) })),
			some(r.figures(func(f *Figures) float64 { return float64(f.Wrong) })),
			some(r.figures(func(f *Figures) float64 { return float64(f.MemoryBefore) / 1e6 })),
			some(r.figures(func(f *Figures) float64 { return float64(f.MemoryAfter) / 1e6 })),
			unmeasured, unmeasured,
		}
		if i > 0 {
			_, values := versus(contestants, c.Results, i)
			row[4] = out.spread(values)
		}
		if compared {
			row[len(row)-2] = of(func(f *Figures) float64 { return f.Before })
			row[len(row)-1] = of(func(f *Figures) float64 { return f.After })
		}
		s.rows = append(s.rows, row)
	}
	for i, r := range c.Results {
		if unsent := median(r.figures(func(f *Figures) float64 { return float64(f.Unsent) })); unsent > 0 {
			s.notes = append(s.notes, fmt.Sprintf("%s: %s requests to %s were due but could not be sent: more than this machine can.",
				c.Name, number(unsent), contestants[i].Name))
		}
	}
}

// queryRows returns a row for each query, in Markdown with all contestants, otherwise for
// each of them.
func (c *Cluster) queryRows(out *printer, contestants []Contestant) [][]string {
	rows := [][]string{{"query", "server", "bytes", "CPU us", "replies/s", "compared"}}
	if out.markdown {
		rows = [][]string{{"query", "reply bytes"}}
		for i, contestant := range contestants {
			rows[0] = append(rows[0], contestant.Name+": CPU us", "replies/s")
			if i > 0 {
				heading, _ := versus(contestants, make([]Result, len(contestants)), i)
				rows[0] = append(rows[0], heading)
			}
		}
	}
	for _, q := range c.Questions {
		bytes := number(math.Round(median(q.Results[0].figures(func(f *Figures) float64 { return f.ReplyBytes }))))
		all := []string{q.Name, bytes}
		for i, r := range q.Results {
			cells := []string{some(r.figures(cpu)), number(median(r.figures(perSecond))) + note(r)}
			if i > 0 {
				_, values := versus(contestants, q.Results, i)
				cells = append(cells, out.spread(values))
			} else if !out.markdown {
				cells = append(cells, "")
			}
			all = append(all, cells...)
			if !out.markdown {
				rows = append(rows, append([]string{q.Name, contestants[i].Name, bytes}, cells...))
			}
		}
		if out.markdown {
			rows = append(rows, all)
		}
	}
	return rows
}

// some writes the median of what hardly ever happens, or is not always measured.
func some(values []float64) string {
	return known(values, func(values []float64) string { return number(median(values)) })
}

// known writes values, unless all of them are zero.
func known(values []float64, write func([]float64) string) string {
	if slices.Max(append(values, 0)) == 0 {
		return unmeasured
	}
	return write(values)
}

// note returns what a reader must also know about a result.
func note(r Result) string {
	var replies, refused, lost, wrong int
	for i := range r {
		replies += r[i].Replies
		refused += r[i].Refused
		lost += r[i].Lost
		wrong += r[i].Wrong
	}
	switch {
	case replies == 0:
		return " no reply"
	case wrong > 0:
		return fmt.Sprintf(" %d wrong", wrong)
	case lost > 0:
		return fmt.Sprintf(" %d lost", lost)
	case refused == replies:
		return " an error"
	case refused > 0:
		return fmt.Sprintf(" %d errors", refused)
	}
	return ""
}

// number writes a number with three significant digits, or all of those before the
// point.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	digits := strconv.FormatFloat(v, 'f', max(decimals, 0), 64)
	if decimals > 0 {
		return digits
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// write writes the table and its notes. For people keys are not repeated; a table that is
// too wide has a column for each row or, if that is too wide too, is split into one for
// each of its subjects.
func (s *section) write(out *printer) {
	out.WriteString("\n")
	if out.markdown {
		out.markdownTable(measured(s.rows), s.keys)
	} else {
		out.plainTable(s.rows, s.keys)
	}
	for _, note := range s.notes {
		out.WriteString("\n" + strings.Join(terminal.Wrap(note, out.width), "\n") + "\n")
	}
}

// plainTable writes a table for people.
func (out *printer) plainTable(rows [][]string, keys int) {
	rows = measured(rows)
	brief := slices.Clone(rows[:1])
	for n, row := range rows[1:] {
		row = slices.Clone(row)
		for i := range keys - 1 {
			if n > 0 && rows[n][i] == row[i] && (i == 0 || row[i-1] == "") {
				row[i] = ""
			}
		}
		brief = append(brief, row)
	}
	lines := lay(brief).Lines(false, 0)
	if out.width > 0 && longest(lines) > out.width {
		lines = lay(transposed(brief)).Lines(false, 0)
	}
	if out.width > 0 && longest(lines) > out.width {
		lines = nil
		for begin := 1; begin < len(rows); {
			subject := rows[begin][:keys-1]
			end := begin
			for end < len(rows) && slices.Equal(rows[end][:keys-1], subject) {
				end++
			}
			group := [][]string{rows[0][keys-1:]}
			for _, row := range rows[begin:end] {
				group = append(group, row[keys-1:])
			}
			if begin > 1 {
				lines = append(lines, "")
			}
			group = transposed(measured(group))
			group[0][0] = strings.Join(subject, ", ")
			lines = append(lines, lay(group).Lines(false, out.width)...)
			begin = end
		}
	}
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
}

// measured returns rows without the columns that have no figure in any of them.
func measured(rows [][]string) [][]string {
	kept := make([][]string, len(rows))
	for i := range rows[0] {
		if !slices.ContainsFunc(rows[1:], func(row []string) bool { return row[i] != unmeasured }) {
			continue
		}
		for n, row := range rows {
			kept[n] = append(kept[n], row[i])
		}
	}
	return kept
}

// lay returns rows as a table.
func lay(rows [][]string) terminal.Table {
	t := terminal.Table{Head: rows[0]}
	for _, row := range rows[1:] {
		cells := make([]any, len(row))
		for i, text := range row {
			cells[i] = text
		}
		t.Row(cells...)
	}
	return t
}

// longest returns the length of the longest line.
func longest(lines []string) int {
	most := 0
	for _, line := range lines {
		most = max(most, utf8.RuneCountInString(line))
	}
	return most
}

// transposed returns rows as columns.
func transposed(rows [][]string) [][]string {
	columns := make([][]string, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			columns[i] = append(columns[i], text)
		}
	}
	return columns
}

// markdownTable writes a table in Markdown, with the keys to the left and all other columns
// to the right.
func (out *printer) markdownTable(rows [][]string, keys int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < keys {
				out.WriteString("| " + cell + gap + " ")
			} else {
				out.WriteString("| " + gap + cell + " ")
			}
		}
		out.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			if i < keys {
				out.WriteString("|" + strings.Repeat("-", width+2))
			} else {
				out.WriteString("|" + strings.Repeat("-", width+1) + ":")
			}
		}
		out.WriteString("|\n")
	}
}
