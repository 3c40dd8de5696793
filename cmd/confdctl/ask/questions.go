// Package ask has the commands that ask daemons questions: once, all of them, again and
// again, or for a monitoring system.
package ask

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/advice"
	"gntconfd/cmd/confdctl/show"
)

// question is a command that asks daemons something.
type question struct {
	use, short, long, example string
	hint                      string // for those who get ErrArgument

	args     cobra.PositionalArgs
	complete func(before []string) completer
	flags    func(*pflag.FlagSet, *inputs)
	inquire  func(inputs, []string) (inquiry, error)
}

// inputs are the flags of questions, where they have any.
type inputs struct {
	link    string
	details bool
}

const (
	nodeHelp     = "A node goes by its name, by the beginning of its name up to a dot, or by its UUID."
	instanceHelp = "An instance goes by its name, by the beginning of its name up to a dot, or by its\nUUID."
)

// questions returns all commands that ask something.
func questions() []question {
	return []question{
		{
			use:   "ping",
			short: "Ask whether daemons are alive",
			long: `ping asks for the version of the configuration's layout, which says that a daemon runs,
trusts the key, and has a configuration.`,
			example: "  confdctl ping\n  confdctl ping --all",
			args:    cobra.NoArgs,
			inquire: func(inputs, []string) (inquiry, error) { return inquire(client.Ping(), show.Version), nil },
		},
		{
			use:     "role NODE",
			short:   "Show the role of a node",
			long:    "role shows what a node is: master, master candidate, regular, drained or offline.\n\n" + nodeHelp,
			example: "  confdctl role node2\n  confdctl role node2.example.org --all",
			args:    cobra.ExactArgs(1), complete: first(completeNode),
			inquire: func(_ inputs, args []string) (inquiry, error) {
				return inquire(client.NodeRole(args[0]), show.Role), nil
			},
		},
		{
			use:     "master",
			short:   "Show who is the cluster's master",
			long:    "master shows the name of the master node, and its addresses on demand.",
			example: "  confdctl master\n  confdctl master --details",
			args:    cobra.NoArgs,
			flags: func(flags *pflag.FlagSet, in *inputs) {
				flags.BoolVarP(&in.details, "details", "d", false, "also show the cluster's IP address and the master's own")
			},
			inquire: func(in inputs, _ []string) (inquiry, error) {
				if in.details {
					return inquire(client.MasterDetails(), show.Details), nil
				}
				return inquire(client.Master(), show.Text), nil
			},
		},
		{
			use:     "nodes",
			short:   "List the primary IPs of all nodes",
			long:    "nodes lists the primary IP addresses of all nodes.",
			example: "  confdctl nodes",
			args:    cobra.NoArgs,
			inquire: func(inputs, []string) (inquiry, error) { return inquire(client.NodeIPs(), show.Addresses), nil },
		},
		{
			use:     "candidates",
			short:   "List the primary IPs of the master candidates",
			long:    "candidates lists the primary IP addresses of the master candidates, the master among them.",
			example: "  confdctl candidates",
			args:    cobra.NoArgs,
			inquire: func(inputs, []string) (inquiry, error) { return inquire(client.CandidateIPs(), show.Addresses), nil },
		},
		{
			use:     "instance-ips",
			short:   "List the addresses of all instances on a link",
			long:    "instance-ips lists the IP addresses of all instances on a link. For a link that there is\nnot, it lists nothing.",
			example: "  confdctl instance-ips\n  confdctl instance-ips --link br1",
			args:    cobra.NoArgs, flags: linkFlag,
			inquire: func(in inputs, _ []string) (inquiry, error) {
				return inquire(client.InstanceIPs(in.link), show.Addresses), nil
			},
		},
		{
			use:   "locate IP...",
			short: "Find the nodes that run the instances with some addresses",
			long: `locate shows, for each IP address, the primary IP of the node that runs the instance with
it. The exit status is 2 when one of them is no instance's.`,
			example: "  confdctl locate 203.0.113.10 2001:db8:1::10\n  confdctl locate --link br1 198.51.100.20",
			args:    cobra.MinimumNArgs(1), flags: linkFlag,
			inquire: func(in inputs, args []string) (inquiry, error) {
				ips := make([]netip.Addr, len(args))
				for i, arg := range args {
					var err error
					if ips[i], err = netip.ParseAddr(arg); err != nil {
						return nil, fmt.Errorf("%q is not an IP address", arg)
					}
				}
				return inquire(client.LocateAll(in.link, ips...), show.Locations), nil
			},
		},
		{
			use:     "drbd NODE",
			short:   "List the DRBD minors in use on a node",
			long:    "drbd lists the DRBD minors in use on a node, with instance, disk, what the node is for it,\nand the other node.\n\n" + nodeHelp,
			example: "  confdctl drbd node4",
			args:    cobra.ExactArgs(1), complete: first(completeNode),
			inquire: func(_ inputs, args []string) (inquiry, error) {
				return inquire(client.Minors(args[0]), show.Minors), nil
			},
		},
		{
			use:   "instances NODE",
			short: "List the instances of a node",
			long: `instances lists the instances that a node runs, or would, and those that have a DRBD disk
on it and run elsewhere. What an instance leaves to the cluster's defaults is shown as
default. JSON and YAML have all that the configuration says of them, private parameters
of operating systems included.

` + nodeHelp,
			example: "  confdctl instances node7\n  confdctl instances node7 --output json | jq -r '.answer.primary[].name'",
			args:    cobra.ExactArgs(1), complete: first(completeNode),
			inquire: func(_ inputs, args []string) (inquiry, error) {
				return inquire(client.Instances(args[0]), show.Instances), nil
			},
		},
		{
			use:     "disks INSTANCE",
			short:   "List the disks of an instance",
			long:    "disks lists the disks of an instance. JSON and YAML have all that the configuration says\nof them, secrets of DRBD included.\n\n" + instanceHelp,
			example: "  confdctl disks mail\n  confdctl disks mail --output yaml",
			args:    cobra.ExactArgs(1), complete: first(completeInstance),
			inquire: func(_ inputs, args []string) (inquiry, error) { return inquire(client.Disks(args[0]), show.Disks), nil },
		},
		{
			use:   "config PATH",
			short: "Show a part of the configuration",
			long: `config shows a part of the configuration. PATH is a JSON pointer (RFC 6901): names of
members, or numbers of elements, each after a slash; the first slash may be left out. A
slash in a name is written ~1 and a tilde ~0. What is too large for a datagram of 60 kB
cannot be shown: ask for parts of it.`,
			example: "  confdctl config /cluster/cluster_name\n  confdctl config cluster/nicparams/default --output yaml",
			hint:    "The configuration has nothing there. At its top it has\n" + strings.Join(topMembers, ", ") + ".",
			args:    cobra.ExactArgs(1), complete: first(completePointer),
			inquire: func(_ inputs, args []string) (inquiry, error) {
				return inquire(client.Config(pointer(args[0])), show.JSON), nil
			},
		},
		{
			use:     "collectors",
			short:   "Show which data collectors should run",
			long:    "collectors shows the data collectors of Ganeti's monitoring daemon: whether they are\nactive, and how often they collect.",
			example: "  confdctl collectors",
			args:    cobra.NoArgs,
			inquire: func(inputs, []string) (inquiry, error) { return inquire(client.Collectors(), show.Collectors), nil },
		},
		askQuestion(),
	}
}

