// Package terminal prints for people: colours, tables, a redrawn screen, a progress line. It
// escapes characters that a terminal would interpret as commands.
package terminal

import (
	"io"
	"os"
	"strconv"
)

// Tone is the colour or weight of a text, as a terminal's code.
type Tone string

const (
	Plain  Tone = ""
	Strong Tone = "1"
	Faint  Tone = "2"
	Bad    Tone = "31"
	Good   Tone = "32"
	Warn   Tone = "33"
)

// Style says whether texts are coloured.
type Style bool

// StyleFor returns a style with colours for a terminal, and without for any other writer.
func StyleFor(w io.Writer) Style {
	return Style(IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// Paint returns the text with its tone, if texts are coloured.
func (s Style) Paint(t Tone, text string) string {
	if !s || t == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(t) + "m" + text + "\x1b[0m"
}

// IsTerminal reports whether w is a character device.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Width returns the number of columns of a terminal, from the terminal or the environment
// variable COLUMNS, and 0 for any other writer.
func Width(w io.Writer) int {
	if !IsTerminal(w) {
		return 0
	}
	if width, _ := size(w.(*os.File)); width > 0 {
		return width
	}
	width, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil || width < 0 {
		return 0
	}
	return width
}
