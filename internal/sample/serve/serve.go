// Package serve runs a daemon with the sample cluster.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"gntconfd/client"
	"gntconfd/internal/daemon"
	"gntconfd/internal/sample"
)

// Sample runs use with a client of a daemon that it starts before, with the
// sample cluster in a temporary directory, and stops after.
func Sample(ctx context.Context, use func(*client.Client) error) error {
	dir, err := os.MkdirTemp("", "confdctl-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	options := daemon.Options{
		Config: filepath.Join(dir, "config.data"),
		Key:    filepath.Join(dir, "hmac.key"),
		Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
		Logger: slog.New(slog.DiscardHandler),
	}
	if err := os.WriteFile(options.Config, sample.Config, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(options.Key, sample.Key, 0o600); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d, err := daemon.Start(ctx, options)
	if err != nil {
		return err
	}
	c, err := client.New(client.Options{Peers: []string{d.Addr().String()}, Key: sample.Key})
	if err == nil {
		err = errors.Join(use(c), c.Close())
	}
	stop()
	return errors.Join(err, d.Wait())
}
