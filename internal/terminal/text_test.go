package terminal

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gntconfd/internal/testing/screen"
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
	if diff := cmp.Diff(want, table.Lines(false, 0)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	coloured := table.Lines(true, 0)
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

// TestNarrowTable: on a narrow terminal spare columns go first, which a note says, and
// then there is a line for each cell, and nothing is lost.
func TestNarrowTable(t *testing.T) {
	table := Table{Head: []string{"NAME", "UUID", "TEXT"}, Spare: []string{"UUID", "NOWHERE"}}
	table.Row("node1", strings.Repeat("x", 36), "one two three four")
	for width, want := range map[int][]string{
		0:  {"NAME   UUID                                  TEXT", "node1  " + strings.Repeat("x", 36) + "  one two three four"},
		63: {"NAME   UUID                                  TEXT", "node1  " + strings.Repeat("x", 36) + "  one two three four"},
		62: {"NAME   TEXT", "node1  one two three four"},
		20: {"NAME  node1", "UUID  xxxxxxxxxxxxxx", "      xxxxxxxxxxxxxx", "      xxxxxxxx", "TEXT  one two three", "      four"},
		3: slices.Concat([]string{"NAME  n", "      o", "      d", "      e", "      1", "UUID  x"}, slices.Repeat([]string{"      x"}, 35), []string{"TEXT  o", "      n", "      e", "      t", "      w", "      o",
			"      t", "      h", "      r", "      e", "      e", "      f", "      o", "      u", "      r"}),
	} {
		if diff := cmp.Diff(want, table.Lines(false, width)); diff != "" {
			t.Errorf("%d columns (-want +got):\n%s", width, diff)
		}
		var note []string
		if width == 62 {
			note = []string{"A wider terminal also shows UUID."}
		}
		if diff := cmp.Diff(slices.Concat(want, note), table.NotedLines(false, width)); diff != "" {
			t.Errorf("%d columns, noted (-want +got):\n%s", width, diff)
		}
	}
}

// TestWholeWords: an address is never broken where a line of its own has room for it.
func TestWholeWords(t *testing.T) {
	table := Table{Head: []string{"INSTANCE", "ADDRESSES"}}
	table.Row("archive.example.org", "2001:db8:2::40 2001:db8:1234:5678:9abc:def0:1:1")
	for width, want := range map[int][]string{
		56: {"INSTANCE             ADDRESSES", "archive.example.org  2001:db8:2::40", "                     2001:db8:1234:5678:9abc:def0:1:1"},
		50: {"INSTANCE   archive.example.org", "ADDRESSES  2001:db8:2::40", "           2001:db8:1234:5678:9abc:def0:1:1"},
	} {
		if diff := cmp.Diff(want, table.Lines(false, width)); diff != "" {
			t.Errorf("%d columns (-want +got):\n%s", width, diff)
		}
	}
}

// TestSay: what goes on in the next line stays indented.
func TestSay(t *testing.T) {
	t.Setenv("TERM", "xterm")
	terminal, shown := screen.Open(t, 30, 24)
	Say(terminal, "confdctl: no reply\n  Check that\n  - it runs there, with no firewall in between;\n  - the clocks agree.\n")
	want := []string{"confdctl: no reply", "  Check that", "  - it runs there, with no", "    firewall in between;", "  - the clocks agree.", ""}
	if diff := cmp.Diff(strings.Join(want, "\n"), shown().String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var text strings.Builder
	Say(&text, "- a line\nanother")
	if text.String() != "- a line\nanother\n" {
		t.Errorf("in a file: %q", text.String())
	}
}

// TestWrappedTable: cells that are a little too long go on in the next line.
func TestWrappedTable(t *testing.T) {
	table := Table{Head: []string{"A", "TEXT"}}
	table.Row("1", strings.Repeat("word ", 9))
	table.Row("2", "short")
	want := []string{"A  TEXT", "1  word word word word word", "   word word word word", "2  short"}
	if diff := cmp.Diff(want, table.Lines(false, 28)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = []string{"A     1", "TEXT  word word", "      word word", "      word word", "      word word", "      word", "", "A     2", "TEXT  short"}
	if diff := cmp.Diff(want, table.Lines(false, 16)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":               {""},
		"short":          {"short"},
		"exactly ten":    {"exactly", "ten"},
		"a b c d e f g":  {"a b c d e", "f g"},
		"abcdefghijklmn": {"abcdefghij", "klmn"},
		"é abcdefghijkl": {"é", "abcdefghij", "kl"},
	} {
		if diff := cmp.Diff(want, Wrap(text, 10)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestMarkdown(t *testing.T) {
	table := Table{Head: []string{"A", "B"}}
	table.Row("a|b", "c\x1b")
	want := []string{"| A | B |", "| --- | --- |", `| a\|b | c\x1b |`}
	if diff := cmp.Diff(want, table.Markdown()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"```", "one", "```"}, Listing("lines", "one").Markdown()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestFit(t *testing.T) {
	const text = `A paragraph with a line that is just a little too long
for it.

Short one.

Flags:
      --all          all of them, however many there are
  example that is long and stays as it is
`
	const want = `A paragraph with a line that is just a
little too long for it.

Short one.

Flags:
      --all          all of them, however
                     many there are
  example that is long and stays as it is
`
	if diff := cmp.Diff(want, Fit(text, 42)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if Fit(text, 0) != text || Fit(text, 80) != text {
		t.Error("a text that fits, or a file, is not left alone")
	}
}

// TestBounded: of a long word, and of a long text, the beginning and the end are left.
func TestBounded(t *testing.T) {
	const short = "open /var/lib/ganeti/hmac.key: no such file"
	if Bounded(short) != short {
		t.Errorf("%q is not left alone", short)
	}
	for name, text := range map[string]string{
		"a word": "first " + strings.Repeat("a", 100_000) + "\n last", "words": "first " + strings.Repeat("ab ", 100_000) + "\n last",
		"letters of several bytes": "first " + strings.Repeat("ä", 100_000) + "\n last", "not UTF-8": "first " + strings.Repeat("\xff", 100_000) + "\n last",
	} {
		got := Bounded(text)
		if !strings.HasPrefix(got, "first ") || !strings.HasSuffix(got, "\n last") || utf8.RuneCountInString(got) > longestText {
			t.Errorf("%s: %d characters: %.400s", name, utf8.RuneCountInString(got), got)
		}
	}
}
