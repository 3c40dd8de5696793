package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gntconfd/internal/terminal"
	"gntconfd/internal/testing/conformance/clientside"
	"gntconfd/spec/vectors"
)

func clientCommand(reporting *reporting) *cobra.Command {
	return &cobra.Command{
		Use:   "client [flags] -- COMMAND ARGS...",
		Short: "Test a client by playing the servers",
		Long: `Tests a client with the scenarios of spec/vectors/clients: plays the servers that
it asks, checks what it sends, and checks how it handles good, late, forged, duplicate
and stale replies.

COMMAND is started once. The first line on its standard output must say what it can do
beyond asking one server,

  {"features": ["coverage", "ipv6"]}

Then, for each line on its standard input, such as

  {"id": "request/hmac#1", "servers": ["127.0.0.1:40123"], "coverage": 1,
   "key": "the bytes of hmac.key\n", "type": 1, "query": "node1",
   "timeout_ms": 5000}

it must send the query, wait for the reply, and report in one line the reply, or that
none came:

  {"id": "request/hmac#1", "status": 0, "answer": 4, "serial": 77}
  {"id": "request/hmac#1", "error": "no-reply"}

It must exit at the end of its input. spec/vectors/clients/README.md has the details,
and an example client of thirty lines.`,
		Example: `  confd-conformance client \
    -- go run ./internal/testing/conformance/clientside/goclient
  PYTHONPATH=/usr/share/ganeti/3.0 confd-conformance client \
    --known-failing spec/vectors/known-failing/python-confdclient-3.0.2.txt \
    -- /usr/bin/python3 spec/vectors/clients/ganeti_client.py`,
		RunE: func(command *cobra.Command, args []string) error {
			if dash := command.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
				return fmt.Errorf("unknown argument %q: put the client to test after --", args[0])
			}
			choice, err := reporting.choice()
			if err != nil {
				return err
			}
			o := clientside.Options{Command: args, Files: vectors.Files, Choice: choice}
			if reporting.list {
				cases, err := o.Cases()
				if err != nil {
					return err
				}
				return listed(command.OutOrStdout(), o.Select(cases))
			}
			if len(args) == 0 {
				return errors.New("no client to test: put its command after --")
			}
			var done func()
			o.Progress, done = terminal.Steps(command.ErrOrStderr())
			report, err := clientside.Run(command.Context(), o)
			done()
			if err != nil {
				return err
			}
			return reporting.write(command.OutOrStdout(), report)
		},
	}
}
