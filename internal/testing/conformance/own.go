package conformance

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"gntconfd/internal/daemon"
	"gntconfd/internal/testing/vectors"
)

// Own starts this project's own daemon inside the process, and waits until it answers.
func Own(ctx context.Context, s Setup) (*Server, error) {
	root, err := writeFiles(s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	d, err := daemon.Start(ctx, daemon.Options{
		Config:  configFile(root),
		Key:     keyFile(root),
		Dialect: daemon.Dialect(s.Dialect),
		Addr:    netip.MustParseAddrPort("127.0.0.1:0"),
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		cancel()
		return nil, errors.Join(err, os.RemoveAll(filepath.Dir(root)))
	}
	server := &Server{
		Context: ctx,
		Root:    root,
		Target:  vectors.Target{Addr: d.Addr(), Key: s.Key, Config: configFile(root)},
		Stop: func() error {
			cancel()
			return errors.Join(d.Wait(), os.RemoveAll(filepath.Dir(root)))
		},
	}
	if s.Mute {
		return server, nil
	}
	// It is ready at once. If it answers nothing all the same, a test for each vector would
	// take very long.
	if err := server.ready(s); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return server, nil
}
