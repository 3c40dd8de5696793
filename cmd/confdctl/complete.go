package main

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/internal/ganeti"
)

// completer lists what an argument that has been begun may become. It lists nothing
// when it cannot learn that.
type completer func(ctx context.Context, conn *connection, begun string) []string

// completionTimeout is how long a person waits for a completion.
const completionTimeout = 500 * time.Millisecond

// first completes the first argument.
func first(complete completer) func([]string) completer {
	return func(before []string) completer {
		if len(before) > 0 {
			return nil
		}
		return complete
	}
}

// fixed completes with texts that are known.
func fixed(texts []string) completer {
	return func(context.Context, *connection, string) []string { return texts }
}

// candidates returns what a shell may offer.
func (complete completer) candidates(ctx context.Context, conn *connection, begun string) ([]string, cobra.ShellCompDirective) {
	if complete == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(ctx, min(conn.timeout, completionTimeout))
	defer cancel()
	var fitting []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, candidate := range complete(ctx, conn, begun) {
		// A shell would read more than one word, or something else, in it.
		if strings.HasPrefix(candidate, begun) && !strings.ContainsFunc(candidate, func(r rune) bool { return upsetting(r) || r == ' ' }) {
			fitting = append(fitting, candidate)
			if strings.HasPrefix(candidate, "/") { // there may be more below
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
	}
	slices.Sort(fitting)
	return fitting, directive
}

func completeNode(ctx context.Context, conn *connection, _ string) []string {
	return names(ctx, conn, "/nodes", ganeti.NodePaths().Nodes)
}

func completeInstance(ctx context.Context, conn *connection, _ string) []string {
	return names(ctx, conn, "/instances", ganeti.NodePaths().Instances)
}

// names returns the names of all objects of one kind. In larger clusters they do not
// fit into a reply; then those in a file of this node will do.
func names(ctx context.Context, conn *connection, pointer, file string) []string {
	type named struct {
		Name string `json:"name"`
	}
	objects, err := ask(ctx, conn, client.ConfigValue[map[string]named](pointer))
	if err != nil {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil
		}
		return strings.Fields(string(text))
	}
	var all []string
	for _, object := range objects {
		if object.Name != "" { // as that of a forthcoming instance may be
			all = append(all, object.Name)
		}
	}
	return all
}

// ask asks one question.
func ask[A any](ctx context.Context, conn *connection, q client.Question[A]) (A, error) {
	var none A
	c, err := conn.client()
	if err != nil {
		return none, err
	}
	defer c.Close()
	result, err := client.Query(ctx, c, q)
	return result.Answer, err
}

// topMembers are those of the whole configuration, which is not to be had at once.
var topMembers = []string{
	"/cluster", "/nodes", "/nodegroups", "/instances", "/networks", "/disks", "/filters", "/version",
	"/serial_no", "/ctime", "/mtime",
}

// completePointer lists the pointers that are one step longer than what comes before
// the last slash.
func completePointer(ctx context.Context, conn *connection, begun string) []string {
	slash := strings.LastIndex(begun, "/")
	if slash <= 0 {
		return topMembers
	}
	parent := begun[:slash]
	part, err := ask(ctx, conn, client.Config(parent))
	if err != nil {
		return nil
	}
	var steps []string
	var object map[string]json.RawMessage
	var array []json.RawMessage
	switch {
	case json.Unmarshal(part, &object) == nil:
		for name := range object {
			steps = append(steps, parent+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
		}
	case json.Unmarshal(part, &array) == nil:
		for i := range array {
			steps = append(steps, parent+"/"+strconv.Itoa(i))
		}
	}
	return steps
}
