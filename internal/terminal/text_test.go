package terminal

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "",
		"plain text é 日本":  "plain text é 日本",
		"a\x1b[31mb":       `a\x1b[31mb`,
		"a\nb\tc":          `a\nb\tc`,
		"\u009b\u202e\x7f": `\u009b\u202e\x7f`,
		"a\xffb\ufffd":     "a\\xffb\ufffd",
		`a"b\c`:            `a"b\c`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	table := Table{Noun: "things", Head: []string{"A", "LONGER", "C"}}
	table.Row("é", 1, Cell{"x\n", Bad})
	table.Row("wide text", "", "")
	want := []string{
		"A          LONGER  C",
		"é          1       x\\n",
		"wide text",
	}
	if diff := cmp.Diff(want, table.Lines(false)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	coloured := table.Lines(true)
	if want := "é          1       \x1b[31mx\\n\x1b[0m"; coloured[1] != want {
		t.Errorf("coloured: got %q, want %q", coloured[1], want)
	}
	if got := table.Brief(); got != "2 things" {
		t.Errorf("brief: %q", got)
	}
	table.Rows = table.Rows[:1]
	if got := table.Brief(); got != "1 thing" {
		t.Errorf("brief: %q", got)
	}
	if got := Listing("lines", "all of it").Brief(); got != "all of it" {
		t.Errorf("brief: %q", got)
	}
}
