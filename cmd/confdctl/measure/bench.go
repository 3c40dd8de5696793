// Package measure has the commands that load daemons and time their replies.
package measure

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"

	"gntconfd/cmd/confdctl/ask"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/gen/wire"
	"gntconfd/internal/advice"
	"gntconfd/internal/bench"
	"gntconfd/internal/daemon"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/sample"
	"gntconfd/internal/terminal"
)

// benchFlags are the flags of all ways to measure.
type benchFlags struct {
	command        string
	compare        []string
	echo, echoHMAC bool
	load           bench.Load
	rounds         int
	output
}

// output says where a report goes.
type output struct {
	form show.Form
	svg  string
}

func (o *output) addFlags(command *cobra.Command) {
	o.form.AddFlags(command, []show.Form{show.AsTable, show.AsJSON, show.AsYAML, show.AsMarkdown})
	o.form.AddJSON(command)
	command.Flags().StringVar(&o.svg, "svg", "", "`directory` to write plots to")
}

// addFlags adds the flags that say who is measured how often, and what is printed.
func (b *benchFlags) addFlags(command *cobra.Command, rounds int) {
	flags := command.Flags()
	flags.StringVar(&b.command, "command", "", "`command` that starts the daemon to measure, with {root} and {port}; \"NAME: \" may precede it")
	flags.StringArrayVar(&b.compare, "compare", nil, "`command` that starts a daemon to compare with, in the same form; more than once for several")
	flags.IntVar(&b.rounds, "rounds", rounds, "`number` of times to measure everything, the daemons in turn")
	b.output.addFlags(command)
}

// addLoadFlags adds the flags of a load.
func (b *benchFlags) addLoadFlags(command *cobra.Command, duration time.Duration) {
	flags := command.Flags()
	flags.BoolVar(&b.echo, "echo", false, "compare with a server that sends requests back")
	flags.BoolVar(&b.echoHMAC, "echo-hmac", false, "compare with one that also computes two HMACs for each")
	flags.IntVar(&b.load.Window, "window", 64, "`number` of requests on their way in a closed loop")
	flags.IntVar(&b.load.Sockets, "sockets", 1, "`number` of sockets to send from, each with a thread")
	flags.DurationVar(&b.load.Duration, "duration", duration, "how long to send requests each time")
}

// options checks the flags and returns what they mean. first is the daemon to
// measure.
func (b *benchFlags) options(first bench.Contestant) (bench.Options, error) {
	err := cmp.Or(
		advice.Within("window", b.load.Window, 1, 100_000),
		advice.Within("sockets", b.load.Sockets, 1, 1000),
		advice.Within("rounds", b.rounds, 1, 10_000),
	)
	if err != nil {
		return bench.Options{}, err
	}
	if b.load.Duration <= 0 {
		return bench.Options{}, fmt.Errorf("--duration %v: must be more than nothing", b.load.Duration)
	}
	if b.svg != "" { // rather than at the end
		if err := os.MkdirAll(b.svg, 0o755); err != nil {
			return bench.Options{}, fmt.Errorf("--svg: %w", err)
		}
	}
	contestants := []bench.Contestant{first}
	for i, compare := range b.compare {
		name := "compared"
		if i > 0 {
			name = fmt.Sprintf("compared-%d", i+1)
		}
		contestants = append(contestants, named(compare, name))
	}
	if b.echo {
		contestants = append(contestants, bench.Contestant{Name: "echo", Command: child(childEcho), Echo: true})
	}
	if b.echoHMAC {
		contestants = append(contestants, bench.Contestant{Name: "echo with HMACs", Command: child(childEchoHMAC), Echo: true})
	}
	return bench.Options{
		Contestants: contestants,
		Load:        b.load,
		Rounds:      b.rounds,
	}, nil
}

// contestant returns the daemon to start.
func (b *benchFlags) contestant() bench.Contestant {
	if b.command != "" {
		return named(b.command, "daemon")
	}
	return bench.Contestant{Name: "gntconfd", Command: child(childDaemon)}
}

// nameBefore matches a command with a name before it.
var nameBefore = regexp.MustCompile(`^(\w[\w .~-]*): +(.+)$`)

