package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// patience is how long a person waits without a word.
const patience = 2 * time.Second

// Patient shows a text on a terminal with the elapsed time, once that exceeds two seconds, until
// the returned function is called.
func Patient(stderr io.Writer, what string) (done func()) {
	say, done := Steps(stderr)
	say(what)
	return done
}

// Steps is Patient for work of several steps: say tells which one begins, from any
// goroutine. done clears the line; it must be called before anything else is printed, and
// may be called again.
func Steps(stderr io.Writer) (say func(step string), done func()) {
	if !IsTerminal(stderr) || os.Getenv("TERM") == "dumb" {
		return func(string) {}, func() {}
	}
	ticker := time.NewTicker(time.Second)
	say, end := follow(stderr, Width(stderr), time.Now(), ticker.C)
	return say, func() { ticker.Stop(); end() }
}

// follow shows the present step at each tick, in one line of less than width columns, once
// the work has taken longer than a person waits.
func follow(w io.Writer, width int, begin time.Time, ticks <-chan time.Time) (say func(string), done func()) {
	var (
		mutex   sync.Mutex
		present string
	)
	ended, cleared := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(cleared)
		shown := false
		for {
			select {
			case <-ended:
				if shown {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			case now := <-ticks:
				took := now.Sub(begin)
				if took < patience {
					continue
				}
				mutex.Lock()
				line := []rune(Printable(fmt.Sprintf("%d s: %s", took/time.Second, present)))
				mutex.Unlock()
				if width > 0 { // a line that goes on in the next could not be cleared
					line = line[:min(len(line), width-1)]
				}
				fmt.Fprintf(w, "\r\x1b[K%s", string(line))
				shown = true
			}
		}
	}()
	say = func(step string) {
		mutex.Lock()
		defer mutex.Unlock()
		present = step
	}
	return say, sync.OnceFunc(func() {
		close(ended)
		<-cleared
	})
}
