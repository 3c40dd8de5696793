package terminal

import (
	"fmt"
	"io"
)

// Progress returns a function that shows on a terminal what is going on, in one
// line that an empty text clears.
func Progress(stderr io.Writer) func(string) {
	if !IsTerminal(stderr) {
		return func(string) {}
	}
	return func(text string) { fmt.Fprintf(stderr, "\r\x1b[K%s", text) }
}
