package ask

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/roster"
	"gntconfd/internal/terminal"
)

// completer lists completions of the beginning of an argument, or nothing if it cannot find them
// out.
type completer func(ctx context.Context, conn *Connection, begun string) []string

// completionTimeout is how long a user waits for a completion.
const completionTimeout = time.Second

// first completes the first argument.
func first(complete completer) func([]string) completer {
	return func(before []string) completer {
		if len(before) > 0 {
			return nil
		}
		return complete
	}
}

// fixed completes with fixed texts.
func fixed(texts []string) completer {
	return func(context.Context, *Connection, string) []string { return texts }
}

// candidates returns the completions for a shell.
func (complete completer) candidates(ctx context.Context, conn *Connection, begun string) ([]string, cobra.ShellCompDirective) {
	if complete == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(ctx, conn.within(completionTimeout))
	defer cancel()
	var fitting []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, candidate := range complete(ctx, conn, begun) {
		// A shell would split a completion with spaces, and interpret special characters.
		if strings.HasPrefix(candidate, begun) && terminal.Printable(candidate) == candidate && !strings.Contains(candidate, " ") {
			fitting = append(fitting, candidate)
			if strings.HasPrefix(candidate, "/") { // there may be more levels below
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
	}
	slices.Sort(fitting)
	return fitting, directive
}

func completeNode(ctx context.Context, conn *Connection, _ string) []string {
	return nodeNames(conn.roster(ctx, roster.Names))
}

func completeInstance(ctx context.Context, conn *Connection, _ string) []string {
	return instanceNames(conn.roster(ctx, roster.Instances))
}

func completeLink(ctx context.Context, conn *Connection, _ string) []string {
	c, err := conn.Client()
	if err != nil {
		return nil
	}
	defer c.Close()
	return links(ctx, c)
}

// roster returns the known members of the cluster.
func (c *Connection) roster(ctx context.Context, want roster.Want) *roster.Roster {
	made, err := c.Client()
	if err != nil {
		return &roster.Roster{}
	}
	defer made.Close()
	return roster.Load(ctx, made, c.files(), want)
}

// ask asks one question.
func ask[A any](ctx context.Context, conn *Connection, q client.Question[A]) (A, error) {
	var none A
	c, err := conn.Client()
	if err != nil {
		return none, err
	}
	defer c.Close()
	result, err := client.Query(ctx, c, q)
	return result.Answer, err
}

// topMembers are the members of the whole configuration, which no query returns.
var topMembers = []string{
	"/cluster", "/nodes", "/nodegroups", "/instances", "/networks", "/disks", "/filters", "/version",
	"/serial_no", "/ctime", "/mtime",
}

// completePointer lists the pointers that are one step longer than the part before the last
// slash.
func completePointer(ctx context.Context, conn *Connection, begun string) (found []string) {
	slash := strings.LastIndex(begun, "/")
	if slash <= 0 {
		return topMembers
	}
	parent := begun[:slash]
	part, err := ask(ctx, conn, client.Config(parent))
	switch {
	case err != nil && parent == "/nodes":
		for _, node := range conn.roster(ctx, roster.Names).Nodes {
			found = append(found, parent+"/"+node.UUID)
		}
		return found
	case err != nil && parent == "/instances":
		for _, i := range conn.roster(ctx, roster.Instances).Instances {
			found = append(found, parent+"/"+i.UUID)
		}
		return found
	case err != nil:
		return nil
	}
	found = steps(part)
	for i, step := range found {
		found[i] = parent + "/" + step
	}
	return found
}
