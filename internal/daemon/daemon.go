// Package daemon puts the daemon together: it watches the configuration and the key, and
// answers queries from them.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"gntconfd/internal/daemon/web"
	"gntconfd/internal/protocol"
	"gntconfd/internal/reload"
	"gntconfd/internal/server"
)

// Options configure a Daemon.
type Options struct {
	// Config and Key are the paths of the configuration file and of the HMAC key file.
	Config, Key string
	// Dialect is the dialect of the answers; empty means DialectAuto.
	Dialect Dialect
	// RedactSecrets makes private OS parameters and the secrets of DRBD devices empty in
	// answers.
	RedactSecrets bool
	// Addr is the address to listen on: the zero address means every address of the host,
	// port 0 any free port.
	Addr netip.AddrPort
	// Socket is a bound UDP socket to use instead, which the daemon takes over; nil for
	// none.
	Socket *os.File
	// Bound, unless nil, is called after the sockets are bound, before anything is read
	// from them or from the files.
	Bound func()
	// Status, unless nil, gets a line about the configuration in service, at startup and
	// whenever that changes.
	Status func(string)
	// Web configures the HTTP server for metrics and the status page.
	Web web.Options
	// Logger gets the daemon's messages. It must not block: the goroutines that answer
	// queries log too.
	Logger *slog.Logger
	// LogDropped, unless nil, returns how many log messages were lost, by sink, for the
	// metrics.
	LogDropped func() map[string]uint64
	// Memory, unless nil, is called before and after a load, so that it can tune the
	// garbage collector.
	Memory reload.Memory
}

// Daemon is a running daemon.
type Daemon struct {
	server   *server.Server
	reloader *reload.Reloader
	site     *web.Site // nil if there is no HTTP server
	cancel   context.CancelFunc
	done     chan struct{}
	err      error
}

// Start binds the sockets, reads the key and the configuration, and answers queries until
// ctx ends. A missing or broken configuration does not prevent the start: until there is a
// good one, every answer is an error. An unreadable key, an address that cannot be bound,
// an unknown dialect or a bad file for the status page does prevent it; the error names the
// file, address or dialect.
func Start(ctx context.Context, o Options) (*Daemon, error) {
	o.Dialect = cmp.Or(o.Dialect, DialectAuto)
	if err := o.Dialect.check(); err != nil {
		return nil, err
	}
	keys := new(protocol.Keyring)
	s, err := server.Listen(server.Options{Addr: o.Addr, Socket: o.Socket, Keys: keys, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	if o.Bound != nil {
		o.Bound()
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &Daemon{server: s, cancel: cancel, done: make(chan struct{})}
	speaker := newSpeaker(s, o.Dialect, o.Logger)
	d.reloader, err = reload.Start(ctx, reload.Options{
		ConfigPath: o.Config,
		KeyPath:    o.Key,

		RedactSecrets: o.RedactSecrets,
		OnConfig: func(state reload.State) {
			speaker.setState(state)
			if o.Status != nil {
				o.Status(statusLine(state))
			}
		},
		OnKey:  func(key []byte) { keys.Replace(key, time.Now()) },
		Logger: o.Logger,
		Memory: o.Memory,
	})
	if err != nil {
		cancel()
		s.Close()
		return nil, err
	}
	if o.Web.Addr != "" {
		d.site, err = web.Start(ctx, o.Web, web.Source{Server: s, State: d.reloader.State, Logger: o.Logger, LogDropped: o.LogDropped})
		if err != nil {
			cancel()
			s.Close()
			d.reloader.Wait()
			return nil, err
		}
	}
	go func() {
		defer close(d.done)
		d.err = s.Serve(ctx)
		cancel()
		d.reloader.Wait()
		if d.site != nil {
			d.site.Wait()
		}
	}()
	return d, nil
}

// statusLine describes the configuration in service.
func statusLine(state reload.State) string {
	switch {
	case errors.Is(state.Err, fs.ErrNotExist):
		return "no configuration file: this node is not a master candidate"
	case state.Snapshot == nil:
		return "no configuration: " + state.Err.Error()
	case state.Err != nil:
		return fmt.Sprintf("serving old serial %d (file %d): the file is broken: %v",
			state.Snapshot.Serial, state.Snapshot.ConfigSerial, state.Err)
	}
	return fmt.Sprintf("serving serial %d (file %d)", state.Snapshot.Serial, state.Snapshot.ConfigSerial)
}

// Addr returns the address that the daemon listens on.
func (d *Daemon) Addr() netip.AddrPort { return d.server.Addr() }

// Counts returns the counters so far.
func (d *Daemon) Counts() server.Counts { return d.server.Counts() }

// Busy returns how long the worker that has been busy for longest has been so; 0 if all
// workers wait for datagrams.
func (d *Daemon) Busy() time.Duration { return d.server.Busy() }

// Reload checks the files now and returns when that is done, which may take as long as
// loading the configuration. The key does not wait for the configuration.
func (d *Daemon) Reload() { d.reloader.Reload() }

// Wait blocks until the daemon has stopped. It returns nil if ctx has ended, and otherwise
// why the daemon could not continue.
func (d *Daemon) Wait() error {
	<-d.done
	return d.err
}
