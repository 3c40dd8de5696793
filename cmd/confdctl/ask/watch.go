package ask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/internal/advice"
	"gntconfd/internal/terminal"

	"github.com/spf13/cobra"
)

// Watch asks a question repeatedly.
func Watch() *cobra.Command {
	var (
		names    []string
		interval time.Duration
		all      bool
	)
	watch := &cobra.Command{
		Use:   "watch COMMAND [ARGUMENT...]",
		Short: "Ask again and again, and print what changes",
		Long: `watch asks what another command asks, again and again. It prints the answer, and then
every change of it with the time: of a table the lines that are gone, with a minus sign,
and those that are new, with a plus sign. It reports once that there is no answer, and
goes on asking. It ends when it is interrupted.

With --output json it prints one line for each change, with --output yaml one document,
with the members that the watched command has and the member time. While daemons do not
answer, the member error says why.

Daemons are asked about every --interval, and have ten seconds to reply. A new answer
counts when more than half of those asked give it, or when its serial is higher. Without
--server, the list of master candidates is read again every minute.

With --all it prints every change of what each daemon says, as --all of the command does.

COMMAND is any of the questions that confdctl --help lists, with its arguments and flags.

Exit status: 0 interrupted; 1 wrong usage or an error on this machine.`,
		Example: `  confdctl watch master
  confdctl watch role node1 --interval 1s
  confdctl watch --all master
  confdctl watch config /cluster/serial_no --output json`,
		Args: advice.Args(cobra.MinimumNArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			unknown := fmt.Errorf("there is no command %q to watch", args[0])
			var names []string
			for _, known := range command.Commands() {
				names = append(names, known.Name())
			}
			if near := advice.Nearest(args[0], names); near != "" {
				return advice.New(unknown, "Did you mean "+near+"?")
			}
			return advice.Usage(command, unknown)
		},
	}
	for _, q := range questions() {
		command, a := q.command(func(command *cobra.Command, asked *asked) error {
			if interval <= 0 {
				return advice.Usage(command, fmt.Errorf("--interval %v: must be more than zero", interval))
			}
			looking, cancel := asked.conn.Patience(command.Context())
			defer cancel()
			if err := asked.resolve(looking); err != nil && !errors.Is(err, client.ErrNoReply) {
				return err
			}
			if all {
				return followAll(command, asked, interval)
			}
			return follow(command, asked, interval)
		})
		a.conn.AddServer(command)
		a.conn.Follow = CandidatesInterval
		command.PreRun = func(*cobra.Command, []string) { a.conn.all = all }
		command.Long = q.long + "\n\nSee confdctl watch --help for how it is watched."
		command.Example = ""
		command.Hidden = true // hidden commands have no manual page
		names = append(names, q.name())
		watch.AddCommand(command)
	}
	flags := watch.PersistentFlags()
	flags.DurationVarP(&interval, "interval", "i", 5*time.Second, "how often to ask, about")
	flags.BoolVarP(&all, "all", "a", false, "watch what each daemon says")
	watch.ValidArgs = names
	return watch
}

