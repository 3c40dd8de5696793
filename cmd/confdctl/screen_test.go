package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns a terminal of a size, and a function that returns what it shows
// in the end: lines, and what of them is coloured.
func openTerminal(t *testing.T, width, height int) (terminal *os.File, shown func() *display) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		if os.Getenv("CONFD_INTEROP") == "require" {
			t.Fatal(err)
		}
		t.Skipf("there are no terminals here: %v", err)
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
	d := &display{width: width, height: height, cursor: true, wraps: true}
	drawn := make(chan error, 1)
	go func() { drawn <- d.draw(bufio.NewReader(master)) }()
	return terminal, func() *display {
		t.Helper()
		terminal.Close()
		if err := <-drawn; err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// display is what a terminal shows, as far as it is needed here.
type display struct {
	width, height int
	lines         [][]rune // with those that have left it at its top
	row, column   int
	cursor, wraps bool
	colours       int // how often there were any
}

// draw takes in what is written to the terminal, until that is closed.
func (d *display) draw(r *bufio.Reader) error {
	for {
		c, _, err := r.ReadRune()
		if err != nil { // which is how Linux tells that nobody has the terminal open
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
			if d.column == d.width && !d.wraps {
				d.column--
			} else if d.column == d.width {
				d.row, d.column = d.row+1, 0
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

// grow makes sure that there is a line where the cursor is.
func (d *display) grow() {
	for len(d.lines) <= d.row {
		d.lines = append(d.lines, nil)
	}
}

// escape obeys the rest of an escape sequence.
func (d *display) escape(r *bufio.Reader) error {
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
		d.colours++
	case strings.HasSuffix(sequence, "A"):
		if _, err := fmt.Sscanf(sequence, "[%dA", &n); err != nil {
			return err
		}
		// The cursor stops at the top.
		d.row = max(d.row-n, len(d.lines)-d.height, 0)
	case sequence == "[?7l", sequence == "[?7h":
		d.wraps = sequence == "[?7h"
	case sequence == "[?25l", sequence == "[?25h":
		d.cursor = sequence == "[?25h"
	default:
		return fmt.Errorf("unexpected sequence %q", sequence)
	}
	return nil
}

func (d *display) String() string {
	var text strings.Builder
	for _, line := range d.lines {
		text.WriteString(string(line) + "\n")
	}
	return text.String()
}

func TestScreen(t *testing.T) {
	t.Setenv("TERM", "linux")
	terminal, shown := openTerminal(t, 10, 4)
	fmt.Fprintln(terminal, "before")
	s := newScreen(terminal)
	for _, text := range []string{"one\n", "1\n2\n3\n4\n5\n6\n", "first\nsecond, which is long\n", "a\n\nb\n"} {
		if err := s.show(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close("the\nlast\nfour\nof\nthem\n"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(terminal, "after, with a long line")
	d := shown()
	const want = "before\nthe\nlast\nfour\nof\nthem\nafter, wit\nh a long l\nine\n"
	if d.String() != want || !d.cursor || !d.wraps {
		t.Errorf("shows\n%s\nwith cursor %t, long lines in full %t, not\n%s", d, d.cursor, d.wraps, want)
	}
}

func TestNoScreen(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	terminal, _ := openTerminal(t, 80, 24)
	t.Setenv("TERM", "dumb")
	for _, file := range []*os.File{w, null, terminal} {
		if newScreen(file) != nil {
			t.Errorf("%s has a screen", file.Name())
		}
	}
	if newScreen(&strings.Builder{}) != nil {
		t.Error("a text has a screen")
	}
}
