package ask

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/roster"
	"gntconfd/internal/advice"
	"gntconfd/internal/jsontext"
	"gntconfd/internal/terminal"
)

// refusal is a daemon's error in plainer words.
type refusal struct {
	text   string
	status *client.StatusError
}

func (r *refusal) Error() string { return r.text }

// Unwrap returns the daemon's error.
func (r *refusal) Unwrap() error { return r.status }

// Words returns the text of an error for people.
func Words(err error) string {
	if status := (*client.StatusError)(nil); errors.As(err, &status) && !errors.As(err, new(*refusal)) {
		return fmt.Sprintf("%s replies with an error: %s", status.Peer, terminal.Printable(inLine(StatusText(status))))
	}
	return err.Error()
}

// tooLarge reports whether an error means that the answer does not fit into a reply. Ganeti's
// daemon sends no reply in that case.
func tooLarge(err error) bool {
	var status *client.StatusError
	return errors.As(err, &status) && strings.Contains(status.Text, "too large")
}

// words explains a daemon's error in a few words, or returns "" if the error needs no
// explanation.
func (a *asked) words(status *client.StatusError) string {
	about := ""
	if len(a.args) > 0 {
		about = terminal.Bounded(a.args[0])
	}
	absent := strings.Contains(status.Text, "not found") || errors.Is(status, client.ErrUnknownEntry)
	switch subject := a.question.subject; {
	case errors.Is(status, client.ErrNotImplemented):
		return "the daemon does not know this question: it is older"
	case tooLarge(status):
		switch subject {
		case aPath:
			return pointer(about) + " is too large for a reply"
		case aLink:
			return "these addresses are too many for a reply"
		case aNode:
			return "what there is to say of node " + about + " is too large for a reply"
		}
		return "the answer is too large for a reply"
	case subject == aPath && errors.Is(status, client.ErrArgument):
		return "the configuration has nothing at " + pointer(about)
	case subject != aNode && subject != anInstance:
		return ""
	case strings.Contains(status.Text, "has multiple matches"):
		return fmt.Sprintf("the names of several %ss begin with %s", subject, about)
	case absent:
		return fmt.Sprintf("no %s is called %s", subject, about)
	}
	return ""
}

// explain explains a daemon's error and adds advice.
func (a *asked) explain(ctx context.Context, err error) error {
	var status *client.StatusError
	if !errors.As(err, &status) {
		return err
	}
	text := a.words(status)
	if text == "" {
		return err
	}
	hints := a.hints(ctx, status)
	if a.verbose {
		hints = append(hints, status.Peer+" says: "+inLine(StatusText(status)))
	}
	for i := range hints {
		hints[i] = terminal.Printable(hints[i]) // a line, whatever is in the names that it has
	}
	explained := error(&refusal{terminal.Printable(text), status})
	if len(hints) > 0 {
		explained = advice.New(explained, strings.Join(hints, "\n"))
	}
	return explained
}

// hints returns advice after an error.
func (a *asked) hints(ctx context.Context, status *client.StatusError) []string {
	ctx, cancel := a.conn.Patience(ctx)
	defer cancel()
	large := tooLarge(status)
	switch a.question.subject {
	case aNode, anInstance:
		switch {
		case large:
			return []string{"confdctl drbd " + a.args[0] + " lists its instances on DRBD, and confdctl instances those of all nodes."}
		case strings.Contains(status.Text, "has multiple matches"):
			return []string{"Give the full name."}
		}
		want := roster.Names
		if a.question.subject == anInstance {
			want = roster.Instances
		}
		r := roster.Load(ctx, a.client, a.conn.files(), want)
		names := nodeNames(r)
		if a.question.subject == anInstance {
			names = instanceNames(r)
		}
		if near := advice.Nearest(a.args[0], names); near != "" {
			return []string{"Did you mean " + near + "?"}
		}
		return []string{fmt.Sprintf("confdctl %ss --output name lists all %ss.", a.question.subject, a.question.subject)}
	case aLink:
		if large {
			return []string{"Ask for one link: confdctl instance-ips LINK. Links: " + strings.Join(links(ctx, a.client), ", ") + "."}
		}
	case aPath:
		if large {
			return a.partsOf(ctx, pointer(a.args[0]))
		}
		return a.nearPath(ctx, pointer(a.args[0]))
	}
	return nil
}

