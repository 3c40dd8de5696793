package ask

import (
	"context"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/gen/wire"
)

// askQuestion is the command for any request of the protocol.
func askQuestion() question {
	return question{
		use:   "ask TYPE [QUERY]",
		short: "Ask any question as the protocol has it",
		long: `ask asks a question by the type of its request and prints the answer. What the other
commands ask is easier to ask with them.

TYPE is a number or a name:

` + requestsHelp() + `

QUERY is taken as plain text, such as the name of a node, unless it is JSON: an
object, a string in quotes, or null. Nodes and instances go by name, by the
beginning of their name up to a dot, or by UUID.

` + parametersHelp + `.

JSON and YAML have the answer as it came.`,
		example: `  confdctl ask master
  confdctl ask node-role node2.example.org
  confdctl ask --server node1.example.org instance-disks www1
  confdctl ask node-ip '{"1": "203.0.113.10"}'
  confdctl ask config /cluster/ipolicy --output json`,
		args:     cobra.RangeArgs(1, 2),
		complete: completeAsk,
		inquire:  inquireRaw,
	}
}

// completeAsk completes the request type, and then its query.
func completeAsk(before []string) completer {
	if len(before) == 0 {
		return fixed(wire.RequestWords[:])
	}
	if typ, err := ParseType(before[0]); err == nil && len(before) == 1 {
		switch typ {
		case wire.RequestNodeRoleByName, wire.RequestNodeDRBD, wire.RequestNodeInstances:
			return completeNode
		case wire.RequestInstanceDisks:
			return completeInstance
		case wire.RequestConfigQuery:
			return completePointer
		}
	}
	return nil
}

// CompleteQuestion returns completions of a request type, or of the query that follows one.
func (c *Connection) CompleteQuestion(ctx context.Context, before []string, begun string) ([]string, cobra.ShellCompDirective) {
	return completeAsk(before).candidates(ctx, c, begun)
}

// inquireRaw makes the inquiry for a request type and a query.
func inquireRaw(_ inputs, args []string) (inquiry, error) {
	typ, err := ParseType(args[0])
	if err != nil {
		return nil, err
	}
	var query wire.Query
	var text json.RawMessage
	if len(args) == 2 {
		if query, err = ParseQuery(args[1]); err != nil {
			return nil, err
		}
		if text, err = query.MarshalJSON(); err != nil {
			return nil, err
		}
	}
	return inquire(client.Raw(int(typ), text), func(_ json.RawMessage, raw json.RawMessage) show.View {
		return show.View{Value: raw, Table: show.AnswerTable(typ, query, raw, 0)}
	}), nil
}
