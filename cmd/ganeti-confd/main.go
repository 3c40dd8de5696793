// Command ganeti-confd answers queries about a Ganeti cluster over UDP, from the
// configuration file that every master candidate has.
package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"

	"github.com/spf13/pflag"

	"gntconfd/gen/wire"
	"gntconfd/internal/daemon"
	"gntconfd/internal/daemon/log"
	"gntconfd/internal/daemon/process"
	"gntconfd/internal/daemon/web"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/release"
	"gntconfd/internal/terminal"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes, the same as those of Ganeti's own daemon.
const (
	exitOK      = 0
	exitFailure = 1 // the daemon could not start or continue, or an option has an invalid value
	exitUsage   = 2 // unknown option, or an option without its value
)

// options are the command line.
type options struct {
	foreground, debug, noUserChecks bool
	port                            uint16
	bind                            string
	dialect                         string
	redactSecrets                   bool
	syslog, logFormat               string
	checkConfig                     bool
	version, help, helpCompletion   bool
	web                             web.Options
}

func newFlags(o *options) *pflag.FlagSet {
	flags := pflag.NewFlagSet(wire.ServiceName, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.BoolVarP(&o.foreground, "foreground", "f", false, "stay in the foreground")
	flags.BoolVar(&o.noUserChecks, "no-user-checks", false, "run as any user")
	flags.BoolVarP(&o.debug, "debug", "d", false, "log debug messages")
	flags.Uint16VarP(&o.port, "port", "p", 0, "UDP `port`; 0 means the port in the services database, or else 1814")
	flags.StringVarP(&o.bind, "bind", "b", "", "IP `address` to listen on (default: every IPv4 address of the host; in an IPv6 cluster also every IPv6 address)")
	flags.StringVar(&o.dialect, "dialect", string(daemon.DialectAuto), "answer like this Ganeti `release`: 2.6, 3.0 or auto (2.6 for configurations of 2.6 or before, 3.0 for all others)")
	flags.BoolVar(&o.redactSecrets, "redact-secrets", false, "remove private OS parameters and the secrets of DRBD devices from answers")
	flags.StringVar(&o.syslog, "syslog", "no", "syslog `mode`: no, yes (in addition to the log file) or only (instead of the log file)")
	flags.Lookup("syslog").NoOptDefVal = "yes"
	flags.StringVar(&o.logFormat, "log-format", string(log.Ganeti), "`format` of log lines: ganeti, text or json")
	flags.StringVar(&o.web.Addr, "web.listen-address", "",
		"`host:port` of an HTTP server for metrics and a status page, for example 127.0.0.1:9814 (default: none)")
	flags.StringVar(&o.web.ConfigFile, "web.config.file", "",
		"`file` with TLS certificates and passwords for the HTTP server, in the format of Prometheus exporters")
	flags.BoolVar(&o.web.Pprof, "web.enable-pprof", false, "serve Go profiles on the HTTP server")
	flags.BoolVar(&o.checkConfig, "check-config", false, "check the node's configuration and key as user gnt-confd, print a report, and exit with 0 if the daemon can serve them, else with 1")
	flags.BoolVarP(&o.help, "help", "h", false, "show this help")
	flags.BoolVarP(&o.version, "version", "V", false, "show the version")
	flags.BoolVar(&o.helpCompletion, "help-completion", false, "print the options for shell completion")
	complete(flags, "bind", "inetaddr")
	complete(flags, "web.config.file", "file")
	complete(flags, "dialect", "choices=auto,2.6,3.0")
	complete(flags, "syslog", "choices=yes,no,only")
	complete(flags, "log-format", "choices=ganeti,text,json")
	flags.SetNormalizeFunc(expandPrefix)
	return flags
}

func run(args []string, stdout, stderr io.Writer) int {
	var o options
	flags := newFlags(&o)
	if err := flags.Parse(joinSyslog(args)); err != nil {
		text, code := parseError(flags, err)
		terminal.Say(stderr, text)
		if code == exitUsage {
			fmt.Fprint(stderr, "\n"+usage(flags, stderr))
		}
		return code
	}
	switch {
	case o.help:
		fmt.Fprint(stdout, usage(flags, stdout))
		return exitOK
	case o.version:
		fmt.Fprint(stdout, version())
		return exitOK
	case o.helpCompletion:
		fmt.Fprint(stdout, completion(flags))
		return exitOK
	case flags.NArg() > 0:
		fmt.Fprintln(stderr, "Error: This program doesn't take any arguments")
		return exitFailure
	}
	if !o.noUserChecks {
		if err := assumeUser(&o); err != nil {
			terminal.Say(stderr, err.Error())
			return exitFailure
		}
	}
	if o.checkConfig {
		return check(&o, stdout, stderr)
	}
	launch, err := process.Detached()
	if err == nil {
		if !o.foreground && launch == nil {
			err = process.Detach(args)
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
				return exit.ExitCode() // it has printed why
			}
		} else {
			err = serve(&o, launch, stderr)
		}
	}
	if err != nil {
		process.Tell(stderr, terminal.Remark("Error when starting the daemon process: "+err.Error(), terminal.Width(stderr)))
		return exitFailure
	}
	return exitOK
}

// assumeUser returns an error unless the process runs as the daemon's user. For
// --check-config root switches to that user, who may not be able to read what root can.
func assumeUser(o *options) error {
	if o.checkConfig && os.Getuid() == 0 {
		return process.BecomeUser(ganeti.User)
	}
	return process.CheckUser(wire.ServiceName, ganeti.User)
}

// check reports on the files of the node: facts to stdout, problems to stderr. It returns
// the exit code.
func check(o *options, stdout, stderr io.Writer) int {
	paths := ganeti.NodePaths()
	report := daemon.Check(daemon.Options{Config: paths.Config, Key: paths.Key, Dialect: daemon.Dialect(o.dialect)})
	if addr, err := address(o, paths); err != nil {
		report.Errors = append(report.Errors, err.Error())
	} else {
		report.Facts = append(report.Facts, "address: "+listenText(addr))
	}
	for _, fact := range report.Facts {
		terminal.Say(stdout, fact)
	}
	for _, warning := range report.Warnings {
		terminal.Say(stderr, "warning: "+warning)
	}
	for _, problem := range report.Errors {
		terminal.Say(stderr, "error: "+problem)
	}
	if len(report.Errors) > 0 {
		return exitFailure
	}
	return exitOK
}

// listenText returns the text for an address to listen on. An invalid address means all.
func listenText(addr netip.AddrPort) string {
	if !addr.Addr().IsValid() {
		return fmt.Sprintf("all of the host's, port %d", addr.Port())
	}
	return addr.String()
}

// usage returns the help, on a terminal in its width.
func usage(flags *pflag.FlagSet, w io.Writer) string {
	return terminal.Fit("Usage: ganeti-confd [OPTION...]\n"+flags.FlagUsages(), terminal.Width(w))
}

func version() string {
	return fmt.Sprintf("%s (gntconfd) version %s\ncompiled with %s\nrunning on %s %s\n",
		wire.ServiceName, release.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
