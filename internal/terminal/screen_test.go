package terminal

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"gntconfd/internal/testing/screen"
)

func TestScreen(t *testing.T) {
	t.Setenv("TERM", "linux")
	terminal, shown := screen.Open(t, 10, 4)
	fmt.Fprintln(terminal, "before")
	s := NewScreen(terminal)
	for _, text := range []string{"one\n", "1\n2\n3\n4\n5\n6\n", "first\nsecond, which is long\n", "a\n\nb\n"} {
		if err := s.Show(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close("the\nlast\nfour\nof\nthem\n"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(terminal, "after, with a long line")
	d := shown()
	const want = "before\nthe\nlast\nfour\nof\nthem\nafter, wit\nh a long l\nine\n"
	if d.String() != want || !d.Cursor || !d.Wraps {
		t.Errorf("shows\n%s\nwith cursor %t, long lines in full %t, not\n%s", d, d.Cursor, d.Wraps, want)
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
	terminal, _ := screen.Open(t, 80, 24)
	t.Setenv("TERM", "dumb")
	for _, file := range []*os.File{w, null, terminal} {
		if NewScreen(file) != nil {
			t.Errorf("%s has a screen", file.Name())
		}
	}
	if NewScreen(&strings.Builder{}) != nil {
		t.Error("a text has a screen")
	}
}
