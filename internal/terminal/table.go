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

// Table is a table for people: rows of cells below headings or, without headings, lines.
type Table struct {
	Noun string // what the rows are, in the plural
	Head []string
	Rows [][]Cell
	// Spare are the headings of the columns that a narrow terminal omits, in this order.
	Spare []string
}

// Row adds a row. Each cell is a string, a Cell, or a value that fmt.Sprint formats.
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

// Brief returns a text for one cell of another table, or for a line.
func (t Table) Brief() string {
	switch {
	case t.Head == nil && len(t.Rows) == 1 && len(t.Rows[0]) == 1:
		return Printable(t.Rows[0][0].Text)
	case len(t.Rows) == 1:
		return "1 " + strings.TrimSuffix(t.Noun, "s")
	}
	return fmt.Sprintf("%d %s", len(t.Rows), t.Noun)
}

// gap is the number of columns between two cells.
const gap = 2

// Lines lays the table out in at most width columns, or as many as it takes if width is
// 0: first without spare columns, then with cells that go on in the next line between two
// words, and at last with a line for each cell, spare ones too. Lines without headings
// keep their length.
func (t Table) Lines(style Style, width int) []string {
	if t.Head == nil {
		return layOut(t.Rows, nil, style)
	}
	rows, widths := t.fit(width)
	if rows == nil {
		return upright(t.all(), style, width)
	}
	return layOut(rows, widths, style)
}

// NotedLines returns the lines of the table, and below which spare columns have no room.
func (t Table) NotedLines(style Style, width int) []string {
	lines := t.Lines(style, width)
	rows, _ := t.fit(width)
	if rows == nil {
		return lines
	}
	missing := slices.DeleteFunc(slices.Clone(t.Head), func(name string) bool {
		return slices.ContainsFunc(rows[0], func(c Cell) bool { return c.Text == name })
	})
	if len(missing) == 0 {
		return lines
	}
	for _, line := range Wrap("A wider terminal also shows "+strings.Join(missing, ", ")+".", width) {
		lines = append(lines, style.Paint(Faint, line))
	}
	return lines
}

// all returns the rows, the headings before them.
func (t Table) all() [][]Cell {
	head := make([]Cell, len(t.Head))
	for i, text := range t.Head {
		head[i] = Strong.Cell(text)
	}
	return append([][]Cell{head}, t.Rows...)
}

// fit returns the rows and the columns' widths in a table of at most width columns, or nil
// when there is room for a line for each cell only.
func (t Table) fit(width int) (rows [][]Cell, widths []int) {
	if t.Head == nil {
		return nil, nil
	}
	rows = t.all()
	widths = widest(rows)
	for _, name := range t.Spare {
		i := slices.IndexFunc(rows[0], func(c Cell) bool { return c.Text == name })
		if width == 0 || total(widths) <= width || i < 0 {
			continue
		}
		rows = without(rows, i)
		widths = slices.Delete(widths, i, i+1)
	}
	if width == 0 || total(widths) <= width {
		return rows, widths
	}
	least := narrowest(rows, width)
	for total(widths) > width {
		room := -1 // the widest of the columns that can be narrower
		for i := range widths {
			if widths[i] > least[i] && (room < 0 || widths[i] > widths[room]) {
				room = i
			}
		}
		if room < 0 {
			return nil, nil
		}
		widths[room] = max(least[room], widths[room]-(total(widths)-width))
	}
	return rows, widths
}

// narrow is how narrow a column of words may become.
const narrow = 20

// narrowest returns how narrow each column may become by wrapping its cells: to 20,
// and to its longest word, so that a name or an address stays whole, unless that has no room
// in a line of its own either.
func narrowest(rows [][]Cell, width int) []int {
	room := width - gap
	for _, c := range rows[0] {
		room = min(room, width-gap-utf8.RuneCountInString(c.Text))
	}
	least := widest(rows)
	for i := range least {
		word := 0
		for _, row := range rows {
			if i < len(row) {
				for _, text := range strings.Fields(row[i].Text) {
					if size := utf8.RuneCountInString(text); size <= room {
						word = max(word, size)
					}
				}
			}
		}
		least[i] = min(least[i], max(word, narrow))
	}
	return least
}

