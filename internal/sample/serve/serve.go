// Package serve runs a daemon, by default with the sample cluster.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"gntconfd/client"
	"gntconfd/internal/daemon"
	"gntconfd/internal/daemon/web"
	"gntconfd/internal/sample"
)

// Options configure the daemon.
type Options struct {
	Port   uint16 // of 127.0.0.1; 0 for any free port
	Config string // the configuration file; "" for the sample cluster
	Page   bool   // whether to serve the status page
}

// Served is a running daemon.
type Served struct {
	Client     *client.Client
	Addr       netip.AddrPort
	Page       string // the URL of the status page, or ""
	KeyFile    string
	ConfigFile string
}

// Sample is Daemon with the sample cluster on any free port.
func Sample(ctx context.Context, use func(*client.Client) error) error {
	return Daemon(ctx, Options{}, func(s Served) error { return use(s.Client) })
}

// Daemon starts a daemon with its files in a temporary directory, calls use, and then stops the
// daemon. A configuration that cannot be loaded is an error.
func Daemon(ctx context.Context, o Options, use func(Served) error) error {
	dir, err := os.MkdirTemp("", "confdctl-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	options := daemon.Options{
		Config: filepath.Join(dir, "config.data"),
		Key:    filepath.Join(dir, "hmac.key"),
		Addr:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), o.Port),
		Logger: slog.New(slog.DiscardHandler),
	}
	if o.Config != "" {
		options.Config = o.Config
	} else if err := os.WriteFile(options.Config, sample.Config, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(options.Key, sample.Key, 0o600); err != nil {
		return err
	}
	if problems := daemon.Check(options).Errors; len(problems) > 0 {
		return errors.New(problems[0])
	}
	served := Served{KeyFile: options.Key, ConfigFile: options.Config}
	if o.Page {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		options.Web = web.Options{Addr: address}
		served.Page = "http://" + address + "/"
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d, err := daemon.Start(ctx, options)
	if err != nil {
		return err
	}
	served.Addr = d.Addr()
	served.Client, err = client.New(client.Options{Peers: []string{d.Addr().String()}, Key: sample.Key})
	if err == nil {
		err = errors.Join(use(served), served.Client.Close())
	}
	stop()
	return errors.Join(err, d.Wait())
}

// freeAddress returns a TCP address of this machine with an unused port.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
