// Command ganeti-confd answers questions about a Ganeti cluster over UDP, from
// the configuration file that every master candidate has.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"os/user"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/spf13/pflag"

	"gntconfd/gen/wire"
	"gntconfd/internal/daemon"
	"gntconfd/internal/daemon/web"
)

// daemonUser is the user that Ganeti's packages make for the daemon.
const daemonUser = "gnt-confd"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes, those of Ganeti's own daemon.
const (
	exitOK      = 0
	exitFailure = 1 // the daemon could not start or go on, or a value is not valid
	exitUsage   = 2 // an option is unknown or lacks its value
)

// options are the command line.
type options struct {
	foreground, debug, noUserChecks, version, help bool
	port                                           uint16
	bind                                           string
	dialect                                        string
	syslog                                         string
	web                                            web.Options
}

func newFlags(o *options) *pflag.FlagSet {
	flags := pflag.NewFlagSet(wire.ServiceName, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.BoolVarP(&o.foreground, "foreground", "f", false, "don't detach from the terminal")
	flags.BoolVar(&o.noUserChecks, "no-user-checks", false, "run as any user")
	flags.BoolVarP(&o.debug, "debug", "d", false, "log debug messages")
	flags.Uint16VarP(&o.port, "port", "p", 0, "UDP `port`; 0 stands for that of the services database, else 1814")
	flags.StringVarP(&o.bind, "bind", "b", "", "IP `address` to listen on (default: every address of the host)")
	flags.StringVar(&o.dialect, "dialect", string(daemon.DialectAuto), "`release` of Ganeti to answer like: 2.6, 3.0 or auto, which answers a configuration of 2.6 or before like 2.6 and any other like 3.0")
	flags.StringVar(&o.syslog, "syslog", "no", "send messages to syslog: no, yes (as well as to the log file) or only `(instead of it)`")
	flags.Lookup("syslog").NoOptDefVal = "yes"
	flags.StringVar(&o.web.Addr, "web.listen-address", "",
		"`host:port` to show metrics and a status page on over HTTP, 127.0.0.1:9814 say (default: nowhere)")
	flags.StringVar(&o.web.ConfigFile, "web.config.file", "",
		"`file` with TLS certificates and passwords for it, as Prometheus exporters have them")
	flags.BoolVar(&o.web.Pprof, "web.enable-pprof", false, "show profiles of the program there as well")
	flags.BoolVarP(&o.help, "help", "h", false, "show this help")
	flags.BoolVarP(&o.version, "version", "V", false, "show the version")
	return flags
}

func run(args []string, stdout, stderr io.Writer) int {
	var o options
	flags := newFlags(&o)
	if err := flags.Parse(args); err != nil {
		var invalid *pflag.InvalidValueError
		if errors.As(err, &invalid) {
			fmt.Fprintf(stderr, "Error while parsing command line arguments:\n%v\n", err)
			return exitFailure
		}
		fmt.Fprintf(stderr, "Command line error: %v\n\n%s", err, usage(flags))
		return exitUsage
	}
	switch {
	case o.help:
		fmt.Fprint(stdout, usage(flags))
		return exitOK
	case o.version:
		fmt.Fprint(stdout, version())
		return exitOK
	case flags.NArg() > 0:
		fmt.Fprintln(stderr, "Error: This program doesn't take any arguments")
		return exitFailure
	}
	if err := serve(&o, stderr); err != nil {
		fmt.Fprintf(stderr, "Error when starting the daemon process: %v\n", err)
		return exitFailure
	}
	return exitOK
}

func usage(flags *pflag.FlagSet) string {
	return "Usage: ganeti-confd [OPTION...]\n" + flags.FlagUsages()
}

func version() string {
	release := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		release = info.Main.Version
	}
	return fmt.Sprintf("%s (gntconfd) version %s\ncompiled with %s\nrunning on %s %s\n",
		wire.ServiceName, release, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// serve runs the daemon until it is told to stop.
func serve(o *options, stderr io.Writer) error {
	if !o.foreground {
		return errors.New("only the foreground is supported: add -f")
	}
	if !o.noUserChecks {
		if err := checkUser(); err != nil {
			return err
		}
	}
	addr, err := address(o)
	if err != nil {
		return err
	}
	paths := daemon.NodePaths()
	log := daemon.LogOptions{File: paths.Log, Terminal: stderr, Debug: o.debug}
	switch o.syslog {
	case "no":
	case "yes":
		log.Syslog = true
	case "only":
		log.Syslog, log.File = true, ""
	default:
		return fmt.Errorf("--syslog takes no, yes or only, not %q", o.syslog)
	}
	logger, err := daemon.OpenLog(log)
	if err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)

	logger.Log(ctx, daemon.LevelNotice, "ganeti-confd daemon startup")
	d, err := daemon.Start(ctx, daemon.Options{
		Config:  paths.Config,
		Key:     paths.Key,
		Dialect: daemon.Dialect(o.dialect),
		Addr:    addr,
		Web:     o.web,
		Logger:  logger,
	})
	if err != nil {
		return err
	}
	logger.Info("listening", "address", d.Addr())
	go func() {
		for range hangup {
			d.Reload()
		}
	}()
	err = d.Wait()
	logger.Log(ctx, daemon.LevelNotice, "ganeti-confd daemon shutdown")
	return err
}

// address returns where to listen.
func address(o *options) (netip.AddrPort, error) {
	port := o.port
	if port == 0 {
		port = daemon.DefaultPort()
	}
	if o.bind == "" {
		return netip.AddrPortFrom(netip.Addr{}, port), nil
	}
	ip, err := netip.ParseAddr(o.bind)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--bind takes an IP address, not %q", o.bind)
	}
	return netip.AddrPortFrom(ip, port), nil
}

// checkUser refuses to run as anybody but the user made for the daemon.
func checkUser() error {
	u, err := user.Lookup(daemonUser)
	if err != nil {
		return fmt.Errorf("%w: make it, or give --no-user-checks", err)
	}
	if expected, err := strconv.Atoi(u.Uid); err != nil || os.Getuid() != expected {
		return fmt.Errorf("%s started using wrong user ID (%d), expected %s", wire.ServiceName, os.Getuid(), u.Uid)
	}
	return nil
}
