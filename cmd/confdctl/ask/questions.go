// Package ask has the commands that ask daemons: once, all daemons, repeatedly, or for a
// monitoring system.
package ask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/roster"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/gen/wire"
	"gntconfd/internal/advice"
	"gntconfd/internal/terminal"
)

// question is a command that asks daemons something.
type question struct {
	use, short, long, example string
	subject                   subject // the kind of its first argument

	args     cobra.PositionalArgs
	complete func(before []string) completer
	flags    func(*pflag.FlagSet, *inputs)
	resolve  func(context.Context, *asked) error              // looks up what the inquiry needs
	whole    func(context.Context, *asked) (show.View, error) // used instead if there is no argument
	inquire  func(inputs, []string) (inquiry, error)
}

// subject is the kind of thing that a question is about.
type subject string

const (
	aNode      subject = "node"
	anInstance subject = "instance"
	aPath      subject = "path"
	aLink      subject = "link"
)

// argument says what the argument is that names the subject.
func (s subject) argument() string {
	switch s {
	case aNode, anInstance:
		return "name of the " + string(s)
	}
	return string(s)
}

// inputs are the flags of questions, where they have any, and what was looked up.
type inputs struct {
	link    string
	details bool
	hosts   show.Hosts
	nodes   func() *roster.Roster // for wide tables of nodes; otherwise nil
	links   []string              // links of the addresses to locate
}

const (
	nodeHelp     = "Give a node by its name, by the beginning of its name up to a dot, or by its UUID."
	instanceHelp = "Give an instance by its name, by the beginning of its name up to a dot, or by its\nUUID."
)

