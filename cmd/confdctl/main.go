// Command confdctl is the operator's tool for ganeti-confd: it queries running daemons, and
// demonstrates the queries with a sample cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/ask"
	"gntconfd/cmd/confdctl/decode"
	"gntconfd/cmd/confdctl/demonstrate"
	"gntconfd/cmd/confdctl/inventory"
	"gntconfd/cmd/confdctl/measure"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/cmd/confdctl/validate"
	"gntconfd/internal/advice"
	"gntconfd/internal/release"
)

// Exit codes. They are part of the help texts below.
const (
	exitOK      = 0
	exitError   = 1
	exitStatus  = 2
	exitNoReply = 3
	exitDiffer  = 4
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
	if f := (*ask.Finding)(nil); errors.As(err, &f) {
		fmt.Fprintln(stdout, f)
		return f.ExitCode()
	}
	advice.Report(stderr, "confdctl", ask.Words(err), err)
	switch {
	case ask.IsStatus(err), errors.As(err, new(show.Missing)):
		return exitStatus
	case errors.Is(err, validate.ErrRefused):
		return exitStatus
	case errors.Is(err, client.ErrNoReply):
		return exitNoReply
	case errors.Is(err, ask.ErrDiffer), errors.Is(err, client.ErrInconsistent):
		return exitDiffer
	default:
		return exitError
	}
}

// newRoot creates the command line of the program.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "confdctl",
		Short: "Ask ganeti-confd about a cluster's configuration",
		Long: `confdctl talks to ganeti-confd, the daemon that answers questions about the
configuration of a Ganeti cluster over UDP. It works with this project's daemon
and with Ganeti's own.

To see what can be asked, without any cluster:

    confdctl demo

Whom it asks: the daemons that --server names; else the cluster's master candidates, as
/var/lib/ganeti/ssconf_master_candidates_ips on this node lists them; else the daemon of
this machine. The port is that of ganeti-confd in the services database, or 1814. It
asks up to six daemons at once, or --coverage, and prints the answer with the highest
serial number once a majority agrees, everyone has replied, or --timeout expires. It
gives up early when no daemon can be reached, unless --timeout is set. With --all it
shows what each daemon says, and its state: ok; stale, with a lower serial; differs,
with the same serial; error; or silent. The serial is that of what was asked about: of
the node for drbd and instances, of the instance for disks, otherwise of the cluster.
The file has another one, which goes up with every change; confdctl status shows it.

Requests are signed with the cluster's key, /var/lib/ganeti/hmac.key on its nodes.
GANETI_ROOTDIR, if set, goes in front of both paths. This machine's clock may be at most
five minutes off the daemons'.

On a terminal, tables are coloured and fit its width. --output json or yaml prints a
document with the members

    status      0, or the daemon's code for an error
    answer      what was asked for; with an error, what the daemon sent in its place
    names       the names of nodes whose addresses are in the answer, where known
    serial      the serial number of what was asked about
    agreed      whether a majority gave this answer
    consistent  whether nobody gave another answer with the same serial
    rtt_us      the round-trip time in microseconds
    error       the error in words
    peer        the daemon that gave the error

and with --all a document of consistent, whether all say the same, and peers, a list of
such documents with peer and state. --output name prints one name a line. Characters
that could upset a terminal are escaped, line feeds in texts too.

Environment:

    CONFD_SERVER    daemons to ask without --server, with commas between them
    CONFD_KEY_FILE  the key without --key-file
    CONFD_OUTPUT    the format without --output
    NO_COLOR        if set, no colours; the same with TERM=dumb

Exit status: 0 answered; 1 wrong usage or an error on this machine; 2 a daemon replied
with an error, or something asked for does not exist or cannot be read, such as an
address that is none; 3 no reply; 4 daemons disagree, or with --all, some are stale or
silent.`,
		Version:       release.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	var utc bool
	root.PersistentFlags().BoolVar(&utc, "utc", false, "show times in UTC")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if utc {
			show.Zone = time.UTC
		}
		return show.CheckEnvironment()
	}
	root.SetVersionTemplate("confdctl {{.Version}}\n")
	const asking, more = "asking", "more"
	root.AddGroup(&cobra.Group{ID: asking, Title: "Questions:"}, &cobra.Group{ID: more, Title: "More:"})
	for _, command := range ask.Commands() {
		command.GroupID = asking
		root.AddCommand(command)
	}
	for _, command := range []*cobra.Command{ask.Status(), ask.Top(), ask.Watch(), ask.Check(), demonstrate.Demo(), demonstrate.GenCluster(), measure.Bench(), measure.Latency(), decode.Command(), inventory.Command(), validate.New(), versionCommand()} {
		command.GroupID = more
		root.AddCommand(command)
	}
	root.SetHelpCommandGroupID(more)
	root.SetCompletionCommandGroupID(more)
	advice.Program(root)
	return root
}

// versionCommand prints which release this is.
func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		Long: "version prints the version of this program, and the commit that it was built from.",
		Args: advice.Args(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			text := "confdctl " + release.Version()
			if revision := release.Revision(); revision != "" {
				text += ", commit " + revision
			}
			_, err := fmt.Fprintln(command.OutOrStdout(), text)
			return err
		},
	}
}