// noAddresses says which links there are, where one has no addresses.
func (a *asked) noAddresses(ctx context.Context) string {
	ctx, cancel := a.conn.Patience(ctx)
	defer cancel()
	link := a.in.link
	if len(a.args) > 0 {
		link = a.args[0]
	}
	known := links(ctx, a.client)
	switch near := advice.Nearest(link, known); {
	case link == "":
		return "no instance has an address on the default link"
	case len(known) == 0, slices.Contains(known, link):
		return "no instance has an address on the link " + link
	case near != "":
		return fmt.Sprintf("no instance has an address on the link %s; did you mean %s?", link, near)
	}
	return fmt.Sprintf("no instance has an address on the link %s; links: %s", link, strings.Join(known, ", "))
}

func nodeNames(r *roster.Roster) []string {
	names := make([]string, len(r.Nodes))
	for i, node := range r.Nodes {
		names[i] = node.Name
	}
	return names
}

func instanceNames(r *roster.Roster) []string {
	var names []string
	for _, instance := range r.Instances {
		if instance.Name != "" { // a forthcoming instance may have no name
			names = append(names, instance.Name)
		}
	}
	return names
}

// partsOf describes the parts of a part of the configuration that is too large for a reply.
func (a *asked) partsOf(ctx context.Context, path string) []string {
	const shown = 8
	hints := []string{"Ask for a part of it, such as " + path + "/NAME."}
	var parts []string
	switch path {
	case "/nodes":
		for _, node := range roster.Load(ctx, a.client, a.conn.files(), roster.Nodes).Nodes {
			if node.UUID != "" {
				parts = append(parts, node.UUID+"  "+node.Name)
			}
		}
	case "/instances":
		for _, i := range roster.Load(ctx, a.client, a.conn.files(), roster.Instances).Instances {
			if i.UUID != "" {
				parts = append(parts, i.UUID+"  "+i.Name)
			}
		}
	case "/disks":
		return append(hints, "confdctl disks INSTANCE lists the disks of an instance.")
	}
	if len(parts) == 0 {
		return hints
	}
	hints[0] = "Ask for one of:"
	for _, part := range parts[:min(shown, len(parts))] {
		hints = append(hints, "  "+path+"/"+part)
	}
	if more := len(parts) - shown; more > 0 {
		hints = append(hints, fmt.Sprintf("  and %d more, which confdctl %s --output wide lists with their UUIDs", more, strings.TrimPrefix(path, "/")))
	}
	return hints
}

// nearPath describes what exists near a path that does not.
func (a *asked) nearPath(ctx context.Context, path string) []string {
	for {
		slash := strings.LastIndex(path, "/")
		parent, step := path[:slash], path[slash+1:]
		members := completePointer(ctx, &a.conn, parent+"/")
		if len(members) == 0 && parent != "" {
			path = parent
			continue
		}
		slices.Sort(members)
		var names []string
		for _, member := range members {
			names = append(names, strings.TrimPrefix(member, parent+"/"))
		}
		if near := advice.Nearest(step, names); near != "" {
			return []string{"Did you mean " + parent + "/" + near + "?"}
		}
		if len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return !isUUID(name) }) {
			return []string{byUUIDs(parent)}
		}
		const shown = 20
		text := strings.Join(names[:min(shown, len(names))], ", ")
		if more := len(names) - shown; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		if parent == "" {
			return []string{"At its top it has " + text + "."}
		}
		return []string{parent + " has " + text + "."}
	}
}

// byUUIDs says how the members of an object are called that have UUIDs for names.
func byUUIDs(path string) string {
	switch path {
	case "/nodes", "/instances":
		return fmt.Sprintf("What is below %s is called by UUID, or by name. confdctl %s --output wide lists both.", path, path[1:])
	}
	return "What is below " + path + " is called by UUID. confdctl config " + path + " lists it."
}

// steps returns the names of an object's members, or the numbers of a list's elements,
// as they are written in a pointer.
func steps(part json.RawMessage) []string {
	var found []string
	var object map[string]json.RawMessage
	var array []json.RawMessage
	switch {
	case json.Unmarshal(part, &object) == nil:
		for name := range object {
			found = append(found, jsontext.EscapeToken(name))
		}
	case json.Unmarshal(part, &array) == nil:
		for i := range array {
			found = append(found, fmt.Sprint(i))
		}
	}
	return found
}
