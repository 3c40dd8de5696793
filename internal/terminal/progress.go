package terminal

import (
	"fmt"
	"io"
	"os"
	"time"
)

// Progress returns a function that shows its text in one line of a terminal; an empty text
// clears the line.
func Progress(stderr io.Writer) func(string) {
	if !IsTerminal(stderr) || os.Getenv("TERM") == "dumb" {
		return func(string) {}
	}
	return func(text string) { fmt.Fprintf(stderr, "\r\x1b[K%s", text) }
}

// patience is how long a user waits before the progress is shown.
const patience = 2 * time.Second

// Patient shows a text on a terminal with the elapsed time, once that exceeds two seconds, until
// the returned function is called.
func Patient(stderr io.Writer, what string) (done func()) {
	show := Progress(stderr)
	begin := time.Now()
	ended, cleared := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(cleared)
		due := time.NewTicker(time.Second)
		defer due.Stop()
		shown := false
		for {
			select {
			case <-ended:
				if shown {
					show("")
				}
				return
			case now := <-due.C:
				if took := now.Sub(begin); took >= patience {
					show(fmt.Sprintf("%s, %d s", what, took/time.Second))
					shown = true
				}
			}
		}
	}()
	return func() {
		close(ended)
		<-cleared
	}
}