// upright returns the lines of a table that has a line for each cell, after its heading, and an
// empty line between rows.
func upright(rows [][]Cell, style Style, width int) []string {
	var lines []string
	for i, row := range rows[1:] {
		if i > 0 {
			lines = append(lines, "")
		}
		var pairs [][]Cell
		for j, c := range row {
			pairs = append(pairs, []Cell{rows[0][j], c})
		}
		widths := widest(pairs)
		widths[1] = max(1, min(widths[1], width-widths[0]-gap))
		lines = append(lines, layOut(pairs, widths, style)...)
	}
	return lines
}

// Without returns the table without the column with a heading.
func (t Table) Without(heading string) Table {
	if i := slices.Index(t.Head, heading); i >= 0 {
		t.Head = slices.Delete(slices.Clone(t.Head), i, i+1)
		t.Rows = without(t.Rows, i)
	}
	return t
}

// widest returns the width of the widest cell in each column.
func widest(rows [][]Cell) []int {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(Printable(c.Text)))
		}
	}
	return widths
}

// total returns the width of a table.
func total(widths []int) int {
	sum := -gap
	for _, w := range widths {
		sum += w + gap
	}
	return sum
}

// without returns the rows without one column.
func without(rows [][]Cell, column int) [][]Cell {
	left := make([][]Cell, len(rows))
	for i, row := range rows {
		left[i] = row
		if column < len(row) {
			left[i] = slices.Delete(slices.Clone(row), column, column+1)
		}
	}
	return left
}

// layOut returns the lines of rows. Cells wider than their column are wrapped; without widths
// there are none.
func layOut(rows [][]Cell, widths []int, style Style) []string {
	if widths == nil {
		widths = widest(rows)
	}
	var lines []string
	for _, row := range rows {
		parts := make([][]string, len(row))
		height := 1
		for i, c := range row {
			parts[i] = Wrap(Printable(c.Text), widths[i])
			height = max(height, len(parts[i]))
		}
		for n := range height {
			var line strings.Builder
			room := 0 // before the next text
			for i, c := range row {
				text := ""
				if n < len(parts[i]) {
					text = parts[i][n]
				}
				if text != "" {
					line.WriteString(strings.Repeat(" ", room) + style.Paint(c.Tone, text))
					room = 0
				}
				room += widths[i] - utf8.RuneCountInString(text) + gap
			}
			lines = append(lines, line.String())
		}
	}
	return lines
}

// Wrap breaks a text into lines of at most width columns, at spaces and within words that are
// longer.
func Wrap(text string, width int) []string {
	if utf8.RuneCountInString(text) <= width || width < 1 {
		return []string{text}
	}
	var lines []string
	line := []rune{}
	for _, word := range strings.Fields(text) {
		letters := []rune(word)
		if len(line) > 0 && len(line)+1+len(letters) <= width {
			line = append(append(line, ' '), letters...)
			continue
		}
		if len(line) > 0 {
			lines = append(lines, string(line))
		}
		for len(letters) > width {
			lines = append(lines, string(letters[:width]))
			letters = letters[width:]
		}
		line = letters
	}
	return append(lines, string(line))
}

// Write prints the table, on a terminal in its width, and what has no room there.
func (t Table) Write(w io.Writer) error {
	return WriteLines(w, t.NotedLines(StyleFor(w), Width(w)))
}

// Markdown returns the table in Markdown, without headings as lines of code.
func (t Table) Markdown() []string {
	if t.Head == nil {
		lines := []string{"```"}
		return append(append(lines, t.Lines(false, 0)...), "```")
	}
	escape := strings.NewReplacer("|", `\|`, "\n", "<br>")
	line := func(texts []string) string { return "| " + strings.Join(texts, " | ") + " |" }
	lines := []string{line(t.Head), "|" + strings.Repeat(" --- |", len(t.Head))}
	for _, row := range t.Rows {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = Printable(escape.Replace(c.Text))
		}
		lines = append(lines, line(texts))
	}
	return lines
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

// Columns puts as many texts into each line as fit into width, all equally wide.
func Columns(texts []string, width int) []string {
	cell := 0
	cells := make([]string, len(texts))
	for i, text := range texts {
		cells[i] = Printable(text)
		cell = max(cell, utf8.RuneCountInString(cells[i])+2)
	}
	var lines []string
	for row := range slices.Chunk(cells, max(1, (width+2)/cell)) {
		line := ""
		for _, text := range row {
			line += fmt.Sprintf("%-*s", cell, text)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}
