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

func (r *Report) print(w io.Writer, out *printer) error {
	for _, c := range r.Clusters {
		title := fmt.Sprintf("%s: %s MB of configuration", c.Name, number(float64(c.Size)/1e6))
		if out.markdown {
			title = "### " + title
		}
		fmt.Fprintln(out, "\n"+title)
		if c.Questions != nil {
			c.writeQuestions(out, r.Contestants)
		}
		if c.Loading != nil {
			c.writeLoading(out)
		}
		for i := range c.Loads {
			c.Loads[i].write(out, r.Contestants)
		}
	}
	out.WriteString(`
CPU is the server's, user and system, in us for each reply. Figures are medians
of the rounds, with the smallest and the largest in parentheses. Every reply was
checked: its signature was verified, or it was byte for byte the same as an
earlier one to the same request that was.
`)
	_, err := io.WriteString(w, out.String())
	return err
}

// median returns the median of a figure, 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// spread writes a median with the extremes around it, as far as they differ.
func spread(values []float64) string {
	if len(values) == 0 {
		return "-"
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

// write writes all that is known of each contestant.
func (c *Comparison) write(out *printer, contestants []Contestant) {
	compared := slices.ContainsFunc(c.Results, func(r Result) bool { return len(r) > 0 && r[0].Before > 0 })
	rows := [][]string{{c.Name, "replies/s", "CPU us", "of the load", "p50 us", "p90", "p99", "p99.9", "slowest", "lost %", "refused", "wrong", "MB before", "after"}}
	if compared {
		rows[0] = append(rows[0], "closed loop/s before", "after")
	}
	for i, r := range c.Results {
		of := func(f func(*Figures) float64) string { return number(median(r.figures(f))) }
		row := []string{
			contestants[i].Name,
			spread(r.figures(perSecond)),
			spread(r.figures(cpu)),
			of(func(f *Figures) float64 { return f.Generator * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.P50 * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.P90 * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.P99 * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.P999 * 1e6 }),
			of(func(f *Figures) float64 { return f.Latency.Max * 1e6 }),
			of(lost),
			of(func(f *Figures) float64 { return float64(f.Refused) }),
			of(func(f *Figures) float64 { return float64(f.Wrong) }),
			of(func(f *Figures) float64 { return float64(f.MemoryBefore) / 1e6 }),
			of(func(f *Figures) float64 { return float64(f.MemoryAfter) / 1e6 }),
		}
		if compared {
			row = append(row,
				of(func(f *Figures) float64 { return f.Before }),
				of(func(f *Figures) float64 { return f.After }))
		}
		rows = append(rows, row)
	}
	out.table(rows)
	for i := 1; i < len(contestants); i++ {
		heading, values := versus(contestants, c.Results, i)
		fmt.Fprintf(out, "\n%s: %s.\n", heading, spread(values))
	}
	for i, r := range c.Results {
		if unsent := median(r.figures(func(f *Figures) float64 { return float64(f.Unsent) })); unsent > 0 {
			fmt.Fprintf(out, "\n%s requests to %s were due but could not be sent: more than this machine can.\n", number(unsent), contestants[i].Name)
		}
	}
}

// writeQuestions writes a row for each question.
func (c *Cluster) writeQuestions(out *printer, contestants []Contestant) {
	var rows [][]string
	for _, q := range c.Questions {
		header, row := []string{"question"}, []string{q.Name}
		for i, r := range q.Results {
			header = append(header, contestants[i].Name+": CPU us", "replies/s")
			row = append(row, number(median(r.figures(cpu))), number(median(r.figures(perSecond)))+note(r))
		}
		for i := 1; i < len(contestants); i++ {
			heading, values := versus(contestants, q.Results, i)
			header, row = append(header, heading), append(row, spread(values))
		}
		if rows == nil {
			rows = append(rows, header)
		}
		rows = append(rows, row)
	}
	out.table(rows)
}

// note says what else is to be known of a result.
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

// writeLoading writes a row for each daemon.
func (c *Cluster) writeLoading(out *printer) {
	rows := [][]string{{"loading", "start to answer s", "rename to fresh answer s", "lost meanwhile %", "p50 ms", "slowest ms", "MB after load", "of the file", "peak of a reload MB", "of the file"}}
	for _, l := range c.Loading {
		of := func(f func(*Figures) float64) string { return number(median(l.Meanwhile.figures(f))) }
		rows = append(rows, []string{
			l.Contestant,
			spread(l.Start),
			spread(l.Fresh),
			of(lost),
			of(func(f *Figures) float64 { return f.Latency.P50 * 1e3 }),
			of(func(f *Figures) float64 { return f.Latency.Max * 1e3 }),
			number(float64(l.Resident) / 1e6),
			number(float64(l.Resident) / float64(c.Size)),
			number(median(l.Peak) / 1e6),
			number(median(l.Peak) / float64(c.Size)),
		})
	}
	out.table(rows)
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

// table writes a table, the first row of which is its head. For people it has a column for
// each row if it would be too wide otherwise, as there are few contestants and many figures.
func (out *printer) table(rows [][]string) {
	out.WriteString("\n")
	if out.markdown {
		out.markdownTable(rows)
		return
	}
	lines := lay(rows).Lines(false, 0)
	if out.width > 0 && longest(lines) > out.width {
		lines = lay(transposed(rows)).Lines(false, out.width)
	}
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
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

// markdownTable writes a table in Markdown, with the first column to the left and all
// others to the right.
func (out *printer) markdownTable(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				out.WriteString("| " + cell + gap)
			} else {
				out.WriteString(" | " + gap + cell)
			}
		}
		out.WriteString(" |\n")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			if i == 0 {
				out.WriteString("|" + strings.Repeat("-", width+2))
			} else {
				out.WriteString("|" + strings.Repeat("-", width+1) + ":")
			}
		}
		out.WriteString("|\n")
	}
}