// follow prints the changes of an answer until it is interrupted or a permanent error occurs.
func follow(command *cobra.Command, asked *asked, interval time.Duration) error {
	ctx, stdout := command.Context(), command.OutOrStdout()
	var (
		before  []string
		silent  = true // nothing was shown yet, or the last thing shown was an error
		failure error
	)
	for a, err := range asked.inquiry.watch(ctx, asked.client, interval) {
		failure = err
		var written error
		switch {
		case asked.form.ForPrograms():
			d := a.document()
			d.Time = time.Now().In(show.Zone).Format(time.RFC3339Nano)
			if err != nil && d.Error == "" {
				d.Error = err.Error()
			}
			written = asked.form.WriteOne(stdout, d)
		case err != nil:
			written = writeFailure(stdout, asked, err)
			silent = true
		default:
			after := a.Table.Lines(false, 0)
			if silent || !slices.Equal(before, after) { // otherwise nothing that is shown has changed
				written = writeChange(stdout, &a, before, after)
			}
			before, silent = after, false
		}
		if written != nil {
			return written
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return failure
}

// followAll prints the changes of each daemon's answer until it is interrupted.
func followAll(command *cobra.Command, asked *asked, interval time.Duration) error {
	ctx, stdout := command.Context(), command.OutOrStdout()
	due := time.NewTicker(interval)
	defer due.Stop()
	var before []string
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, asked.conn.Timeout)
		opinions, err := collect(asking, asked.client, asked.inquiry)
		cancel()
		var silence *client.NoReplyError
		if errors.As(err, &silence) && ctx.Err() == nil {
			opinions, err = silentOpinions(silence), nil
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		for i := range opinions {
			opinions[i].roundTrip = 0 // it differs every time
		}
		t, _ := opinionsTable(asked, opinions)
		t = t.Without("ROUND TRIP")
		if after := t.Lines(false, 0); !slices.Equal(before, after) {
			if asked.form.ForPrograms() {
				err = asked.form.WriteOne(stdout, struct {
					Time string `json:"time"`
					opinionsDoc
				}{time.Now().In(show.Zone).Format(time.RFC3339Nano), opinionsDocument(opinions)})
			} else {
				err = writeTableChange(stdout, t, t.Brief(), before, after)
			}
			if err != nil {
				return err
			}
			before = after
		}
		select {
		case <-due.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// stamp returns the time as shown to users.
func stamp(w io.Writer) string {
	return terminal.StyleFor(w).Paint(terminal.Faint, show.Date(time.Now()))
}

func writeFailure(w io.Writer, asked *asked, failure error) error {
	text := inLine(failure.Error())
	if status := (*client.StatusError)(nil); errors.As(failure, &status) {
		text = cmp.Or(asked.words(status), text)
	}
	text = terminal.Printable(text)
	_, err := fmt.Fprintln(w, stamp(w)+"  "+terminal.StyleFor(w).Paint(terminal.Bad, text))
	return err
}

// writeChange prints an answer, or its difference from the previous one.
func writeChange(w io.Writer, a *answer, before, after []string) error {
	style := terminal.StyleFor(w)
	serial := style.Paint(terminal.Faint, fmt.Sprintf("serial %d", a.serial))
	if len(after) == 1 && len(before) <= 1 && a.Table.Head == nil {
		tone := a.Table.Rows[0][0].Tone
		_, err := fmt.Fprintln(w, stamp(w)+"  "+style.Paint(tone, after[0])+"  "+serial)
		return err
	}
	return writeTableChange(w, a.Table, a.Table.Brief()+", "+serial, before, after)
}

// writeTableChange prints a table below a title, or its difference from the previous one.
func writeTableChange(w io.Writer, t terminal.Table, title string, before, after []string) error {
	style := terminal.StyleFor(w)
	lines := []string{stamp(w) + "  " + title}
	if before == nil {
		width := terminal.Width(w)
		if width > 0 {
			width -= 2
		}
		for _, line := range t.Lines(style, width) {
			lines = append(lines, "  "+line)
		}
		return terminal.WriteLines(w, lines)
	}
	for _, line := range without(before, after) {
		lines = append(lines, style.Paint(terminal.Bad, "- "+line))
	}
	for _, line := range without(after, before) {
		lines = append(lines, style.Paint(terminal.Good, "+ "+line))
	}
	return terminal.WriteLines(w, lines)
}

// without returns the lines that other lacks or has less often. It ignores alignment.
func without(lines, other []string) []string {
	count := make(map[string]int)
	for _, line := range other {
		count[strings.Join(strings.Fields(line), " ")]++
	}
	var left []string
	for _, line := range lines {
		fields := strings.Join(strings.Fields(line), " ")
		if count[fields]--; count[fields] < 0 {
			left = append(left, line)
		}
	}
	return left
}
