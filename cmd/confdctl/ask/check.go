package ask

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/internal/advice"
	"gntconfd/internal/terminal"
)

// health is the result of a check, as the exit code of a monitoring plugin.
type health int

const (
	healthOK health = iota
	healthWarning
	healthCritical
	healthUnknown
)

func (h health) String() string {
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[h]
}

// Finding is the result of a check. It is an error even if all is well, because its exit code
// and its line are all that the command reports.
type Finding struct {
	health health
	text   string
	data   string // performance data, or ""
}

// Error returns the line of the finding.
func (f *Finding) Error() string {
	line := "CONFD " + f.health.String() + " - " + terminal.Printable(terminal.Bounded(oneLine(f.text)))
	if f.data != "" {
		line += " | " + f.data
	}
	return line
}

// ExitCode returns the exit code of a plugin with this finding.
func (f *Finding) ExitCode() int { return int(f.health) }

// unknown returns the finding for an error on this machine.
func unknown(err error) *Finding { return &Finding{health: healthUnknown, text: advised(err)} }

// advised returns the text of an error with its advice.
func advised(err error) string {
	text := err.Error()
	if advised := (*advice.Error)(nil); errors.As(err, &advised) {
		text += ". " + strings.ReplaceAll(advised.Advice, "\n- ", " ")
	}
	return text
}

// oneLine joins the lines of a text, and replaces the character that separates performance data.
func oneLine(text string) string {
	return strings.ReplaceAll(inLine(text), "|", "/")
}

// limits are the round-trip times in milliseconds above which a check warns or fails.
type limits struct{ warning, critical float64 }

// check returns an error if a limit is not a valid time.
func (l limits) check() error {
	for _, flag := range []struct {
		name  string
		value float64
	}{{"warning", l.warning}, {"critical", l.critical}} {
		if !(flag.value >= 0 && flag.value <= math.MaxFloat32) {
			return fmt.Errorf("--%s %v: must be a number of milliseconds, and not negative", flag.name, flag.value)
		}
	}
	return nil
}

// Check checks running daemons for a monitoring system.
func Check() *cobra.Command {
	var limit limits
	conn := Connection{local: true}
	command := &cobra.Command{
		Use:   "check",
		Short: "Check a running daemon, as a Nagios-compatible plugin",
		Long: `check asks the daemon of this machine, at the address to which its UDP port is bound, or
another daemon, for the version of its configuration and for the master. It prints one
line, with the round-trip time in seconds and the cluster's serial number as performance
data:

    CONFD OK - version 3000000, cluster serial 73, master node1 |
    rtt=0.000312s;0.1;1;0 serial=73

The slower of the two answers counts. Round-trip time includes retries. --timeout bounds
both questions together; it should be more than --critical.

With --all it asks every master candidate, or every --server, who is master. It warns if
they disagree, if one is silent, or if one is stale: by the cluster's serial number, or
for two seconds by that of the file.

See confdctl --help for the daemon's port, the key and the clock.

Exit status: 0 OK; 1 WARNING, slow, or daemons disagree; 2 CRITICAL, very slow, no reply,
or an error in reply, as from a daemon without a configuration; 3 UNKNOWN, wrong usage or
an error on this machine, such as a key file that cannot be read.`,
		Example: `  confdctl check
  confdctl check --server node1.example.org --key-file /etc/nagios/hmac.key \
    --warning 50 --critical 500
  confdctl check --all`,
		Args: func(command *cobra.Command, args []string) error {
			if err := advice.Args(cobra.NoArgs)(command, args); err != nil {
				return unknown(err)
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := limit.check(); err != nil {
				return unknown(advice.Usage(command, err))
			}
			return check(command.Context(), &conn, limit)
		},
	}
	command.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return unknown(advice.Flag(command, err))
	})
	conn.AddFlags(command)
	flags := command.Flags()
	flags.BoolVarP(&conn.all, "all", "a", false, "ask all daemons and warn if they disagree")
	flags.Float64VarP(&limit.warning, "warning", "w", 100, "round-trip time above which to warn, in `ms`")
	flags.Float64VarP(&limit.critical, "critical", "c", 1000, "round-trip time above which the state is critical, in `ms`")
	return command
}

// check asks daemons and returns the finding.
func check(ctx context.Context, conn *Connection, limit limits) *Finding {
	c, err := conn.Client()
	if err != nil {
		return unknown(err)
	}
	defer c.Close()
	ctx, cancel := conn.Patience(ctx)
	defer cancel()
	if conn.all {
		return checkAll(ctx, conn, c, limit)
	}
	version, err := client.Query(ctx, c, client.Ping())
	if err != nil {
		return conn.failed("ping", err)
	}
	master, err := client.Query(ctx, c, client.Master())
	if err != nil {
		return conn.failed("master", err)
	}
	text := fmt.Sprintf("version %d, cluster serial %d, master %s", version.Answer, master.Serial, master.Answer)
	return judge(limit, max(version.RoundTrip, master.RoundTrip), master.Serial, text)
}

