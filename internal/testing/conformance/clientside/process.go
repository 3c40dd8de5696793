package clientside

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

const (
	// patience is how much longer than its timeout a client may take. Only a failure uses
	// it up.
	patience = 10 * time.Second
	// zone is the time zone that clients run in: seconds since 1970 do not depend on it, so
	// a client that thinks they do is found on every machine.
	zone = "XST-5:45"
	// maxLine is the size of a client's longest line in bytes.
	maxLine = 1 << 20
)

// order tells a client what to ask: one line on its standard input.
type order struct {
	ID        string          `json:"id"`
	Servers   []string        `json:"servers"` // host:port
	Coverage  int             `json:"coverage"`
	Key       string          `json:"key"`
	Type      int64           `json:"type"`
	Query     json.RawMessage `json:"query"`
	TimeoutMS int64           `json:"timeout_ms"`
}

// line is a line of a client's standard output: first its features, then a report for every
// order.
type line struct {
	Features *[]string `json:"features"`
	ID       string    `json:"id"`
	Report
}

// process is a running client under test.
type process struct {
	command  *exec.Cmd
	stdin    io.WriteCloser
	lines    chan line     // closed at the end of its output
	trouble  error         // why lines was closed, unless at the end of the output
	released chan struct{} // closed when nobody reads lines any more
	features []string
	stderr   tail
}

// start runs a client and waits for its features.
func start(ctx context.Context, command []string) (*process, error) {
	p := &process{
		command:  exec.CommandContext(ctx, command[0], command[1:]...),
		lines:    make(chan line),
		released: make(chan struct{}),
	}
	p.command.Env = append(os.Environ(), "TZ="+zone)
	p.command.Stderr = &p.stderr
	p.command.WaitDelay = patience
	var err error
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go p.read(stdout)
	first, err := p.next(ctx, patience)
	switch {
	case errors.Is(err, errClosed):
		err = fmt.Errorf(`%w before its first line, {"features": [...]}`, err)
	case err == nil && first.Features == nil:
		err = errors.New(`its first line has no "features"`)
	}
	if err != nil {
		p.kill()
		return nil, p.withStderr(err)
	}
	p.features = *first.Features
	return p, nil
}

// read passes on the lines of the client's output.
func (p *process) read(stdout io.Reader) {
	defer close(p.lines)
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			p.trouble = fmt.Errorf("its line %.200q: %w", scanner.Bytes(), err)
			return
		}
		select {
		case p.lines <- l:
		case <-p.released:
			return
		}
	}
	p.trouble = scanner.Err()
}

// next waits for a line.
func (p *process) next(ctx context.Context, wait time.Duration) (line, error) {
	select {
	case l, ok := <-p.lines:
		if !ok {
			return l, p.ended()
		}
		return l, nil
	case <-time.After(wait):
		return line{}, fmt.Errorf("it wrote nothing for %v", wait)
	case <-ctx.Done():
		return line{}, ctx.Err()
	}
}

var errClosed = errors.New("it closed its output")

// ended returns why no more lines come.
func (p *process) ended() error {
	if p.trouble != nil {
		return p.trouble
	}
	return errClosed
}

// sendOrder sends the client an order.
func (p *process) sendOrder(o order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = p.stdin.Write(append(text, '\n'))
	return err
}

// kill kills a client that broke the contract.
func (p *process) kill() {
	close(p.released)
	p.stdin.Close()
	p.command.Process.Kill()
	p.command.Wait()
}

// stop stops the client as the contract says, by ending its input.
func (p *process) stop() error {
	close(p.released)
	p.stdin.Close()
	late := time.AfterFunc(patience, func() { p.command.Process.Kill() })
	defer late.Stop()
	if err := p.command.Wait(); err != nil {
		return p.withStderr(fmt.Errorf("at the end of its input: %w", err))
	}
	return nil
}

// withStderr adds to an error the client's name, its exit status if that may explain the error,
// and what it wrote to its standard error. The client must have exited.
func (p *process) withStderr(err error) error {
	err = fmt.Errorf("client %s: %w", p.command.Args[0], err)
	if state := p.command.ProcessState; errors.Is(err, errClosed) && state.Exited() {
		err = fmt.Errorf("%w; %v", err, state)
	}
	if len(p.stderr.text) > 0 {
		err = fmt.Errorf("%w; it wrote: %s", err, bytes.TrimSpace(p.stderr.text))
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	const limit = 2000
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-limit):]
	return len(p), nil
}
