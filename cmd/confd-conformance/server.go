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

	"gntconfd/internal/testing/conformance"
	"gntconfd/spec/vectors"
)

// serverOptions are the command line of a test of a daemon.
type serverOptions struct {
	*reporting
	conformance.Options
	address, keyFile, config string
}

// register adds the flags that make sense for every daemon.
func (o *serverOptions) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.Dialects, "dialect", nil, "run the vectors of these `dialects` only (default: all that there are)")
	flags.StringVar(&o.Ganeti, "ganeti", "", "expect what Ganeti's own daemon of this `release` does, also where this project means to differ from it: "+strings.Join(conformance.Releases(), ", "))
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Second, "how long to wait for an answer that must come")
}

func serverCommand(reporting *reporting) *cobra.Command {
	o := serverOptions{reporting: reporting}
	command := &cobra.Command{
		Use:   "server [flags] [-- COMMAND ARGS...]",
		Short: "Hold a daemon against the vectors",
		Long: `Holds a daemon against the vectors of spec/vectors.

COMMAND is started once for each configuration and key that the vectors need. It is
to listen on 127.0.0.1, to stay in the foreground, and to end on SIGTERM. What it has
to know is in its environment, and takes the place of the words in braces among its
arguments:

  CONFD_CONFIG   {config}   the path of the configuration; there may be no such file
  CONFD_KEY      {key}      the path of the file whose bytes are the HMAC key
  CONFD_PORT     {port}     the UDP port to listen on
  CONFD_DIALECT  {dialect}  "3.0" for vectors of Ganeti 3.0, "2.6" for those of 2.6
  CONFD_CLOCK    {clock}    the time in seconds since 1970 that it is to take for the
                            present one; empty, unless there is a --clock
  GANETI_ROOTDIR {root}     a folder in which configuration and key are where Ganeti
                            has them, below var/lib/ganeti

GANETI_HOSTNAME is the last part of GANETI_ROOTDIR. The daemon is taken for ready when it
answers a ping, in any way. One that ends is started again for the vectors that
remain. What it writes is shown when it ends or does not start.

With --address, a daemon is tested that runs already. It serves one of the
configurations, and only the vectors of that one are run:

  cp spec/vectors/configs/rich.json $ROOT/var/lib/ganeti/config.data
  cp spec/vectors/hmac.key $ROOT/var/lib/ganeti/

With neither, this project's own daemon is tested, within the process.`,
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
	flags.StringVar(&o.address, "address", "", "`host:port` of a daemon that runs already")
	flags.StringVar(&o.config, "config", "", "`name` of the configuration that it serves: that of a file in spec/vectors/configs")
	flags.StringVar(&o.keyFile, "key-file", "", "its key `file` (default: it has spec/vectors/hmac.key)")
	flags.Int64Var(&o.Clock, "clock", 0, "`seconds` since 1970 at which the daemon's clock stands still")
	return command
}

// subject decides what is tested.
func (o *serverOptions) subject(command *cobra.Command, args []string) (err error) {
	if dash := command.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
		return fmt.Errorf("unknown argument %q: a command to test comes behind --", args[0])
	}
	switch {
	case o.address == "" && (o.config != "" || o.keyFile != ""):
		return errors.New("--config and --key-file go with --address only")
	case o.address != "" && len(args) > 0:
		return errors.New("--address and a command exclude each other")
	case o.address != "":
		return o.running()
	case len(args) > 0:
		o.Subject = strings.Join(args, " ")
		o.Start, err = conformance.Command(args...)
		return err
	case o.Clock != 0:
		return errors.New("--clock goes with a command or --address only: this project's daemon has the system's clock")
	}
	o.Subject, o.Start = "this project's daemon", conformance.Own
	return nil
}

// running makes a daemon that runs already the subject.
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
	if o.Choice, err = o.choice(command.ErrOrStderr()); err != nil {
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
	report, err := conformance.RunServer(command.Context(), o.Options)
	if err != nil {
		return err
	}
	return o.write(command.OutOrStdout(), report)
}

// dialects checks the dialects that were asked for, or takes all that there are.
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