func linkFlag(flags *pflag.FlagSet, in *inputs) {
	flags.StringVarP(&in.link, "link", "l", "", "`name` of the link, such as a bridge (default the cluster's default link)")
}

// pointer returns the JSON pointer that a person means.
func pointer(path string) string {
	return "/" + strings.TrimPrefix(path, "/")
}

// name returns the name of the command.
func (q *question) name() string { return strings.Fields(q.use)[0] }

// questionHelp ends the help of every question.
const questionHelp = `

Exit status: 0 answered; 1 wrong usage or an error on this machine; 2 an error in reply;
3 no reply; 4 daemons do not agree. confdctl --help tells whom it asks, and more.`

// asked is what a command of a question has been given.
type asked struct {
	conn    Connection
	form    show.Form
	hint    string
	client  *client.Client
	inquiry inquiry
}

// command makes the command, which has run do something with a client and the inquiry.
func (q *question) command(run func(*cobra.Command, *asked) error) (*cobra.Command, *asked) {
	var (
		a  = asked{hint: q.hint}
		in inputs
	)
	command := &cobra.Command{
		Use: q.use, Short: q.short, Long: q.long + questionHelp, Example: q.example,
		Args: advice.Args(q.args),
		ValidArgsFunction: func(command *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if q.complete == nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return q.complete(args).candidates(command.Context(), &a.conn, begun)
		},
		RunE: func(command *cobra.Command, args []string) error {
			var err error
			if a.inquiry, err = q.inquire(in, args); err != nil {
				return advice.Usage(command, err)
			}
			if a.client, err = a.conn.Client(); err != nil {
				return err
			}
			defer a.client.Close()
			return run(command, &a)
		},
	}
	if q.flags != nil {
		q.flags(command.Flags(), &in)
	}
	a.form.AddFlags(command)
	return command, &a
}

// Commands returns the commands that ask once.
func Commands() []*cobra.Command {
	var commands []*cobra.Command
	for _, q := range questions() {
		command, a := q.command(askOnce)
		a.conn.AddFlags(command)
		a.conn.AddChoice(command)
		if q.name() == "ask" {
			a.form.AddJSON(command)
		}
		commands = append(commands, command)
	}
	return commands
}

// askOnce asks the question and prints the answer.
func askOnce(command *cobra.Command, asked *asked) error {
	ctx, cancel := asked.conn.Patience(command.Context())
	defer cancel()
	stdout := command.OutOrStdout()
	if asked.conn.all {
		return askAll(ctx, &asked.conn, asked.client, asked.inquiry, stdout, asked.form)
	}
	a, failure := asked.inquiry.query(ctx, asked.client)
	if a.err != nil && !IsStatus(a.err) {
		return asked.conn.Advise(failure)
	}
	var err error
	if asked.form != show.AsTable {
		err = asked.form.Write(stdout, a.document())
	} else if a.err == nil {
		if failure == nil { // else the answer is one of several
			err = a.Table.Write(stdout)
		}
	}
	if note := a.note(); err == nil && failure == nil && note != "" {
		_, err = fmt.Fprintln(command.ErrOrStderr(), "confdctl: "+note)
	}
	if err != nil {
		return err
	}
	switch {
	case asked.hint != "" && errors.Is(failure, client.ErrArgument):
		return advice.New(failure, asked.hint)
	case errors.Is(failure, client.ErrInconsistent):
		return advice.New(failure, "--all shows what each daemon says.")
	case failure != nil:
		return failure
	}
	return a.View.Err
}
