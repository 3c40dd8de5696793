package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// watchCommand asks a question again and again.
func watchCommand() *cobra.Command {
	var names []string
	watch := &cobra.Command{
		Use:   "watch COMMAND [ARGUMENT...]",
		Short: "Ask again and again, and print what changes",
		Long: `watch asks what another command asks, again and again, and prints the answer and then
every change of it, with the time. Of answers of several lines it prints those that are
gone, with a minus sign, and those that are new, with a plus sign. When there is no
answer it says so once, and goes on asking. It ends when it is interrupted.

With --output json it prints a line for each change, with --output yaml a document. They
are those of the command that is watched, and have the time in the member time. For
what keeps daemons from answering there is the member error.

Daemons are asked whether they have something new as often as --interval says, and have
ten seconds to reply. New answers must come from more than half of those that are asked,
or have a higher serial. Without --server, the list of master candidates is also looked
at again.

COMMAND is any of the questions that confdctl --help lists, with its arguments and flags,
and --interval.

Exit status: 0 interrupted; 1 wrong usage or an error on this machine.`,
		Example: `  confdctl watch master
  confdctl watch role node1 --interval 1s
  confdctl watch config /cluster/serial_no --output json`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			return usageError(command, fmt.Errorf("there is no command %q to watch", args[0]))
		},
	}
	for _, q := range questions() {
		var interval time.Duration
		command, a := q.command(func(command *cobra.Command, asked *asked) error {
			if interval <= 0 {
				return usageError(command, fmt.Errorf("--interval %v: must be more than nothing", interval))
			}
			return follow(command, asked, interval)
		})
		a.conn.addServer(command)
		a.conn.follow = candidatesInterval
		command.Long = q.long + "\n\nconfdctl watch --help tells how it is watched."
		command.Example = ""
		command.Hidden = true // which leaves it without a manual page of its own
		command.Flags().DurationVarP(&interval, "interval", "i", 5*time.Second, "how often to ask, about")
		names = append(names, q.name())
		watch.AddCommand(command)
	}
	watch.ValidArgs = names
	return watch
}

// follow prints the changes of an answer, until it is interrupted or an error comes
// that will not pass.
func follow(command *cobra.Command, asked *asked, interval time.Duration) error {
	ctx, stdout := command.Context(), command.OutOrStdout()
	var (
		before  []string
		failure error
	)
	for a, err := range asked.inquiry.watch(ctx, asked.client, interval) {
		failure = err
		var written error
		switch {
		case asked.form != outputTable:
			d := a.document()
			d.Time = time.Now().Format(time.RFC3339Nano)
			if err != nil && d.Error == "" {
				d.Error = err.Error()
			}
			written = asked.form.writeOne(stdout, d)
		case err != nil:
			written = writeFailure(stdout, err)
		default:
			after := a.table.lines(false)
			written = writeChange(stdout, &a, before, after)
			before = after
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

// stamp is the time in what people see.
func stamp(w io.Writer) string {
	return styleFor(w).paint(faint, time.Now().Format(time.DateTime))
}

func writeFailure(w io.Writer, failure error) error {
	text := printable(strings.ReplaceAll(failure.Error(), "\n", " "))
	_, err := fmt.Fprintln(w, stamp(w)+"  "+styleFor(w).paint(bad, text))
	return err
}

// writeChange prints an answer, or what is new of it when there was another before.
func writeChange(w io.Writer, a *answer, before, after []string) error {
	style := styleFor(w)
	serial := style.paint(faint, fmt.Sprintf("serial %d", a.serial))
	if len(after) == 1 && len(before) <= 1 && a.table.head == nil {
		tone := a.table.rows[0][0].tone
		_, err := fmt.Fprintln(w, stamp(w)+"  "+style.paint(tone, after[0])+"  "+serial)
		return err
	}
	lines := []string{stamp(w) + "  " + a.table.brief() + ", " + serial}
	if before == nil {
		for _, line := range a.table.lines(style) {
			lines = append(lines, "  "+line)
		}
		return writeLines(w, lines)
	}
	for _, line := range without(before, after) {
		lines = append(lines, style.paint(bad, "- "+line))
	}
	for _, line := range without(after, before) {
		lines = append(lines, style.paint(good, "+ "+line))
	}
	return writeLines(w, lines)
}

// without returns the lines that other does not have, or not as often. What is
// aligned differently is the same.
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
