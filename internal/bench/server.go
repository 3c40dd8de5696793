package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gntconfd/client"
	"gntconfd/internal/udp"
)

// Server is what is measured: a daemon or an echo server.
type Server struct {
	Addr netip.AddrPort
	Key  []byte
	// PID is the server's process on this machine, or 0 if it is not known. Then CPU time and
	// memory are not known either.
	PID int

	echo bool

	// Of a server that was started:
	command *exec.Cmd
	output  strings.Builder
	config  string        // the file that it reads
	ended   chan struct{} // closed when the process has ended
	exit    error         // how it has ended
}

// A Command returns the command line of a server for a free port of 127.0.0.1.
// root is what it has for its GANETI_ROOTDIR.
type Command func(root, port string) *exec.Cmd

// ShellCommand returns the Command of a text for the shell, in which {root} and
// {port} are replaced.
func ShellCommand(text string) Command {
	return func(root, port string) *exec.Cmd {
		line := strings.NewReplacer("{root}", root, "{port}", port).Replace(text)
		// exec: the process must be the daemon, as it gets the signals and its CPU time is
		// measured.
		return exec.Command("sh", "-c", "exec "+line)
	}
}

// startPatience is how long a daemon may take for its first answer, or for a fresh
// one.
const startPatience = 2 * time.Minute

// firstPatience is how long a server that runs already may take for its first reply, at
// least.
const firstPatience = 2 * time.Second

// start runs a server with a configuration below dir, and waits until it answers
// what it is asked. It returns how long that took.
func start(ctx context.Context, command Command, dir string, config string, key []byte, echo bool) (*Server, time.Duration, error) {
	// Ganeti's clients and daemons take the last part for the host's name.
	const host = "node1"
	root := filepath.Join(dir, host)
	s := &Server{Key: key, echo: echo, config: filepath.Join(root, "var/lib/ganeti/config.data"), ended: make(chan struct{})}
	for _, sub := range []string{"var/lib/ganeti", "var/run/ganeti", "var/log/ganeti"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o755); err != nil {
			return nil, 0, err
		}
	}
	data, err := os.ReadFile(config)
	if err != nil {
		return nil, 0, err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(root, "var/lib/ganeti/hmac.key"), key, 0o600),
		os.WriteFile(s.config, data, 0o600))
	if err != nil {
		return nil, 0, err
	}
	if s.Addr, err = udp.FreePort(); err != nil {
		return nil, 0, err
	}
	s.command = command(root, strconv.Itoa(int(s.Addr.Port())))
	s.command.Env = append(os.Environ(), "GANETI_ROOTDIR="+root, "GANETI_HOSTNAME="+host)
	s.command.Stdout, s.command.Stderr = &s.output, &s.output
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := s.command.Start(); err != nil {
		return nil, 0, err
	}
	s.PID = s.command.Process.Pid
	alive, end := context.WithCancelCause(ctx)
	go func() {
		s.exit = fmt.Errorf("it ended: %w", cmp.Or(s.command.Wait(), errors.New("without an error")))
		end(s.exit)
		close(s.ended)
	}()
	if err := s.await(alive, func(int64) bool { return true }); err != nil {
		err = fmt.Errorf("%s: %w", s.command, err)
		if s.stop(); s.output.Len() > 0 {
			err = fmt.Errorf("%w; it wrote: %.2000s", err, s.output.String())
		}
		return nil, 0, err
	}
	return s, time.Since(begin), nil
}

// stop ends a server that was started.
func (s *Server) stop() {
	if s.command == nil {
		return
	}
	// It does not matter whether the process has already ended, and how.
	_ = s.command.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(10*time.Second, func() { _ = s.command.Process.Kill() })
	<-s.ended
	kill.Stop()
}

// await asks the server for the master's name until it accepts a reply.
func (s *Server) await(ctx context.Context, accept func(serial int64) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("no answer in %v", startPatience))
	defer cancel()
	if s.echo {
		return s.awaitEcho(ctx, []byte("?"))
	}
	c, err := client.New(client.Options{Peers: []string{s.Addr.String()}, Key: s.Key})
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		// Short, so that only the daemon decides when it answers.
		try, stop := context.WithTimeout(ctx, 5*time.Millisecond)
		master, err := client.Query(try, c, client.Master())
		stop()
		switch {
		case err == nil && accept(master.Serial):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		time.Sleep(time.Millisecond)
	}
}

// replies returns an error unless the server replies in time. The reply may be an error.
func (s *Server) replies(ctx context.Context, patience time.Duration) error {
	c, err := client.New(client.Options{Peers: []string{s.Addr.String()}, Key: s.Key, GiveUp: true})
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err = client.Query(ctx, c, client.Ping()); errors.As(err, new(*client.StatusError)) {
		return nil
	}
	return err
}

// awaitEcho waits until the echo server sends a datagram back.
func (s *Server) awaitEcho(ctx context.Context, datagram []byte) error {
	conn, err := net.Dial("udp", s.Addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	for buffer := make([]byte, len(datagram)); ; {
		_, _ = conn.Write(datagram)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := conn.Read(buffer); err == nil || ctx.Err() != nil {
			return context.Cause(ctx)
		}
		time.Sleep(time.Millisecond)
	}
}

// cpuTime returns the CPU time that a process has used, user and system, with all of
// its threads, those that have ended included.
func cpuTime(pid int) (time.Duration, error) {
	var ts unix.Timespec
	// The clock of a process, see clock_getcpuclockid(3).
	const sched = 2
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// memory returns how much memory of the server is resident, and the most that was
// since resetPeak, in bytes.
func (s *Server) memory() (resident, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kB, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			resident = kB << 10
		case "VmHWM":
			peak = kB << 10
		}
	}
	return resident, peak, nil
}

// resetPeak sets the peak of memory to the present use.
func (s *Server) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.PID), []byte("5"), 0)
}
