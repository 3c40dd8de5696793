// Package demonstrate has the commands that need no cluster: the demonstration with the sample
// cluster, and generated clusters of any size.
package demonstrate

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/ask"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/gen/wire"
	"gntconfd/internal/advice"
	"gntconfd/internal/sample/serve"
	"gntconfd/internal/terminal"
)

// demoQuestions are the questions about the sample cluster. Queries are written as on the
// command line.
var demoQuestions = []struct {
	title string
	typ   wire.RequestType
	query string
}{
	{"Is the daemon alive, and which version of the configuration does it serve?", wire.RequestPing, ""},
	{"Who is the master?", wire.RequestClusterMaster, ""},
	{"And at which addresses: name, the cluster's IP, the node's own?", wire.RequestClusterMaster, `{"3": [0, 1, 2]}`},
	{"What role has node1?", wire.RequestNodeRoleByName, "node1.example.org"},
	{"And node6? A short name will do where it is unique.", wire.RequestNodeRoleByName, "node6"},
	{"Where are all the nodes?", wire.RequestNodePIPList, ""},
	{"Which of them could become master?", wire.RequestMCPIPList, ""},
	{"Which addresses have instances on the default link?", wire.RequestInstanceIPsList, ""},
	{"And on br1?", wire.RequestInstanceIPsList, "br1"},
	{"Which node runs the instance with this address?", wire.RequestNodePIPByInstanceIP, `{"1": "203.0.113.25"}`},
	{"And these, on br1?", wire.RequestNodePIPByInstanceIP, `{"0": "br1", "2": ["198.51.100.20", "198.51.100.99", "2001:db8:2::40"]}`},
	{"Which DRBD minors are in use on node4?", wire.RequestNodeDRBD, "node4.example.org"},
	{"Of which instances is node7 the primary, and of which the secondary?", wire.RequestNodeInstances, "node7.example.org"},
	{"Which disks does the instance mail have?", wire.RequestInstanceDisks, "mail.example.org"},
	{"What is the cluster's name?", wire.RequestConfigQuery, "/cluster/cluster_name"},
	{"Which parameters do NICs have by default?", wire.RequestConfigQuery, "/cluster/nicparams/default"},
	{"Which job filters are there?", wire.RequestConfigQuery, "/filters"},
	{"Which data collectors should run, and how often?", wire.RequestDataCollectors, ""},
	{"What about a node that does not exist?", wire.RequestNodeRoleByName, "node9.example.org"},
	{"Or a part of the configuration that does not?", wire.RequestConfigQuery, "/cluster/motto"},
}

// exchange is a question of the demonstration with its reply.
type exchange struct {
	title string
	typ   wire.RequestType
	query wire.Query
	reply *reply
}

func Demo() *cobra.Command {
	var (
		form    show.Form
		stay    bool
		options = serve.Options{Page: true}
	)
	command := &cobra.Command{
		Use:   "demo",
		Short: "Show on a sample cluster what can be asked",
		Long: `demo starts a daemon with a small sample cluster on a free port of 127.0.0.1, sends it
every type of query, signed and over UDP, and prints queries and answers. It needs no
cluster and leaves nothing behind.

With --serve the daemon stays up until it is interrupted, with a status page; demo prints
how to ask it, and the page's address. --config serves another configuration, for example
one of confdctl gen-cluster.

With --output json or yaml the output is one list with the members title, request (type,
query), reply (status, answer, serial) and rtt_us, the round-trip time in microseconds;
with --serve it is a document with the members server, key_file, config_file and page.

Exit status: 0 all questions were answered; 1 an error on this machine; 3 no reply.`,
		Example: `  confdctl demo
  confdctl demo --serve
  confdctl demo --serve --config config.data --port 1814`,
		Args: advice.Args(cobra.NoArgs),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		ctx, stdout := command.Context(), command.OutOrStdout()
		for _, name := range []string{"port", "config"} {
			if !stay && command.Flags().Changed(name) {
				return advice.Usage(command, fmt.Errorf("--%s needs --serve", name))
			}
		}
		if stay {
			return serve.Daemon(ctx, options, func(s serve.Served) error { return invite(ctx, s, stdout, form) })
		}
		return serve.Sample(ctx, func(c *client.Client) error {
			if form == show.AsTable {
				return demoText(ctx, c, stdout)
			}
			document, err := Document(ctx, c)
			if err != nil {
				return err
			}
			return form.Write(stdout, document)
		})
	}
	flags := command.Flags()
	flags.BoolVar(&stay, "serve", false, "keep the daemon running, with a status page, until interrupted")
	flags.Uint16VarP(&options.Port, "port", "p", 0, "with --serve, the UDP `port` (default any free one)")
	flags.StringVar(&options.Config, "config", "", "with --serve, the configuration `file` (default the sample cluster)")
	form.AddFlags(command, show.ForTexts)
	form.AddJSON(command)
	return command
}

