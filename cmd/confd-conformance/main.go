// Command confd-conformance certifies implementations of the confd protocol in any
// language. It uses the vectors of spec/vectors.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gntconfd/internal/advice"
	"gntconfd/internal/testing/conformance"
)

// Exit codes. The help text below lists them.
const (
	exitOK     = 0
	exitFailed = 1
	exitError  = 2
)

// errFailed means that the suite ran and some tests failed; the report says which.
var errFailed = errors.New("some tests failed")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes the command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)

	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFailed):
		return exitFailed
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	}
	advice.Report(stderr, "confd-conformance", err.Error(), err)
	return exitError
}

// newRoot returns the program as a command.
func newRoot() *cobra.Command {
	reporting := new(reporting)
	own := serverOptions{reporting: reporting}
	root := &cobra.Command{
		Use:   "confd-conformance [flags]",
		Short: "Certify an implementation of the confd protocol",
		// The vectors are what matters of it.
		Version: conformance.Release(),
		Long: `confd-conformance tests implementations of the confd protocol in any language
against the vectors of spec/vectors, which are built into this program. Each vector
is a datagram with the expected reply, recorded from Ganeti's own ganeti-confd.

"confd-conformance server" tests a daemon. Without a command it tests this project's
own daemon, inside the process.

"confd-conformance client" tests a client: it plays the servers that the client asks.

Scenarios do more: they change the files of a daemon while it runs, or play the servers
that a client asks. --version prints the release of the vectors.

The report is a table by area, followed by the details of every failure. Each test is
about a rule in spec/vectors/rules.json, and core or a quirk: core is what Ganeti's own
clients may send to a healthy cluster, and what keeps strangers out. --claim core leaves
out the rest.

Each line of a list of known failures (--known-failing FILE) is the id of a test, a
pattern of ids in which * stands for anything but a slash, or "deviation:NAME" for
all tests about a deviation in spec/deviations.json. The reason follows after a #.
Tests on the list must fail, and each line must match a test.

Exit codes: 0 all tests passed, 1 some tests failed, 2 the tests could not be run.`,
		Example: `  confd-conformance
  confd-conformance --list --run clock
  confd-conformance server --dialect 3.0 \
    -- ./my-confd --config {config} --key {key} --port {port}
  confd-conformance server --dialect 3.0 \
    --known-failing spec/vectors/known-failing/ganeti-3.0.2.txt \
    -- ganeti-confd -f --no-user-checks -b 127.0.0.1 -p {port}
  confd-conformance client -- ./my-client
  confd-conformance table ours=ours.json mine=mine.json`,
		Args:          advice.Args(cobra.NoArgs),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(command *cobra.Command, _ []string) error {
			own.Subject, own.Start = "this project's daemon", conformance.Own
			return own.run(command)
		},
	}
	reporting.register(root.PersistentFlags())
	own.register(root.Flags())
	root.AddCommand(serverCommand(reporting), clientCommand(reporting), tableCommand())
	advice.Program(root)
	return root
}
