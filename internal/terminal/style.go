// Package terminal prints for people: colours, tables, a redrawn screen, a progress line.
// It escapes what a terminal would take for a command.
package terminal

import (
	"io"
	"os"
	"strconv"
)

// Tone is the colour or weight of a text, as the code that a terminal has for it.
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

// StyleFor returns colours for a terminal and plain text for all else.
func StyleFor(w io.Writer) Style {
	return Style(IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// Paint returns the text, with its tone if texts are coloured.
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

// Width returns how many columns a terminal has, by its own word or that of the
// environment variable COLUMNS, and 0 for all else.
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