// checkAll asks every daemon for the master, and returns whether they agree.
func checkAll(ctx context.Context, conn *Connection, c *client.Client, limit limits) *Finding {
	opinions, err := collect(ctx, c, inquire(client.Master(), show.Text))
	if err != nil {
		return conn.failed("master", err)
	}
	if !alike(opinions) {
		var others []string
		for _, o := range opinions {
			if o.state != stateOK {
				others = append(others, fmt.Sprintf("%s is %s", o.peer, o.state))
			}
		}
		return &Finding{health: healthWarning, text: fmt.Sprintf("not all %d daemons say the same: %s", len(opinions), strings.Join(others, ", "))}
	}
	if err := opinions[0].err; err != nil {
		return conn.failed("master", err)
	}
	var slowest time.Duration
	for _, o := range opinions {
		slowest = max(slowest, o.roundTrip)
	}
	serial := opinions[0].serial
	text := fmt.Sprintf("all %d asked say the same, cluster serial %d, master %s", len(opinions), serial, opinions[0].Value)
	behind, newest := stragglers(ctx, c)
	if len(behind) > 0 {
		return &Finding{health: healthWarning, text: fmt.Sprintf(
			"all %d asked have cluster serial %d and master %s, but not the same file: %s",
			len(opinions), serial, opinions[0].Value, strings.Join(behind, ", "))}
	}
	f := judge(limit, slowest, serial, text)
	if newest > 0 {
		f.data += fmt.Sprintf(" file_serial=%d", newest)
	}
	return f
}

// distribution is how long Ganeti may take to copy a changed configuration to all candidates.
const distribution = 2 * time.Second

// stragglers returns which peers serve an older file than others, and the newest serial number
// of a file, or 0 if no peer reports it. The serial number in replies is the cluster's, which
// does not change when instances do. While a cluster changes all the time, its copies differ a
// little: a peer is behind only if after a while it still lacks what another had before.
func stragglers(ctx context.Context, c *client.Client) (behind []string, newest int64) {
	serials := fileSerials(ctx, c)
	for _, serial := range serials {
		newest = max(newest, serial)
	}
	maps.DeleteFunc(serials, func(_ string, serial int64) bool { return serial == newest })
	if len(serials) > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(distribution):
			maps.Copy(serials, fileSerials(ctx, c))
		}
	}
	for _, peer := range c.Peers() {
		if serial, known := serials[peer]; known && serial < newest {
			behind = append(behind, fmt.Sprintf("%s is stale, file serial %d where another has %d", peer, serial, newest))
		}
	}
	return behind, newest
}

// fileSerials returns the serial number of each peer's file. Peers of Ganeti 2.6 have no such
// query, but send it in every reply.
func fileSerials(ctx context.Context, c *client.Client) map[string]int64 {
	serials := make(map[string]int64)
	for r, err := range client.Replies(ctx, c, client.ConfigValue[int64]("/serial_no")) {
		if err == nil && r.Err == nil {
			serials[r.Peer] = r.Answer
		}
	}
	return serials
}

// failed returns the finding for a question without an answer.
func (c *Connection) failed(question string, err error) *Finding {
	var status *client.StatusError
	switch {
	case errors.Is(err, context.Canceled):
		return unknown(err)
	case errors.As(err, &status):
		return &Finding{health: healthCritical, text: fmt.Sprintf("%s answers %s with an error: %s", status.Peer, question, StatusText(status))}
	}
	return &Finding{health: healthCritical, text: advised(c.Advise(err))}
}

// judge returns the finding about daemons that have answered; text describes them.
func judge(limit limits, roundTrip time.Duration, serial int64, text string) *Finding {
	f := &Finding{
		text: text,
		data: fmt.Sprintf("rtt=%.6fs;%s;%s;0 serial=%d", roundTrip.Seconds(),
			seconds(limit.warning), seconds(limit.critical), serial),
	}
	ms := roundTrip.Seconds() * 1000
	switch {
	case ms > limit.critical:
		f.health = healthCritical
	case ms > limit.warning:
		f.health = healthWarning
	default:
		return f
	}
	f.text = fmt.Sprintf("slow, %.1f ms, %s", ms, f.text)
	return f
}

// seconds converts milliseconds to seconds without changing their digits, as a division would.
func seconds(ms float64) string {
	s, _ := strconv.ParseFloat(strconv.FormatFloat(ms, 'f', -1, 64)+"e-3", 64) // always a valid number
	return strconv.FormatFloat(s, 'f', -1, 64)
}