// named returns the daemon that a command starts, by the name before that if there is one.
func named(command, name string) bench.Contestant {
	if parts := nameBefore.FindStringSubmatch(command); parts != nil {
		name, command = parts[1], parts[2]
	}
	return bench.Contestant{Name: name, Command: bench.ShellCommand(command)}
}

// draw draws the plots of a report.
func (o *output) draw(report *bench.Report) error {
	if o.svg == "" {
		return nil
	}
	if err := os.MkdirAll(o.svg, 0o755); err != nil {
		return err
	}
	for name, plot := range report.Plots() {
		if err := os.WriteFile(filepath.Join(o.svg, name+".svg"), plot, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// show prints a report and draws its plots.
func (o *output) show(command *cobra.Command, report *bench.Report) error {
	if err := o.draw(report); err != nil {
		return err
	}
	switch stdout := command.OutOrStdout(); o.form {
	case show.AsTable:
		return report.Write(stdout, terminal.Width(stdout))
	case show.AsMarkdown:
		return report.WriteMarkdown(stdout)
	}
	return o.form.Write(command.OutOrStdout(), report)
}

const startAbout = `
Servers are measured in turn, round by round, so that whatever else the machine
does disturbs all of them. Without --command the daemon is this project's own, as a
process of its own. In a command {root} stands for a directory to use as
GANETI_ROOTDIR, which is also in the environment, and {port} for the port to listen
on; it must stay in the foreground. A name, a colon and a space may precede it. Ganeti's
own daemon is compared with by

    --compare \
    'Ganeti 3.0.2: ganeti-confd -f --no-user-checks -b 127.0.0.1 -p {port}'`

const echoAbout = `

The limits of the machine are shown by --echo and --echo-hmac: servers that read and
write as this project's daemon does, but only send each request back, followed by as
many bytes as the first daemon's replies are longer; the second one after as many HMACs
as a daemon must compute.

Every reply is checked: it is verified with the key, or byte for byte the same as
one to the same request that was.`

// Bench measures daemons.
func Bench() *cobra.Command {
	var (
		b                       benchFlags
		server, keyFile, config string
		mixText, rate           string
		pid                     int
	)
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast daemons answer",
		Long: `bench loads a daemon as hard as it can and shows replies per second, CPU time per
reply, latency, losses and memory. Requests are a mix of queries about a cluster, by
default the sample cluster.

In a closed loop each reply makes room for the next request. With --rate requests
are due at fixed times, whatever became of those before, and a latency counts from
when the request was due. A rate such as 0.5x or 2x is that share of what the same
daemon answers in a closed loop, which is then measured before and after.
` + startAbout + echoAbout + `

A mix is made of queries, each with a weight: the names of request types, as in
confdctl ask --help, and ` + strings.Join(moreQueries(), ", ") + `.

Do not measure a daemon that others need: it gets all the load that there can be.

Configurations are in folders confdctl-bench-* below TMPDIR, or /tmp, which are removed
at the end and when it is interrupted. After kill -9 they stay; the daemons that it has
started end with it. Remove them when no bench runs.

Exit status: 0 measured; 1 wrong usage or an error on this machine; 3 no reply.`,
		Example: `  confdctl bench
  confdctl bench --echo-hmac \
    --compare 'ganeti-confd -f --no-user-checks -b 127.0.0.1 -p {port}'
  confdctl bench --server 192.0.2.11:1814 --config config.data --rate 5000
  confdctl bench --rate 2x --duration 30s --rounds 1
  confdctl bench --compare './other-confd {root} {port}' \
    --compare 'ganeti-confd -f --no-user-checks -b 127.0.0.1 -p {port}'
  confdctl bench --noise 100000
  confdctl bench --rate 500 --hostile 1000 --duration 10s
  confdctl bench writes --sizes 3/10,1000/10000
  confdctl bench matrix --sizes 3/10,1000/10000 --svg docs`,
		Args: advice.Args(cobra.NoArgs),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		first := b.contestant()
		if server != "" {
			if b.command != "" {
				return advice.Usage(command, errors.New("--server and --command exclude each other"))
			}
			s, err := running(server, keyFile, pid)
			if err != nil {
				return err
			}
			first.Server = s
		}
		o, err := b.options(first)
		if err != nil {
			return advice.Usage(command, err)
		}
		if o.Load.Patience <= 0 {
			return advice.Usage(command, fmt.Errorf("--timeout %v: must be more than nothing", o.Load.Patience))
		}
		err = cmp.Or(
			advice.Within("noise", o.Load.Noise, 0, mostNoise),
			advice.Within("hostile", o.Load.Hostile, 0, mostNoise),
			advice.Within("pid", pid, 0, math.MaxInt32),
			parseRate(rate, &o),
		)
		if err != nil {
			return advice.Usage(command, err)
		}
		mix, err := bench.ParseMix(mixText)
		if err != nil {
			return advice.New(fmt.Errorf("--mix %q: %w", mixText, err), "Queries are:\n"+strings.Join(bench.Questions(), ", "))
		}
		name := filepath.Base(config)
		if config == "" {
			name = "sample"
			if config, err = writeSample(); err != nil {
				return err
			}
			defer os.Remove(config)
		}
		var done func()
		o.Progress, done = terminal.Steps(command.ErrOrStderr())
		report, err := bench.Run(command.Context(), o, name, config, mix)
		done()
		if err != nil {
			return (&ask.Connection{KeyFile: keyFile}).Advise(err)
		}
		return b.show(command, report)
	}
	b.addFlags(command, 5)
	b.addLoadFlags(command, 2*time.Second)
	flags := command.Flags()
	flags.StringVarP(&server, "server", "s", "", "`host:port` of a running daemon to measure")
	ask.AddKeyFile(flags, &keyFile, "`file` with the key of --server")
	flags.IntVar(&pid, "pid", 0, "`process` of --server on this machine; without it there are neither CPU time nor memory")
	flags.StringVar(&config, "config", "", "configuration `file` to ask about, which daemons that are started serve")
	flags.StringVar(&mixText, "mix", "ping=5,node-role=3,node-ip=2,master=1", "`queries` to send, with weights")
	flags.StringVar(&rate, "rate", "", "open loop at this `rate`: requests a second or, with an x, a share of the closed loop's")
	flags.DurationVar(&b.load.Patience, "timeout", time.Second, "time after which a request without a reply is lost")
	flags.Float64Var(&b.load.Hostile, "hostile", 0, "send a `number` of unsigned datagrams a second that are meant to cost much")
	flags.Float64Var(&b.load.Noise, "noise", 0, "send a `number` of broken and forged datagrams a second meanwhile")
	command.AddCommand(matrixCommand(), writesCommand(), showCommand(), childCommand())
	return command
}

// mostNoise is how many datagrams a second may come beside the questions: more than a machine
// can send.
const mostNoise = 10_000_000

// moreQueries lists the queries that are no names of request types.
func moreQueries() []string {
	names := wire.RequestWords[:]
	return slices.DeleteFunc(bench.Questions(), func(q string) bool { return slices.Contains(names, q) })
}

// matrixCommand measures daemons with clusters of several sizes.
func matrixCommand() *cobra.Command {
	var (
		b         benchFlags
		sizesText string
	)
	command := &cobra.Command{
		Use:   "matrix",
		Short: "Measure each type of request, and loading, as clusters grow",
		Long: `matrix generates clusters of some sizes and measures with each of them every type of
request for itself; the time from the start of the process to its first answer; memory
after loading and --duration of simple queries; and writes of the configuration, as bench
writes does. Simple queries are also put as loads of different kinds: in a closed loop,
one at a time, at half and at double the rate of the closed loop, and beside 100,000
broken and forged datagrams a second.

A daemon that is slow with a query gets fewer requests at once, as many as it can answer
within --duration.
` + startAbout + echoAbout + `

Exit status: 0 measured; 1 wrong usage or an error on this machine.`,
		Example: `  confdctl bench matrix --sizes 3/10,1000/10000 --echo --echo-hmac --svg docs \
    --compare 'ganeti-confd -f --no-user-checks -b 127.0.0.1 -p {port}'
  confdctl bench matrix --output json > results.json`,
		Args: advice.Args(cobra.NoArgs),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		sizes, err := bench.ParseSizes(sizesText)
		if err != nil {
			return advice.Usage(command, fmt.Errorf("--sizes: %w", err))
		}
		changes, err := bench.ParseChanges("one,1%,100%")
		if err != nil {
			return err
		}
		return b.measure(command, func(o bench.Options) (*bench.Report, error) {
			return bench.Matrix(command.Context(), o, bench.Writes{Changes: changes, Count: 1, Rate: 1}, sizes)
		})
	}
	b.addFlags(command, 5)
	b.addLoadFlags(command, 500*time.Millisecond)
	addSizes(command, &sizesText)
	return command
}

func addSizes(command *cobra.Command, sizes *string) {
	command.Flags().StringVar(sizes, "sizes", "3/10,1000/10000", "numbers of `nodes/instances` of the clusters")
}

// measure measures daemons that it starts, and shows the report.
func (b *benchFlags) measure(command *cobra.Command, run func(bench.Options) (*bench.Report, error)) error {
	o, err := b.options(b.contestant())
	if err != nil {
		return advice.Usage(command, err)
	}
	var done func()
	o.Progress, done = terminal.Steps(command.ErrOrStderr())
	report, err := run(o)
	done()
	if err != nil {
		return err
	}
	return b.show(command, report)
}

// writesCommand measures what writes of the configuration take.
func writesCommand() *cobra.Command {
	var (
		b                      benchFlags
		w                      bench.Writes
		sizesText, changesText string
	)
	command := &cobra.Command{
		Use:   "writes",
		Short: "Measure what writes of the configuration take, as clusters grow",
		Long: `writes generates clusters of some sizes, writes their configuration again and again, as
Ganeti does for every job, and shows for each kind of change

  CPU ms      of the daemon for each write, while nobody asks
  fresh ms    from the rename of the file to the first answer from it: median,
              99th percentile (p99) and slowest
  lost %      of 500 queries a second meanwhile, without a reply in 5 seconds
  query ms    the slowest of these
  MB, peak    resident memory after the writes, and the most meanwhile

In each round there are --writes while nobody asks, and as many with the queries.

Changes are one for one object, shares such as 1% of the nodes, instances and disks, and
added or removed for an instance with its disks. Each write also raises the serial number
of the file, and those of the changed objects. The next one is due when --rate says, even
if there is no answer from that before.

A daemon that has needed 40 seconds for its fresh answers in one cluster gets no more
rounds there.
` + startAbout + `

Exit status: 0 measured; 1 wrong usage or an error on this machine.`,
		Example: `  confdctl bench writes
  confdctl bench writes --sizes 5000/50000 --changes one,1%,100% --rounds 5
  confdctl bench writes --changes one --writes 20 --rate 5 --rounds 1
  confdctl bench writes \
    --compare 'ganeti-confd -f --no-user-checks -b 127.0.0.1 -p {port}'`,
		Args: advice.Args(cobra.NoArgs),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		sizes, err := bench.ParseSizes(sizesText)
		if err != nil {
			return advice.Usage(command, fmt.Errorf("--sizes: %w", err))
		}
		if w.Changes, err = bench.ParseChanges(changesText); err != nil {
			return advice.Usage(command, fmt.Errorf("--changes: %w", err))
		}
		if err := cmp.Or(advice.Within("writes", w.Count, 1, 100_000), advice.Within("rate", w.Rate, 0.001, 1000)); err != nil {
			return advice.Usage(command, err)
		}
		return b.measure(command, func(o bench.Options) (*bench.Report, error) {
			return bench.MeasureWrites(command.Context(), o, w, sizes)
		})
	}
	b.load = bench.Load{Window: 1, Sockets: 1, Duration: 1} // which options checks
	b.addFlags(command, 3)
	addSizes(command, &sizesText)
	flags := command.Flags()
	flags.StringVar(&changesText, "changes", "one,1%,100%,added,removed", "what each write `changes`")
	flags.IntVar(&w.Count, "writes", 3, "`number` of writes of each kind in a round")
	flags.Float64Var(&w.Rate, "rate", 1, "`number` of writes a second")
	return command
}

// showCommand shows a report that was written before.
func showCommand() *cobra.Command {
	var (
		o      output
		insert string
	)
	command := &cobra.Command{
		Use:   "show FILE",
		Short: "Show what was measured before, and draw its plots",
		Long: `show reads what bench or one of its commands has written with --output json, and prints
it in any format.

With --insert it replaces tables in a Markdown file. Each stands between the lines

    <!-- bench: NAME -->
    <!-- bench -->

NAME is queries or loads with the size of a cluster, such as "queries 3/10", or start or
writes with all sizes, such as "writes 3/10,1000/10000". Tables that were not measured
stay as they are.

Exit status: 0 shown; 1 wrong usage or an error on this machine.`,
		Example: `  confdctl bench show results.json
  confdctl bench show results.json --svg plots --output markdown
  confdctl bench show results.json --insert report.md`,
		Args: advice.Args(cobra.ExactArgs(1)),
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		report := new(bench.Report)
		err = json.Unmarshal(data, report)
		if err == nil {
			err = report.Check()
		}
		if err != nil {
			return advice.New(fmt.Errorf("%s: %w", args[0], err), "It must have been written with --output json.")
		}
		if insert != "" {
			text, err := os.ReadFile(insert)
			if err != nil {
				return err
			}
			changed, names, err := report.Insert(string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", insert, err)
			}
			if err := os.WriteFile(insert, []byte(changed), 0o644); err != nil {
				return err
			}
			for _, name := range names {
				fmt.Fprintln(command.OutOrStdout(), "replaced: "+name)
			}
			return o.draw(report)
		}
		return o.show(command, report)
	}
	o.addFlags(command)
	command.Flags().StringVar(&insert, "insert", "", "replace tables in a Markdown `file`, and print their names")
	return command
}

// parseRate sets the rate from a text.
func parseRate(text string, o *bench.Options) error {
	if text == "" {
		return nil
	}
	number, relative := strings.CutSuffix(text, "x")
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !(value > 0 && value <= 1e9) {
		return fmt.Errorf("--rate %s: not a number of requests a second such as 5000, nor a share such as 0.5x", text)
	}
	if relative {
		o.Load.Share = value
	} else {
		o.Load.Rate = value
	}
	return nil
}

// running returns a daemon that is already running.
func running(server, keyFile string, pid int) (*bench.Server, error) {
	conn := ask.Connection{KeyFile: keyFile}
	key, err := conn.Key()
	if err != nil {
		return nil, err
	}
	addr, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		return nil, advice.New(err, "--server takes a host and a port.")
	}
	return &bench.Server{Addr: addr.AddrPort(), Key: key, PID: pid}, nil
}

// writeSample writes the sample cluster's configuration into a temporary file.
func writeSample() (string, error) {
	file, err := os.CreateTemp("", "confdctl-bench-*.data")
	if err != nil {
		return "", err
	}
	_, err = file.Write(sample.Config)
	return file.Name(), errors.Join(err, file.Close())
}

// Servers that the program starts itself again as.
const (
	childDaemon   = "daemon"
	childEcho     = "echo"
	childEchoHMAC = "echo-hmac"
)

// child returns a command that starts this program again as a server.
func child(kind string) bench.Command {
	return func(_, port string) *exec.Cmd {
		command := exec.Command("/proc/self/exe", "bench", "child", kind, port)
		command.Args[0] = os.Args[0] // tests recognize their program by it
		return command
	}
}

// childCommand is the command that child starts.
func childCommand() *cobra.Command {
	command := &cobra.Command{Use: "child KIND PORT", Hidden: true, Args: advice.Args(cobra.ExactArgs(2))}
	command.RunE = func(command *cobra.Command, args []string) error {
		ctx := command.Context()
		port, err := strconv.ParseUint(args[1], 10, 16)
		if err != nil {
			return err
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
		switch args[0] {
		case childEcho:
			return bench.Echo(ctx, addr, nil)
		case childEchoHMAC:
			return bench.Echo(ctx, addr, sample.Key)
		}
		paths := ganeti.NodePaths()
		d, err := daemon.Start(ctx, daemon.Options{
			Config: paths.Config,
			Key:    paths.Key,
			Addr:   addr,
			Logger: slog.New(slog.DiscardHandler),
			Memory: new(daemon.Collector),
		})
		if err != nil {
			return err
		}
		return d.Wait()
	}
	return command
}
