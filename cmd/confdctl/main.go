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
	"gntconfd/cmd/confdctl/advice"
	"gntconfd/cmd/confdctl/ask"
	"gntconfd/cmd/confdctl/demonstrate"
	"gntconfd/cmd/confdctl/measure"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/cmd/confdctl/validate"
	"gntconfd/internal/terminal"
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
	report(stderr, err)
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

// report prints an error, and what to do about it.
func report(stderr io.Writer, err error) {
	text := err.Error()
	if status := (*client.StatusError)(nil); errors.As(err, &status) {
		text = fmt.Sprintf("%s answers with an error: %s", status.Peer, ask.StatusText(status))
	}
	var advised *advice.Error
	if errors.As(err, &advised) {
		text += "\n" + strings.ReplaceAll(advised.Advice, "\n", "\n  ")
		text = strings.Replace(text, "\n", "\n  ", 1)
	}
	for line := range strings.Lines("confdctl: " + text) {
		fmt.Fprintln(stderr, terminal.Printable(strings.TrimSuffix(line, "\n")))
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

    confdctl demo

Unless --server names others, questions go to the cluster's master
candidates, as /var/lib/ganeti/ssconf_master_candidates_ips on this node lists them, or
where there is no such file to the daemon of this machine. Several names of one address
are one daemon. Up to six of them, or as many as --coverage
says, are asked at once. The newest answer, by its serial number, is shown as soon as
more than half of them agree with it, or all have replied, or --timeout is over. When
none of them can be reached three times in a row, that is said at once; with --timeout
they are asked until it is over, as they may be restarting. With
--all every one is asked, and what each says is shown beside the others: ok; stale, with
a lower serial; differs, with the same serial; error; or silent. The port is by default
that of ganeti-confd in the services database, or 1814.

Requests are signed, so the cluster's key is needed; on the cluster's nodes it is
/var/lib/ganeti/hmac.key. The directory that the environment variable GANETI_ROOTDIR
names goes in front of these files. The clock of this machine may be at most five
minutes off the daemons'. A reply is taken only from an address that was asked, and only
if it is signed with the key and belongs to the request.

Tables are coloured on a terminal, unless NO_COLOR is set in the
environment or TERM is dumb. With --output json or yaml the answer is a document with
the members

    status      0, or the daemon's code for an error
    answer      what was asked for; with an error, what the daemon sent in its place
    serial      the serial number of what was asked about
    agreed      whether more than half of those asked gave this answer
    consistent  whether none gave another one with the same serial
    rtt_us      how long it took, in microseconds
    error       the error in words, and
    peer        who says so, where there is one

and with --all a document of consistent, whether all say the same, and peers, a list of
such documents with peer and state. Characters that could upset a terminal are escaped.

Exit status: 0 answered; 1 wrong usage or an error on this machine; 2 a daemon answered
with an error, or something that was asked for is not there; 3 no reply; 4 daemons gave
different answers, or with --all, some are stale or silent.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	const asking, more = "asking", "more"
	root.AddGroup(&cobra.Group{ID: asking, Title: "Questions:"}, &cobra.Group{ID: more, Title: "More:"})
	for _, command := range ask.Commands() {
		command.GroupID = asking
		root.AddCommand(command)
	}
	for _, command := range []*cobra.Command{ask.Watch(), ask.Check(), demonstrate.Demo(), demonstrate.GenCluster(), measure.Bench(), measure.Latency(), validate.New()} {
		command.GroupID = more
		root.AddCommand(command)
	}
	root.SetHelpCommandGroupID(more)
	root.SetCompletionCommandGroupID(more)
	root.SetFlagErrorFunc(advice.Usage)
	return root
}
