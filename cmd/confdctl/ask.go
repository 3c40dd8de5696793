package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gntconfd/gen/wire"
)

// errStatus: the daemon replied that it cannot answer.
var errStatus = errors.New("the daemon answered with an error")

// askCommand asks a running daemon one question.
func askCommand() *cobra.Command {
	var (
		conn     connection
		jsonOnly bool
	)
	command := &cobra.Command{
		Use:   "ask TYPE [QUERY]",
		Short: "Ask a running daemon one question",
		Long: `ask sends one request to a daemon and prints the answer.

TYPE is a number or a name:

` + requestsHelp() + `

QUERY is taken as plain text, such as the name of a node, unless it is JSON: an
object, a string in quotes, or null. Nodes and instances go by name, by the
beginning of their name up to a dot, or by UUID.

` + parametersHelp + `.

The daemon's port is by default that of ganeti-confd in the services database,
or 1814. Requests are signed, so the cluster's key is needed; on the cluster's
nodes it is found below /var/lib/ganeti, with the directory that the environment
variable GANETI_ROOTDIR names in front. The clock of this machine may be at most
five minutes off the daemon's. A reply is taken only from the daemon's address,
and only if it is signed with the key and belongs to the request.

Exit status: 0 answered; 1 wrong usage or an error on this machine; 2 the daemon
answered with an error; 3 no reply.`,
		Example: `  confdctl ask master
  confdctl ask node-role node2.example.org
  confdctl ask --server node1.example.org instance-disks www1
  confdctl ask node-ip '{"1": "203.0.113.10"}'
  confdctl ask --json config /cluster/ipolicy`,
		Args: usage(cobra.RangeArgs(1, 2)),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return requestNames(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		typ, err := parseType(args[0])
		if err != nil {
			return err
		}
		var query wire.Query
		if len(args) == 2 {
			if query, err = parseQuery(args[1]); err != nil {
				return err
			}
		}
		c, err := conn.client()
		if err != nil {
			return err
		}
		defer c.Close()
		ctx, cancel := conn.patience(command.Context())
		defer cancel()
		reply, err := askRaw(ctx, c, typ, query)
		if err != nil {
			return conn.advise(err)
		}
		lines := answerLines(typ, query, reply, 0)
		var printed []string
		if jsonOnly {
			text, err := (&wire.Reply{
				Protocol: wire.ProtocolVersion,
				Status:   reply.Status,
				Answer:   []byte(reply.Answer),
				Serial:   reply.Serial,
			}).MarshalJSON()
			if err != nil {
				return err
			}
			printed = []string{string(text)}
		} else if reply.Status == wire.StatusOK {
			printed = lines
		}
		for _, line := range printed {
			if _, err := fmt.Fprintln(command.OutOrStdout(), line); err != nil {
				return err
			}
		}
		if reply.Status != wire.StatusOK {
			return fmt.Errorf("%w: %s", errStatus, strings.Join(lines, "\n"))
		}
		return nil
	}
	conn.addFlags(command)
	conn.addChoice(command)
	command.Flags().BoolVar(&jsonOnly, "json", false, "print the whole reply, in one line of JSON")
	return command
}
