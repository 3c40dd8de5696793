// Package screen opens terminals and records what they display.
package screen

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/testing/lacking"

	"golang.org/x/sys/unix"
)

// Pair returns a terminal of a size, and what reads all that is written to it, codes for
// colours included, until it is closed.
func Pair(t *testing.T, width, height int) (terminal, master *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		lacking.Skip(t, "there are no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	controlled := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err != nil {
			return
		}
		if err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)}); err != nil {
			return
		}
		number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	})
	if controlled != nil || err != nil {
		t.Fatal(controlled, err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, master
}

// Open returns a terminal of a size, and a function that returns what it shows
// in the end: lines, and what of them is coloured.
func Open(t *testing.T, width, height int) (terminal *os.File, shown func() *Display) {
	t.Helper()
	terminal, master := Pair(t, width, height)
	d := &Display{width: width, height: height, Cursor: true, Wraps: true}
	drawn := make(chan error, 1)
	go func() { drawn <- d.draw(bufio.NewReader(master)) }()
	return terminal, func() *Display {
		t.Helper()
		terminal.Close()
		if err := <-drawn; err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// Fits reports what a program prints on a terminal of 80 columns in lines that are longer.
func Fits(t *testing.T, args []string, run func(args []string, stdout, stderr io.Writer) int) {
	t.Helper()
	t.Setenv("TERM", "xterm")
	terminal, shown := Open(t, 80, 500)
	run(args, terminal, terminal)
	if d := shown(); d.Broken > 0 || len(d.lines) == 0 {
		t.Errorf("%q: %d lines are too long:\n%s", args, d.Broken, d)
	}
}

// Bounded reports a program that repeats in an error more than the beginning and the end of an
// argument, with 100 kB in place of LONG: in one word, and in many.
func Bounded(t *testing.T, args []string, run func(args []string, stdout, stderr io.Writer) int) {
	t.Helper()
	for _, word := range []string{"a", "ab "} {
		long := slices.Clone(args)
		for i := range long {
			long[i] = strings.ReplaceAll(long[i], "LONG", strings.Repeat(word, 100_000/len(word)))
		}
		var text strings.Builder
		code := run(long, &text, &text)
		if size := text.Len(); code == 0 || size == 0 || size > 5000 {
			t.Errorf("%q: exit status %d, with %d bytes of text: %.300s", args, code, size, &text)
		}
	}
}

// Display is the content of a terminal, as far as tests need it.
type Display struct {
	width, height int
	lines         [][]rune // including those scrolled off the top
	row, column   int
	Cursor, Wraps bool
	Colours       int // how often a colour was set
	Broken        int // how many lines were too long, so that the terminal broke them
}

// draw displays what is written to the terminal, until the terminal is closed.
func (d *Display) draw(r *bufio.Reader) error {
	for {
		c, _, err := r.ReadRune()
		if err != nil { // Linux reports this when nobody has the terminal open
			return nil
		}
		switch c {
		case '\n':
			d.row++
		case '\r':
			d.column = 0
		case '\x1b':
			if err := d.escape(r); err != nil {
				return err
			}
		default:
			d.grow()
			if d.column == d.width && !d.Wraps {
				d.column--
			} else if d.column == d.width {
				d.row, d.column = d.row+1, 0
				d.Broken++
				d.grow()
			}
			line := d.lines[d.row]
			for len(line) <= d.column {
				line = append(line, ' ')
			}
			line[d.column] = c
			d.lines[d.row] = line
			d.column++
		}
	}
}

// grow adds lines down to the cursor.
func (d *Display) grow() {
	for len(d.lines) <= d.row {
		d.lines = append(d.lines, nil)
	}
}

// escape carries out an escape sequence.
func (d *Display) escape(r *bufio.Reader) error {
	var text strings.Builder
	for {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		text.WriteByte(c)
		if c != '[' && c >= '@' {
			break
		}
	}
	d.grow()
	sequence := text.String()
	var n int
	switch {
	case sequence == "[K":
		d.lines[d.row] = d.lines[d.row][:min(d.column, len(d.lines[d.row]))]
	case sequence == "[J":
		d.lines = d.lines[:d.row]
	case strings.HasSuffix(sequence, "m"):
		d.Colours++
	case strings.HasSuffix(sequence, "A"):
		if _, err := fmt.Sscanf(sequence, "[%dA", &n); err != nil {
			return err
		}
		// The cursor stops at the top.
		d.row = max(d.row-n, len(d.lines)-d.height, 0)
	case sequence == "[?7l", sequence == "[?7h":
		d.Wraps = sequence == "[?7h"
	case sequence == "[?25l", sequence == "[?25h":
		d.Cursor = sequence == "[?25h"
	default:
		return fmt.Errorf("unexpected sequence %q", sequence)
	}
	return nil
}

func (d *Display) String() string {
	var text strings.Builder
	for _, line := range d.lines {
		text.WriteString(string(line) + "\n")
	}
	return text.String()
}