// questions returns all commands that ask something.
func questions() []question {
	return []question{
		{
			use:   "ping",
			short: "Ask whether daemons are alive",
			long: `ping asks for the version of the configuration's layout. A reply means that the daemon
runs, has the same key, and has a configuration.`,
			example: "  confdctl ping\n  confdctl ping --all",
			args:    cobra.NoArgs,
			inquire: func(inputs, []string) (inquiry, error) { return inquire(client.Ping(), show.Version), nil },
		},
		{
			use:   "role NODE",
			short: "Show the role of a node",
			long: `role shows the role of a node: master, master candidate, regular, drained or offline.
The daemon itself calls the master a master candidate unless it is asked by its full
name, so confdctl looks that up first; confdctl ask node-role does not.

` + nodeHelp,
			example: "  confdctl role node2\n  confdctl role node2.example.org --all",
			subject: aNode, args: cobra.ExactArgs(1), complete: first(completeNode), resolve: fullName,
			inquire: func(_ inputs, args []string) (inquiry, error) {
				return inquire(client.NodeRole(args[0]), show.Role), nil
			},
		},
		{
			use:     "master",
			short:   "Show the cluster's master",
			long:    "master shows the name of the master node.",
			example: "  confdctl master\n  confdctl master --details",
			args:    cobra.NoArgs,
			flags: func(flags *pflag.FlagSet, in *inputs) {
				flags.BoolVarP(&in.details, "details", "d", false, "also show the cluster's IP address and the master's own")
			},
			inquire: func(in inputs, _ []string) (inquiry, error) {
				if in.details {
					return inquire(client.Raw(int(wire.RequestClusterMaster), detailsQuery), show.Details), nil
				}
				return inquire(client.Master(), show.Text), nil
			},
		},
		{
			use:   "nodes",
			short: "List all nodes",
			long: `nodes lists the primary IP addresses of all nodes, with their names where they can be
found out. --output wide also shows role, group, secondary IP and flags.`,
			example: "  confdctl nodes\n  confdctl nodes --output wide\n  confdctl nodes --output name",
			args:    cobra.NoArgs, resolve: findHosts,
			inquire: func(in inputs, _ []string) (inquiry, error) {
				return inquire(client.Raw(int(wire.RequestNodePIPList), nil), show.Nodes(in.hosts, in.nodes)), nil
			},
		},
		{
			use:   "candidates",
			short: "List the master candidates",
			long: `candidates lists the primary IP addresses of the master candidates, the master among
them, with their names where they can be found out.`,
			example: "  confdctl candidates",
			args:    cobra.NoArgs, resolve: findHosts,
			inquire: func(in inputs, _ []string) (inquiry, error) {
				return inquire(client.Raw(int(wire.RequestMCPIPList), nil), show.NodeAddresses(in.hosts)), nil
			},
		},
		{
			use:   "instance-ips [LINK]",
			short: "List the addresses of all instances on a link",
			long: `instance-ips lists the IP addresses of all instances on a link, such as a bridge. Daemons
do not tell a link that does not exist from one without addresses; where there are none,
confdctl prints the links that it knows of to standard error.`,
			example: "  confdctl instance-ips\n  confdctl instance-ips br1",
			subject: aLink, args: cobra.MaximumNArgs(1), flags: linkFlag("the cluster's default link"), complete: first(completeLink),
			inquire: func(in inputs, args []string) (inquiry, error) {
				link := in.link
				if len(args) > 0 {
					if link != "" && link != args[0] {
						return nil, errors.New("LINK and --link differ")
					}
					link = args[0]
				}
				query, err := linkQuery(link)
				return inquire(client.Raw(int(wire.RequestInstanceIPsList), query), show.Addresses), err
			},
		},
		{
			use:   "locate IP...",
			short: "Find the nodes that run the instances with some addresses",
			long: `locate shows, for each IP address, the primary IP and the name of the node that runs the
instance with it. Without --link it looks on all links of the cluster, the default one
first. Exit status 2 means that an address belongs to no instance.`,
			example: "  confdctl locate 203.0.113.10 2001:db8:1::10\n  confdctl locate --link br1 198.51.100.20",
			args:    cobra.MinimumNArgs(1), flags: linkFlag("all links"), resolve: findLinks,
			inquire: func(in inputs, args []string) (inquiry, error) {
				ips := make([]netip.Addr, len(args))
				for i, arg := range args {
					var err error
					if ips[i], err = netip.ParseAddr(arg); err != nil {
						return nil, fmt.Errorf("%q is not an IP address", arg)
					}
				}
				if in.links == nil {
					in.links = slices.Repeat([]string{in.link}, len(ips))
				}
				return locate(ips, in.links, in.hosts), nil
			},
		},
		{
			use:     "drbd NODE",
			short:   "List the DRBD minors in use on a node",
			long:    "drbd lists the DRBD minors in use on a node, with instance, disk, role and peer node.\n\n" + nodeHelp,
			example: "  confdctl drbd node4",
			subject: aNode, args: cobra.ExactArgs(1), complete: first(completeNode),
			inquire: func(_ inputs, args []string) (inquiry, error) {
				return inquire(client.Minors(args[0]), show.Minors), nil
			},
		},
		{
			use:   "instances [NODE]",
			short: "List the instances of a node, or of the cluster",
			long: `instances lists a node's primary instances (running or not) and those it is DRBD
secondary for. Without a node it lists all instances of the cluster, in large clusters
by asking about each node. "default" means that the cluster's default applies. JSON and
YAML have all that the configuration says of them, private OS parameters included.

` + nodeHelp,
			example: "  confdctl instances\n  confdctl instances node7\n  confdctl instances node7 --output json | jq -r '.answer.primary[].name'",
			subject: aNode, args: cobra.MaximumNArgs(1), complete: first(completeNode),
			inquire: func(_ inputs, args []string) (inquiry, error) {
				if len(args) == 0 {
					return nil, errWhole
				}
				return inquire(client.Instances(args[0]), show.Instances), nil
			},
			whole: allInstances,
		},
		{
			use:     "disks INSTANCE",
			short:   "List the disks of an instance",
			long:    "disks lists the disks of an instance. --output wide also shows UUIDs and where the data\nis. JSON and YAML have all that the configuration says of them, DRBD secrets included.\n\n" + instanceHelp,
			example: "  confdctl disks mail\n  confdctl disks mail --output yaml",
			subject: anInstance, args: cobra.ExactArgs(1), complete: first(completeInstance),
			inquire: func(_ inputs, args []string) (inquiry, error) { return inquire(client.Disks(args[0]), show.Disks), nil },
		},
		{
			use:   "config [PATH]",
			short: "Show a part of the configuration",
			long: `config shows a part of the configuration. PATH is a JSON pointer (RFC 6901): names of
members, or numbers of elements, each after a slash; the first slash may be left out.
Write ~1 for a slash in a name and ~0 for a tilde. Without PATH it lists what there is.

Below /nodes, /instances, /nodegroups, /networks, /disks and /filters the members are
called by UUIDs. For the first four confdctl takes names too, and looks up the UUID.

A reply has at most 60 kB. For a larger part, confdctl lists what is in it as far as it
can find out.`,
			example: "  confdctl config\n  confdctl config /cluster/cluster_name\n  confdctl config /instances/mail/nics --output yaml",
			subject: aPath, args: cobra.MaximumNArgs(1), complete: first(completePointer), resolve: nameInPath,
			inquire: func(_ inputs, args []string) (inquiry, error) {
				if len(args) == 0 {
					return nil, errWhole
				}
				return inquire(client.Config(pointer(args[0])), show.JSON), nil
			},
			whole: wholeConfig,
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

// linkFlag returns what adds the flag for a link, otherwise being what is used without it.
func linkFlag(otherwise string) func(*pflag.FlagSet, *inputs) {
	return func(flags *pflag.FlagSet, in *inputs) {
		flags.StringVarP(&in.link, "link", "l", "", "`name` of the link, such as a bridge (default "+otherwise+")")
	}
}

// detailsQuery asks for the master's name, the cluster's IP and the master's own.
var detailsQuery = fmt.Appendf(nil, `{%q:[%d,%d,%d]}`, wire.ParameterFields, wire.FieldName, wire.FieldIP, wire.FieldMasterNodePIP)

// linkQuery returns the query for a link; without a name none, for the default link.
func linkQuery(link string) (json.RawMessage, error) {
	if link == "" {
		return nil, nil
	}
	return wire.NewStringQuery(link).MarshalJSON()
}

// pointer adds the slash that a JSON pointer begins with, if it is missing.
func pointer(path string) string {
	return "/" + strings.TrimPrefix(path, "/")
}

// name returns the name of the command.
func (q *question) name() string { return strings.Fields(q.use)[0] }

// questionHelp ends the help of every question.
const questionHelp = `

Exit status: 0 answered; 1 wrong usage or an error on this machine; 2 the daemon replied
with an error, or something asked for does not exist or cannot be read; 3 no reply;
4 daemons disagree.
See confdctl --help for which daemons are asked, and environment variables.`

// errWhole: without an argument a question is about the whole cluster, which takes more than one
// request.
var errWhole = errors.New("without an argument it cannot be asked this way")

// asked is a question with its arguments and flags.
type asked struct {
	question *question
	conn     Connection
	form     show.Form
	verbose  bool
	quiet    bool
	client   *client.Client
	in       inputs
	args     []string
	inquiry  inquiry // nil if the question is about the whole cluster
	notes    []string
}

// command creates the command. It calls run.
func (q *question) command(run func(*cobra.Command, *asked) error) (*cobra.Command, *asked) {
	a := &asked{question: q}
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
			a.args = args
			if len(args) > 0 && args[0] == "" && q.subject != "" {
				return advice.Usage(command, fmt.Errorf("the %s is empty", q.subject.argument()))
			}
			err := a.inquire()
			if errors.Is(err, errWhole) && (a.conn.all || a.conn.Follow > 0) {
				err = fmt.Errorf("%s needs an argument here", q.name())
			}
			if err != nil && !errors.Is(err, errWhole) {
				return advice.Usage(command, err)
			}
			if a.client, err = a.conn.Client(); err != nil {
				return err
			}
			defer a.client.Close()
			return run(command, a)
		},
	}
	if q.flags != nil {
		q.flags(command.Flags(), &a.in)
	}
	a.form.AddFlags(command, show.ForTables)
	return command, a
}

// inquire makes the inquiry from what is known so far.
func (a *asked) inquire() (err error) {
	if a.in.hosts == nil {
		a.in.hosts = func(string) string { return "" }
	}
	a.inquiry, err = a.question.inquire(a.in, a.args)
	return err
}

// resolve looks up what the inquiry needs, and makes the inquiry again.
func (a *asked) resolve(ctx context.Context) error {
	if a.question.resolve == nil || a.inquiry == nil {
		return nil
	}
	if err := a.question.resolve(ctx, a); err != nil {
		return a.conn.Advise(err)
	}
	return a.inquire()
}

// Commands returns the commands that ask once.
func Commands() []*cobra.Command {
	var commands []*cobra.Command
	for _, q := range questions() {
		command, a := q.command(askOnce)
		a.conn.AddFlags(command)
		a.conn.AddChoice(command)
		command.Flags().BoolVarP(&a.quiet, "quiet", "q", false, "print no answer; the exit status tells")
		command.Flags().BoolVarP(&a.verbose, "verbose", "v", false, "also print who answered, and errors as the daemon words them")
		if q.name() == "ask" {
			a.form.AddJSON(command)
		}
		commands = append(commands, command)
	}
	return commands
}

// askOnce asks the question and prints the answer.
func askOnce(command *cobra.Command, asked *asked) error {
	looking, cancel := asked.conn.Patience(command.Context())
	defer cancel()
	if err := asked.resolve(looking); err != nil {
		return err
	}
	ctx, cancel := asked.conn.Patience(command.Context())
	defer cancel()
	stdout := command.OutOrStdout()
	if asked.quiet {
		stdout = io.Discard
	}
	switch {
	case asked.inquiry == nil:
		return asked.askWhole(ctx, stdout, command.ErrOrStderr())
	case asked.conn.all:
		return askAll(ctx, asked, stdout)
	}
	a, failure := asked.inquiry.query(ctx, asked.client)
	if a.err != nil && !IsStatus(a.err) {
		return asked.conn.Advise(failure)
	}
	var err error
	if asked.form.ForPrograms() {
		err = asked.form.Write(stdout, a.document())
	} else if a.err == nil && failure == nil { // otherwise the answer is one of several
		err = asked.form.Show(stdout, a.View)
	}
	if note := a.note(); failure == nil && note != "" {
		asked.notes = append(asked.notes, note)
	}
	if failure == nil && asked.question.subject == aLink && len(a.Table.Rows) == 0 {
		asked.notes = append(asked.notes, asked.noAddresses(command.Context()))
	}
	if asked.verbose && failure == nil {
		asked.notes = append(asked.notes, fmt.Sprintf("%d of %d daemons replied, serial %d, %s", a.replies, a.asked, a.serial, show.Milliseconds(a.roundTrip)))
	}
	asked.tell(command.ErrOrStderr())
	if err != nil {
		return err
	}
	switch {
	case errors.Is(failure, client.ErrInconsistent):
		return advice.New(failure, "--all shows what each daemon says.")
	case failure != nil:
		return asked.explain(command.Context(), failure)
	}
	return a.View.Err
}

// tell prints the notes.
func (a *asked) tell(stderr io.Writer) {
	if a.quiet {
		return
	}
	for _, note := range a.notes {
		terminal.Say(stderr, "confdctl: "+terminal.Printable(note))
	}
}

// askWhole asks about the whole cluster and prints the answer.
func (a *asked) askWhole(ctx context.Context, stdout, stderr io.Writer) error {
	done := terminal.Patient(stderr, "asking about all of the cluster")
	v, err := a.question.whole(ctx, a)
	done()
	if err != nil {
		return a.conn.Advise(err)
	}
	if a.form.ForPrograms() {
		err = a.form.Write(stdout, struct {
			Status int `json:"status"`
			Answer any `json:"answer"`
		}{0, v.Value})
	} else {
		err = a.form.Show(stdout, v)
	}
	a.tell(stderr)
	return cmp.Or(err, v.Err)
}
