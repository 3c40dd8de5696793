package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Screen shows a text on a terminal and later replaces it.
type Screen struct {
	terminal *os.File
	shown    int // how many lines are shown above the cursor
}

// NewScreen returns a screen, or nil if w is not a terminal. Close it after use.
func NewScreen(w io.Writer) *Screen {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return nil
	}
	s := &Screen{terminal: file}
	if _, height := s.Size(); height == 0 {
		return nil
	}
	// Hides the cursor and cuts long lines, so that each takes one line.
	fmt.Fprint(file, "\x1b[?25l\x1b[?7l")
	return s
}

// Size returns the number of columns and lines, or 0 without a terminal.
func (s *Screen) Size() (width, height int) { return size(s.terminal) }

func size(terminal *os.File) (width, height int) {
	size, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(size.Col), int(size.Row)
}

// Show replaces the text. It shows as many lines as there is room for.
func (s *Screen) Show(text string) error {
	_, height := s.Size()
	return s.replace(slices.Collect(strings.Lines(text)), height-1) // the cursor needs a line
}

// Close shows a last text completely, and restores the terminal.
func (s *Screen) Close(text string) error {
	lines := slices.Collect(strings.Lines(text))
	err := s.replace(lines, len(lines))
	_, failed := fmt.Fprint(s.terminal, "\x1b[?7h\x1b[?25h")
	return errors.Join(err, failed)
}

func (s *Screen) replace(lines []string, room int) error {
	var out strings.Builder
	if s.shown > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", s.shown)
	}
	lines = lines[:min(len(lines), max(room, 0))]
	for _, line := range lines {
		out.WriteString("\r" + strings.TrimSuffix(line, "\n") + "\x1b[K\n")
	}
	out.WriteString("\x1b[J")
	s.shown = len(lines)
	_, err := s.terminal.WriteString(out.String())
	return err
}
