package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"gntconfd/internal/daemon"
	"gntconfd/internal/daemon/log"
	"gntconfd/internal/daemon/process"
	"gntconfd/internal/ganeti"
)

// serve runs the daemon until it is told to stop. launch is how Detach started it, or nil.
func serve(o *options, launch *process.Launch, stderr io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	signal.Ignore(syscall.SIGPIPE, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM)

	paths := ganeti.NodePaths()
	logOptions, err := logging(o, paths)
	if err != nil {
		return err
	}
	settings := daemon.Options{Config: paths.Config, Key: paths.Key, Dialect: daemon.Dialect(o.dialect), RedactSecrets: o.redactSecrets, Web: o.web, Status: process.NotifyStatus, Memory: new(daemon.Collector)}
	if settings.Socket, err = process.InheritedSocket(); err != nil {
		return err
	}
	if settings.Addr, err = address(o, paths); err != nil {
		return err
	}
	if launch == nil {
		logOptions.Terminal = stderr
	}
	log, err := log.Open(logOptions)
	if err != nil {
		return err
	}
	defer log.Close()
	settings.Logger, settings.LogDropped = log.Logger, log.Dropped
	defer func() {
		if err != nil {
			log.Error("ganeti-confd failed", "error", err)
		}
	}()
	pidFile, err := process.CreatePIDFile(paths.PID)
	if err != nil {
		return err
	}
	defer func() {
		// The next daemon takes over the file, so this is not a failure of this one.
		if removeErr := pidFile.Remove(); removeErr != nil {
			log.Warn("cannot remove the pid file", "error", removeErr)
		}
	}()

	log.Notice("ganeti-confd daemon startup")
	again := make(chan struct{}, 1)
	go func() { // so that reopening the log does not wait for a load
		for {
			select {
			case <-hangup:
				log.Reopen()
				log.Info("hangup: checking the files")
				select {
				case again <- struct{}{}:
				default: // a check is already pending
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	settings.Bound = func() {
		if err := sandbox(o, paths).Enter(); err != nil {
			log.Warn("the sandbox is incomplete", "error", err)
		}
	}
	d, err := daemon.Start(ctx, settings)
	if err != nil && ctx.Err() != nil {
		log.Notice("ganeti-confd daemon shutdown") // told to stop during startup
		return nil
	}
	if err != nil {
		return err
	}
	log.Info("listening", "address", d.Addr())
	if settings.Socket != nil {
		err = checkAddr(o, settings.Addr, d.Addr())
	}
	log.Flush() // so that whoever started the daemon can read it now
	if err == nil && launch != nil {
		err = errors.Join(log.RedirectOutput(), launch.Ready())
	}
	if err != nil {
		stop()
		return errors.Join(err, d.Wait())
	}
	process.NotifyReady()
	ended := make(chan error)
	go func() { ended <- d.Wait() }()
	go func() {
		if err := process.FeedWatchdog(ctx, d.Busy); err != nil {
			log.Warn("cannot notify the watchdog", "error", err)
		}
	}()
	go func() {
		for {
			select {
			case <-again:
				process.NotifyReloading()
				d.Reload()
				if ctx.Err() == nil {
					process.NotifyReady()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	select {
	case <-ctx.Done():
		process.NotifyStopping()
		err := <-ended
		log.Notice("ganeti-confd daemon shutdown")
		return err
	case err := <-ended:
		if ctx.Err() != nil { // it was told to stop, and has
			log.Notice("ganeti-confd daemon shutdown")
		}
		return err
	}
}

// logging returns where messages go, except for the terminal.
func logging(o *options, paths ganeti.Paths) (log.Options, error) {
	options := log.Options{File: paths.Log, Debug: o.debug, Format: log.Format(o.logFormat)}
	switch options.Format {
	case log.Ganeti, log.Text, log.JSON:
	default:
		return options, fmt.Errorf("--log-format takes ganeti, text or json, not %q", o.logFormat)
	}
	switch o.syslog {
	case "no":
	case "yes":
		options.Syslog = true
	case "only":
		options.Syslog, options.File = true, ""
	default:
		return options, fmt.Errorf("--syslog takes no, yes or only, not %q", o.syslog)
	}
	return options, nil
}

// address returns the address to listen on.
func address(o *options, paths ganeti.Paths) (netip.AddrPort, error) {
	port := o.port
	if port == 0 {
		port = ganeti.Port()
	}
	if o.bind == "" {
		ip, err := paths.DefaultAddr()
		return netip.AddrPortFrom(ip, port), err
	}
	ip, err := netip.ParseAddr(o.bind)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--bind takes an IP address, not %q", o.bind)
	}
	return netip.AddrPortFrom(ip, port), nil
}

// checkAddr returns an error if an inherited socket has another address than the options ask
// for.
func checkAddr(o *options, asked, inherited netip.AddrPort) error {
	if o.bind != "" && asked.Addr().Unmap() != inherited.Addr().Unmap() || o.port != 0 && asked.Port() != inherited.Port() {
		return fmt.Errorf("the service manager's socket is bound to %v, --bind and --port ask for %v: "+
			"change the socket unit or the options", inherited, asked)
	}
	return nil
}

// sandbox returns which files the daemon may change: it reopens its log, and removes its
// pid file.
func sandbox(o *options, paths ganeti.Paths) process.Sandbox {
	box := process.Sandbox{Remove: parents(paths.PID)}
	if o.syslog != "only" {
		box.Append = parents(paths.Log)
	}
	return box
}

// parents returns the directories beneath which a file will be found even if its directory
// is replaced: the parent of that directory, by its path and with symbolic links resolved.
func parents(path string) []string {
	dir := filepath.Dir(path)
	above := []string{filepath.Dir(dir)}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		above = append(above, filepath.Dir(real))
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		above = append(above, filepath.Dir(real))
	}
	return above
}
