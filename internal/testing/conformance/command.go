package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gntconfd/internal/testing/vectors"
	"gntconfd/internal/udp"
)

// Command returns how to start an implementation as a program. In its arguments {config},
// {key}, {port}, {root}, {dialect} and {clock} stand for the values of the environment
// variables CONFD_CONFIG, CONFD_KEY, CONFD_PORT, GANETI_ROOTDIR, CONFD_DIALECT and
// CONFD_CLOCK. It must listen on 127.0.0.1, stay in the foreground, and exit on SIGTERM.
// The error means that there is no such program, or no such word in braces.
func Command(args ...string) (Start, error) {
	program, err := exec.LookPath(args[0])
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return nil, fmt.Errorf("cannot start %s: %w", args[0], path.Err)
	} else if err != nil {
		return nil, err
	}
	for _, arg := range args[1:] {
		for _, word := range placeholder.FindAllString(arg, -1) {
			if !slices.Contains(placeholders, word) {
				return nil, fmt.Errorf("%s in the command %.100q stands for nothing: use %s", word, arg, strings.Join(placeholders, ", "))
			}
		}
	}
	return func(ctx context.Context, s Setup) (*Server, error) {
		return startCommand(ctx, program, args, s)
	}, nil
}

// placeholder matches what looks like a word in braces that stands for a value.
var placeholder = regexp.MustCompile(`\{[A-Za-z_]+\}`)

// placeholders are the words in braces that do.
var placeholders = []string{"{config}", "{key}", "{port}", "{root}", "{dialect}", "{clock}"}

func startCommand(ctx context.Context, program string, args []string, s Setup) (_ *Server, err error) {
	root, err := writeFiles(s)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(filepath.Dir(root)))
		}
	}()
	addr, err := udp.FreePort()
	if err != nil {
		return nil, err
	}
	values := map[string]string{
		"config":  configFile(root),
		"key":     keyFile(root),
		"port":    strconv.Itoa(int(addr.Port())),
		"root":    root,
		"dialect": s.Dialect,
		"clock":   "",
	}
	if s.Clock != 0 {
		values["clock"] = strconv.FormatInt(s.Clock, 10)
	}
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "{"+name+"}", value)
	}
	replacer := strings.NewReplacer(pairs...)
	command := exec.Command(program)
	for _, arg := range args[1:] {
		command.Args = append(command.Args, replacer.Replace(arg))
	}
	command.Env = append(os.Environ(),
		"GANETI_ROOTDIR="+root, "GANETI_HOSTNAME="+filepath.Base(root), "LC_ALL=C.UTF-8",
		"CONFD_CONFIG="+values["config"], "CONFD_KEY="+values["key"], "CONFD_PORT="+values["port"],
		"CONFD_DIALECT="+s.Dialect, "CONFD_CLOCK="+values["clock"])
	var output tail
	command.Stdout, command.Stderr = &output, &output
	// Children that keep the output open must not block the suite.
	command.WaitDelay = stopPatience
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		command.Wait()
		cancel(fmt.Errorf("the daemon exited: %s%s", command.ProcessState, &output))
	}()
	server := &Server{
		Context: ctx,
		Root:    root,
		Target: vectors.Target{
			Addr: addr, Key: s.Key, Config: values["config"], Clock: s.Clock,
		},
		Stop: func() error {
			// Signal the whole group: a shell does not pass signals on.
			syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
			select {
			case <-ended:
			case <-time.After(stopPatience):
				syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
				<-ended
			}
			return os.RemoveAll(filepath.Dir(root))
		},
	}
	if err := server.ready(s); err != nil {
		if errors.Is(err, vectors.ErrDeaf) {
			err = fmt.Errorf("%w%s", err, &output)
		}
		return nil, errors.Join(err, server.Stop())
	}
	return server, nil
}

// stopPatience is how long a program may take to exit.
const stopPatience = 5 * time.Second

// writeFiles creates a folder that looks like the root of a node, with the key and, if
// there is one, the configuration. Its name is the node's name.
func writeFiles(s Setup) (string, error) {
	dir, err := os.MkdirTemp("", "confd-conformance")
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, "node1.example.com")
	for _, name := range []string{"var/lib/ganeti", "var/run/ganeti", "var/log/ganeti"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(keyFile(root), s.Key, 0o600); err != nil {
		return "", err
	}
	if s.Config == nil {
		return root, nil
	}
	return root, os.WriteFile(configFile(root), s.Config, 0o600)
}

func configFile(root string) string { return filepath.Join(root, "var/lib/ganeti/config.data") }
func keyFile(root string) string    { return filepath.Join(root, "var/lib/ganeti/hmac.key") }

// tail keeps the end of what a program writes.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// String returns what was written, for the end of a sentence about the program.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := bytes.TrimSpace(t.text); len(text) > 0 {
		return fmt.Sprintf("; it wrote: %s", text)
	}
	return ""
}
