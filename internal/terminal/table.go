package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Cell is a text in a table.
type Cell struct {
	Text string
	Tone Tone
}

// Cell returns a cell with a text in this tone.
func (t Tone) Cell(text string) Cell { return Cell{text, t} }

// Table is what people see of an answer: rows of cells below headings, or, without
// headings, lines.
type Table struct {
	Noun string // what the rows are, in the plural
	Head []string
	Rows [][]Cell
}

// Row adds a row, each of whose cells is a string, a cell, or anything that
// fmt.Sprint makes a text of.
func (t *Table) Row(cells ...any) {
	row := make([]Cell, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case Cell:
			row[i] = c
		default:
			row[i] = Cell{Text: fmt.Sprint(c)}
		}
	}
	t.Rows = append(t.Rows, row)
}

// Listing returns a table of lines.
func Listing(noun string, lines ...string) Table {
	t := Table{Noun: noun}
	for _, line := range lines {
		t.Row(line)
	}
	return t
}

// Brief returns what fits into one cell of another table.
func (t Table) Brief() string {
	switch {
	case t.Head == nil && len(t.Rows) == 1 && len(t.Rows[0]) == 1:
		return t.Rows[0][0].Text
	case len(t.Rows) == 1:
		return "1 " + strings.TrimSuffix(t.Noun, "s")
	}
	return fmt.Sprintf("%d %s", len(t.Rows), t.Noun)
}

// Lines lays the table out.
func (t Table) Lines(style Style) []string {
	rows := t.Rows
	if t.Head != nil {
		head := make([]Cell, len(t.Head))
		for i, text := range t.Head {
			head[i] = Cell{text, Strong}
		}
		rows = append([][]Cell{head}, rows...)
	}
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(Printable(c.Text)))
		}
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		var line strings.Builder
		gap := 0 // before the next text
		for j, c := range row {
			text := Printable(c.Text)
			if text != "" {
				line.WriteString(strings.Repeat(" ", gap) + style.Paint(c.Tone, text))
				gap = 0
			}
			gap += widths[j] - utf8.RuneCountInString(text) + 2
		}
		lines[i] = line.String()
	}
	return lines
}

// Write prints the table.
func (t Table) Write(w io.Writer) error {
	return WriteLines(w, t.Lines(StyleFor(w)))
}

// WriteLines prints lines, each with a line feed.
func WriteLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// Columns puts as many equally wide texts into each line as fit into width.
func Columns(texts []string, width int) []string {
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
