// Package daemon puts the daemon together: it keeps up with the configuration
// and the key, and answers questions from them.
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

// Options say how a Daemon is set up.
type Options struct {
	// Config and Key are the paths of the configuration file and of the file
	// with the cluster's HMAC key.
	Config, Key string
	// Dialect says in whose words it answers; none is DialectAuto.
	Dialect Dialect
	// RedactSecrets leaves private OS parameters and the secrets of DRBD devices out of
	// answers: they are empty.
	RedactSecrets bool
	// Addr is where it listens: the zero address stands for every address of
	// the host, port 0 for any free one.
	Addr netip.AddrPort
	// Socket is a bound UDP socket to serve on instead, which the daemon takes
	// over; nil for none.
	Socket *os.File
	// Bound, unless nil, is called when the sockets are bound, before anything
	// is read from them or from the files.
	Bound func()
	// Status, unless nil, gets a line on what the daemon answers from, at the
	// start and whenever that changes.
	Status func(string)
	// Web says whether and where it shows metrics and its status.
	Web web.Options
	// Logger gets the daemon's messages. It must not wait for what it writes to:
	// whoever answers questions logs as well.
	Logger *slog.Logger
	// LogDropped, unless nil, returns how many messages were not written, by where
	// they should have gone. Metrics show it.
	LogDropped func() map[string]uint64
	// Memory, unless nil, is told when loading needs memory and when it has left some.
	Memory reload.Memory
}

// Daemon is a running daemon.
type Daemon struct {
	server   *server.Server
	reloader *reload.Reloader
	site     *web.Site // nil when there is none
	cancel   context.CancelFunc
	done     chan struct{}
	err      error
}

// Start binds the sockets, reads key and configuration, and answers questions
// from then on until ctx ends. A configuration that is missing or broken does not
// keep it from starting: it answers with an error until there is a good one. A
// key that cannot be read does, as do an address that cannot be had, a dialect that
// there is not and a file for the status page that cannot be used; the error says
// which file, address or dialect it is.
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

// statusLine tells what a state makes the daemon answer from.
func statusLine(state reload.State) string {
	switch {
	case errors.Is(state.Err, fs.ErrNotExist):
		return "no configuration file: this node is no master candidate"
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

// Counts returns what became of the datagrams so far.
func (d *Daemon) Counts() server.Counts { return d.server.Counts() }

// Busy returns for how long the worker that has not been waiting for datagrams
// for longest has not been; 0 when all of them wait.
func (d *Daemon) Busy() time.Duration { return d.server.Busy() }

// Reload makes the daemon look at its files at once, and returns when that is
// done. That may take as long as loading the configuration does; the key does not
// wait for it.
func (d *Daemon) Reload() { d.reloader.Reload() }

// Wait returns when the daemon has stopped: nil after ctx has ended, and
// otherwise what kept it from going on.
func (d *Daemon) Wait() error {
	<-d.done
	return d.err
}
