package vectors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Daemon is a ganeti-confd that was started for vectors: Ganeti's own or the
// project's.
type Daemon struct {
	Target
	command *exec.Cmd
	output  strings.Builder
}

// StartDaemon runs the program with root as its GANETI_ROOTDIR, on a free port of
// 127.0.0.1, and waits until it answers. A nil config means that there is no
// config.data.
func StartDaemon(ctx context.Context, program, root string, key, config []byte) (*Daemon, error) {
	data := filepath.Join(root, "var/lib/ganeti")
	for _, dir := range []string{data, filepath.Join(root, "var/run/ganeti"), filepath.Join(root, "var/log/ganeti")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	d := &Daemon{Target: Target{Key: key, Config: filepath.Join(data, "config.data")}}
	if err := os.WriteFile(filepath.Join(data, "hmac.key"), key, 0o600); err != nil {
		return nil, err
	}
	if config != nil {
		if err := os.WriteFile(d.Config, config, 0o600); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	d.Addr = net.JoinHostPort("127.0.0.1", port)
	d.command = exec.CommandContext(ctx, program, "-f", "--no-user-checks", "-b", "127.0.0.1", "-p", port)
	d.command.Env = append(os.Environ(), "GANETI_ROOTDIR="+root, "GANETI_HOSTNAME="+filepath.Base(root))
	d.command.Stdout, d.command.Stderr = &d.output, &d.output
	if err := d.command.Start(); err != nil {
		return nil, err
	}
	if err := d.await(ctx); err != nil {
		err = errors.Join(err, d.Stop())
		return nil, fmt.Errorf("%s: %w; it wrote: %.2000s", program, err, d.output.String())
	}
	return d, nil
}

// await pings the daemon until it answers, for as long as patience lasts. A ping
// to a socket that is not bound yet is refused or lost.
func (d *Daemon) await(ctx context.Context) error {
	deadline := time.Now().Add(patience)
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		_, err := d.Ask(try, &fence, 0)
		cancel()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Stop ends the daemon. The error says how when it did not end well.
func (d *Daemon) Stop() error {
	if err := d.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := d.command.Wait(); err != nil {
		return fmt.Errorf("daemon on %s: %w", d.Addr, err)
	}
	return nil
}

// handedOut are the ports that freePort has returned: the system may offer one
// again before its daemon has bound it, and two of Ganeti's daemons would share
// it without an error.
var handedOut sync.Map

// freePort returns a port of 127.0.0.1 that nobody uses now.
func freePort() (string, error) {
	for {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		_, port, err := net.SplitHostPort(conn.LocalAddr().String())
		conn.Close()
		if err != nil {
			return "", err
		}
		if _, taken := handedOut.LoadOrStore(port, true); !taken {
			return port, nil
		}
	}
}