// invite prints how to ask the daemon, and waits until ctx ends.
func invite(ctx context.Context, s serve.Served, stdout io.Writer, form show.Form) error {
	var err error
	if form.ForPrograms() {
		err = form.WriteOne(stdout, struct {
			Server     string `json:"server"`
			KeyFile    string `json:"key_file"`
			ConfigFile string `json:"config_file"`
			Page       string `json:"page"`
		}{s.Addr.String(), s.KeyFile, s.ConfigFile, s.Page})
	} else {
		var page *url.URL
		if page, err = url.Parse(s.Page); err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, `ganeti-confd answers on %s until you press Ctrl-C.
To ask it, in another shell:

    export CONFD_SERVER=%s
    export CONFD_KEY_FILE=%s
    confdctl status
    confdctl top --metrics-port %s

Status page:    %s
Configuration:  %s
`, s.Addr, s.Addr, s.KeyFile, page.Port(), s.Page, s.ConfigFile)
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// exchanges asks the questions one after the other. After an error, which it yields, it stops.
func exchanges(ctx context.Context, c *client.Client) iter.Seq2[exchange, error] {
	return func(yield func(exchange, error) bool) {
		for _, question := range demoQuestions {
			x := exchange{title: question.title, typ: question.typ}
			var err error
			if question.query != "" {
				x.query, err = ask.ParseQuery(question.query)
			}
			if err == nil {
				x.reply, err = askRaw(ctx, c, x.typ, x.query)
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// Entry is a question of the demonstration, for programs.
type Entry struct {
	Title   string `json:"title"`
	Request struct {
		Type  wire.RequestType `json:"type"`
		Query json.RawMessage  `json:"query,omitempty"`
	} `json:"request"`
	Reply struct {
		Status wire.Status     `json:"status"`
		Answer json.RawMessage `json:"answer"`
		Serial int64           `json:"serial"`
	} `json:"reply"`
	RTT int64 `json:"rtt_us"`
}

// Document returns the demonstration for programs.
func Document(ctx context.Context, c *client.Client) ([]Entry, error) {
	var document []Entry
	for x, err := range exchanges(ctx, c) {
		if err != nil {
			return nil, err
		}
		e := Entry{Title: x.title, RTT: x.reply.RoundTrip.Microseconds()}
		e.Request.Type = x.typ
		e.Reply.Status, e.Reply.Answer, e.Reply.Serial = x.reply.Status, x.reply.Answer, x.reply.Serial
		if x.query.Type != "" {
			if e.Request.Query, err = x.query.MarshalJSON(); err != nil {
				return nil, err
			}
		}
		document = append(document, e)
	}
	return document, nil
}

// The width of the demonstration's text in columns, and the number of lines shown of a long
// answer.
const (
	Width     = 80
	demoLines = 10
)

// demoText prints the demonstration for people.
func demoText(ctx context.Context, c *client.Client, stdout io.Writer) error {
	style := terminal.StyleFor(stdout)
	fmt.Fprintf(stdout, `A daemon with a sample cluster answers on %s. Each query below is
signed and sent over UDP. It is shown with type, name and argument, and then its
answer with status, serial and round-trip time.

`, c.Peers()[0])
	var times []time.Duration
	refused := 0
	for x, err := range exchanges(ctx, c) {
		if err != nil {
			return err
		}
		times = append(times, x.reply.RoundTrip)
		if x.reply.Status != wire.StatusOK {
			refused++
		}
		if err := x.print(stdout, style); err != nil {
			return err
		}
	}
	slices.Sort(times)
	_, err := fmt.Fprintf(stdout, `%d questions, %d replies, %d errors as expected; median round trip %s.
To ask a cluster of your own: confdctl --help
`, len(demoQuestions), len(times), refused, show.Milliseconds(times[len(times)/2]))
	return err
}

// print prints a question and its answer, and an empty line.
func (x *exchange) print(stdout io.Writer, style terminal.Style) error {
	asked := fmt.Sprintf("  %d %s", x.typ, wire.RequestWords[x.typ])
	if x.query.Type != "" {
		query, err := x.query.MarshalJSON()
		if err != nil {
			return err
		}
		asked += " " + show.Inline(query)
	}
	lines := terminal.Wrap(strings.TrimSpace(asked), Width-4)
	for i := range lines {
		lines[i] = []string{"  ", "    "}[min(i, 1)] + lines[i]
	}
	last := lines[len(lines)-1]
	asked = strings.Join(lines, "\n")
	status := show.StatusWords[x.reply.Status]
	rest := fmt.Sprintf(", serial %d, %s", x.reply.Serial, show.Milliseconds(x.reply.RoundTrip))
	room := Width - utf8.RuneCountInString(last+status+rest)
	gap := strings.Repeat(" ", max(0, room))
	if room < 2 {
		gap = "\n" + strings.Repeat(" ", Width-len(status+rest))
	}
	colour, t := terminal.Good, show.AnswerTable(x.typ, x.query, x.reply.Answer, Width-4)
	if x.reply.Status != wire.StatusOK {
		colour, t = terminal.Bad, show.ErrorTable(x.reply.Answer, Width-4)
	}
	fmt.Fprintln(stdout, style.Paint(terminal.Strong, x.title))
	fmt.Fprintln(stdout, asked+gap+style.Paint(colour, status)+style.Paint(terminal.Faint, rest))

	lines = t.Lines(style, Width-4)
	note := ""
	if len(lines) > demoLines {
		note = fmt.Sprintf("... and %d more lines; the answer has %d bytes", len(lines)-demoLines+1, len(x.reply.Answer))
		lines = lines[:demoLines-1]
	}
	for _, line := range lines {
		fmt.Fprintln(stdout, "    "+line)
	}
	if note != "" {
		fmt.Fprintln(stdout, "    "+style.Paint(terminal.Faint, note))
	}
	_, err := fmt.Fprintln(stdout)
	return err
}
