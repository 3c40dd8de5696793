// Command confdctl is the operator's tool for ganeti-confd: it asks a running
// daemon questions, and shows on a sample cluster what can be asked.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gntconfd/client"
)

// Exit codes. They are part of the help texts below.
const (
	exitOK      = 0
	exitError   = 1
	exitStatus  = 2
	exitNoReply = 3
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes the command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)

	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if f := (*finding)(nil); errors.As(err, &f) {
		fmt.Fprintln(stdout, f)
		return int(f.health)
	}
	fmt.Fprintf(stderr, "confdctl: %v\n", err)
	var advised *advisedError
	if errors.As(err, &advised) {
		for line := range strings.Lines(advised.advice) {
			fmt.Fprint(stderr, "  ", line)
		}
		fmt.Fprintln(stderr)
	}
	switch {
	case errors.Is(err, errStatus):
		return exitStatus
	case errors.Is(err, client.ErrNoReply):
		return exitNoReply
	default:
		return exitError
	}
}

// newRoot returns the program as a command.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "confdctl",
		Short: "Ask ganeti-confd about a cluster's configuration",
		Long: `confdctl talks to ganeti-confd, the daemon that answers questions about the
configuration of a Ganeti cluster over UDP. It works with this project's daemon
and with Ganeti's own.

To see what can be asked, without any cluster:

  confdctl demo`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(askCommand(), checkCommand(), demoCommand(), genClusterCommand(), benchCommand())
	root.SetFlagErrorFunc(usageError)
	return root
}

// advisedError is an error with a text that says what to do about it.
type advisedError struct {
	error
	advice string
}

func (e *advisedError) Unwrap() error { return e.error }

// usageError adds to an error in the command line where to read on.
func usageError(command *cobra.Command, err error) error {
	return &advisedError{err, "See " + command.CommandPath() + " --help."}
}

// usage makes errors about a command's arguments usage errors.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return usageError(command, err)
		}
		return nil
	}
}
