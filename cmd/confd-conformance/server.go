package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gntconfd/internal/terminal"
	"gntconfd/internal/testing/conformance"
	"gntconfd/spec/vectors"
)

// serverOptions are the options for testing a daemon.
type serverOptions struct {
	*reporting
	conformance.Options
	address, keyFile, config string
}

// register adds the flags that apply to every daemon.
func (o *serverOptions) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.Dialects, "dialect", nil, "run only the vectors of these `dialects` (default: all)")
	flags.StringVar(&o.Ganeti, "ganeti", "", "expect what Ganeti's own daemon of this `release` does, even where this project differs on purpose: "+strings.Join(conformance.Releases(), ", "))
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Second, "how long to wait for an expected reply, and four times that for a change of a file to be noticed")
}

func serverCommand(reporting *reporting) *cobra.Command {
	o := serverOptions{reporting: reporting}
	command := &cobra.Command{
		Use:   "server [flags] [-- COMMAND ARGS...]",
		Short: "Test a daemon with the vectors",
		Long: `Tests a daemon with the vectors and scenarios of spec/vectors.

COMMAND is started once for each configuration and key that the vectors need, and once
for each scenario, in which its files change while it runs. It must
listen on 127.0.0.1, stay in the foreground, and exit on SIGTERM. These settings are
in its environment, and replace the words in braces in its arguments:

  CONFD_CONFIG   {config}   path of the configuration; the file may not exist
  CONFD_KEY      {key}      path of the file with the HMAC key
  CONFD_PORT     {port}     the UDP port to listen on
  CONFD_DIALECT  {dialect}  "3.0" for vectors of Ganeti 3.0, "2.6" for those of 2.6,
                            "auto" if the configuration decides
  CONFD_CLOCK    {clock}    the time, in seconds since 1970, to use as the current
                            time; empty without --clock
  GANETI_ROOTDIR {root}     a folder with the configuration and the key below
                            var/lib/ganeti, as in Ganeti

GANETI_HOSTNAME is the last part of GANETI_ROOTDIR. The daemon counts as ready once it
answers a ping, in any way. If it exits, it is started again for the remaining vectors.
Its output is shown if it exits or does not start.

--address tests a running daemon. It must serve one of the configurations, and only
the vectors of that one are run:

  cp spec/vectors/configs/rich.json $ROOT/var/lib/ganeti/config.data
  cp spec/vectors/hmac.key $ROOT/var/lib/ganeti/

With neither, this project's own daemon is tested, inside the process.`,
		Example: `  confd-conformance server --dialect 3.0 -- ./my-confd {config} {key} {port}
  confd-conformance server --address 192.0.2.1:1814 --config rich
  confd-conformance server --run /clock/ --clock 1700000000 -- ./my-confd`,
		RunE: func(command *cobra.Command, args []string) error {
			if err := o.subject(command, args); err != nil {
				return err
			}
			return o.run(command)
		},
	}
	flags := command.Flags()
	o.register(flags)
	flags.StringVar(&o.address, "address", "", "`host:port` of a running daemon")
	flags.StringVar(&o.config, "config", "", "`name` of the configuration that it serves: a file in spec/vectors/configs")
	flags.StringVar(&o.keyFile, "key-file", "", "its key `file` (default: spec/vectors/hmac.key)")
	flags.Int64Var(&o.Clock, "clock", 0, "time, in `seconds` since 1970, at which the daemon's clock stands still")
	return command
}

// subject sets the daemon to test from the arguments.
func (o *serverOptions) subject(command *cobra.Command, args []string) (err error) {
	if dash := command.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
		return fmt.Errorf("unknown argument %q: put the command to test after --", args[0])
	}
	switch {
	case o.address == "" && (o.config != "" || o.keyFile != ""):
		return errors.New("--config and --key-file need --address")
	case o.address != "" && len(args) > 0:
		return errors.New("use either --address or a command, not both")
	case o.address != "":
		return o.running()
	case len(args) > 0:
		o.Subject = strings.Join(args, " ")
		o.Start, err = conformance.Command(args...)
		return err
	case o.Clock != 0:
		return errors.New("--clock needs a command or --address: this project's daemon uses the system clock")
	}
	o.Subject, o.Start = "this project's daemon", conformance.Own
	return nil
}

// running sets the running daemon at --address as the one to test.
func (o *serverOptions) running() error {
	if o.config == "" {
		return errors.New("--address needs --config, the name of the configuration that the daemon serves")
	}
	if _, err := vectors.Files.Open("configs/" + o.config + ".json"); err != nil {
		return fmt.Errorf("--config: there is no configuration %q in spec/vectors/configs", o.config)
	}
	addr, err := net.ResolveUDPAddr("udp", o.address)
	if err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	if o.keyFile != "" {
		if o.Key, err = os.ReadFile(o.keyFile); err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
	} else if o.Key, err = vectors.Files.ReadFile("hmac.key"); err != nil {
		return err
	}
	o.Subject = o.address
	o.Start = conformance.Running(addr.AddrPort(), o.config, o.Key)
	return nil
}

// run runs the vectors and reports.
func (o *serverOptions) run(command *cobra.Command) (err error) {
	if o.Choice, err = o.choice(); err != nil {
		return err
	}
	o.Files = vectors.Files
	if err := o.dialects(); err != nil {
		return err
	}
	if o.Ganeti != "" && !slices.Contains(conformance.Releases(), o.Ganeti) {
		return fmt.Errorf("--ganeti: no vectors of release %.100q, only of %s", o.Ganeti, strings.Join(conformance.Releases(), ", "))
	}
	if o.Key == nil {
		if o.Key, err = vectors.Files.ReadFile("hmac.key"); err != nil {
			return err
		}
	}
	if o.list {
		cases, err := o.Cases()
		if err != nil {
			return err
		}
		return listed(command.OutOrStdout(), o.Select(cases))
	}
	var done func()
	o.Progress, done = terminal.Steps(command.ErrOrStderr())
	report, err := conformance.RunServer(command.Context(), o.Options)
	done()
	if err != nil {
		return err
	}
	return o.write(command.OutOrStdout(), report)
}

// dialects checks the dialects of --dialect; the default is all.
func (o *serverOptions) dialects() error {
	there, err := conformance.Dialects(vectors.Files)
	if err != nil {
		return err
	}
	for _, dialect := range o.Dialects {
		if !slices.Contains(there, dialect) {
			return fmt.Errorf("--dialect: no vectors of %q, only of %s", dialect, strings.Join(there, ", "))
		}
	}
	if o.Dialects == nil {
		o.Dialects = there
	}
	return nil
}
