package ask

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/roster"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/gen/object"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/terminal"
)

// How long an answer waits for names to show with it, and how long finding all members of a
// large cluster may take.
const (
	namesPatience = time.Second
	wholePatience = 30 * time.Second
)

// files returns the directory with this node's ssconf files, or "" if the question may go to
// another cluster.
func (c *Connection) files() string {
	if c.servers != nil {
		return ""
	}
	return filepath.Dir(ganeti.NodePaths().Key)
}

// within returns how long to wait for additions to an answer: --timeout if it was given,
// otherwise patience if that is shorter.
func (c *Connection) within(patience time.Duration) time.Duration {
	if c.timeoutFlag != nil && c.timeoutFlag.Changed {
		return c.Timeout
	}
	return min(c.Timeout, patience)
}

// findHosts looks up the names of nodes while the question is being asked.
func findHosts(ctx context.Context, a *asked) error {
	want, patience := roster.Names, a.conn.within(namesPatience)
	if a.form == show.AsWide || a.form == show.AsMarkdown {
		want, patience = roster.Nodes, wholePatience
	}
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), wholePatience)
	found := make(chan *roster.Roster, 1)
	go func() {
		defer cancel()
		found <- roster.Load(looking, a.client, a.conn.files(), want)
	}()
	nodes := sync.OnceValue(func() *roster.Roster {
		stop := time.AfterFunc(patience, cancel) // keeps what was found so far
		defer stop.Stop()
		return <-found
	})
	a.in.hosts = func(ip string) string { return nodes().Host(ip) }
	a.in.nodes = nodes
	return nil
}

// fullName replaces the name of a node by its full name if the daemon could otherwise take it
// for another candidate, now or later.
func fullName(ctx context.Context, a *asked) error {
	master, err := client.Query(ctx, a.client, client.Master())
	if err != nil {
		return silence(err)
	}
	given := a.args[0]
	switch {
	case master.Answer == given:
	case strings.HasPrefix(master.Answer, given+"."):
		a.args = []string{master.Answer}
	case a.conn.Follow > 0:
		if node, found := roster.Load(ctx, a.client, a.conn.files(), roster.Nodes).Find(given); found {
			a.args = []string{node.Name}
		}
	case isUUID(given):
		node, err := client.Query(ctx, a.client, client.ConfigValue[roster.Node]("/nodes/"+given))
		if err == nil && node.Answer.Name != "" {
			a.args = []string{node.Answer.Name}
		}
	}
	return nil
}

// isUUID reports whether a text may be a UUID rather than a name.
func isUUID(text string) bool {
	return len(text) == len("00000000-0000-0000-0000-000000000000") && strings.Count(text, "-") == 4 && !strings.Contains(text, ".")
}

// nameInPath puts the UUID of a node, an instance, a node group or a network in place of
// its name in a path, and says so.
func nameInPath(ctx context.Context, a *asked) error {
	parts := strings.SplitN(strings.TrimPrefix(pointer(a.args[0]), "/"), "/", 3)
	if len(parts) < 2 || parts[1] == "" || isUUID(parts[1]) {
		return nil
	}
	name := parts[1]
	switch parts[0] {
	case "nodes":
		if node, found := roster.Load(ctx, a.client, a.conn.files(), roster.Nodes).Find(name); found {
			parts[1], name = node.UUID, node.Name
		}
	case "instances":
		if i, found := roster.Load(ctx, a.client, a.conn.files(), roster.Instances).FindInstance(name); found {
			parts[1], name = i.UUID, i.Name
		}
	case "nodegroups", "networks":
		type named struct {
			Name string `json:"name"`
		}
		all, err := client.Query(ctx, a.client, client.ConfigValue[map[string]named]("/"+parts[0]))
		if err != nil {
			return silence(err)
		}
		for uuid, one := range all.Answer {
			if one.Name == name {
				parts[1] = uuid
			}
		}
	}
	if parts[1] == "" || !isUUID(parts[1]) { // as of an instance of which only the name is known
		return nil
	}
	a.args = []string{"/" + strings.Join(parts, "/")}
	a.notes = append(a.notes, fmt.Sprintf("%s is /%s/%s", name, parts[0], parts[1]))
	return nil
}

// silence returns an error if it is that nobody replies, which makes further questions
// a waste of time.
func silence(err error) error {
	if errors.Is(err, client.ErrNoReply) {
		return err
	}
	return nil
}

// links returns the known names of the cluster's links, the default link first.
func links(ctx context.Context, c *client.Client) []string {
	var all []string
	if first, err := client.Query(ctx, c, client.ConfigValue[string]("/cluster/nicparams/default/link")); err == nil {
		all = append(all, first.Answer)
	}
	type params struct {
		Link string `json:"link"`
	}
	type group struct {
		Networks map[string]params `json:"networks"`
	}
	var others []string
	if groups, err := client.Query(ctx, c, client.ConfigValue[map[string]group]("/nodegroups")); err == nil {
		for _, g := range groups.Answer {
			for _, network := range g.Networks {
				others = append(others, network.Link)
			}
		}
	}
	if instances, err := client.Query(ctx, c, client.ConfigValue[map[string]object.Instance]("/instances")); err == nil {
		for _, i := range instances.Answer {
			for _, nic := range i.NICs {
				if nic.NICParams.Link != nil {
					others = append(others, *nic.NICParams.Link)
				}
			}
		}
	}
	slices.Sort(others)
	for _, link := range slices.Compact(others) {
		if link != "" && !slices.Contains(all, link) {
			all = append(all, link)
		}
	}
	return all
}

// findLinks finds the link of each address, and looks up the names of nodes.
func findLinks(ctx context.Context, a *asked) error {
	if err := findHosts(ctx, a); err != nil || a.in.link != "" {
		return err
	}
	ips := make([]netip.Addr, len(a.args))
	for i, arg := range a.args {
		ips[i] = netip.MustParseAddr(arg) // the inquiry has checked them
	}
	a.in.links = make([]string, len(ips))
	look := func(link string, missing []int) (left []int, err error) {
		some := make([]netip.Addr, len(missing))
		for i, n := range missing {
			some[i] = ips[n]
		}
		found, err := client.Query(ctx, a.client, client.LocateAll(link, some...))
		if err != nil {
			return missing, silence(err)
		}
		for i, l := range found.Answer {
			if l.Err != nil {
				left = append(left, missing[i])
			} else {
				a.in.links[missing[i]] = link
			}
		}
		return left, nil
	}
	missing := make([]int, len(ips))
	for i := range missing {
		missing[i] = i
	}
	missing, err := look("", missing)
	if err != nil || len(missing) == 0 {
		return err
	}
	all := links(ctx, a.client)
	for _, link := range all[min(1, len(all)):] {
		if missing, err = look(link, missing); err != nil || len(missing) == 0 {
			return err
		}
	}
	return nil
}

// allInstances lists all instances of the cluster.
func allInstances(ctx context.Context, a *asked) (show.View, error) {
	r, err := a.conn.Roster(ctx, a.client)
	if err != nil {
		return show.View{}, err
	}
	if !r.AllInstances {
		a.notes = append(a.notes, Incomplete)
	}
	return show.AllInstances(r), nil
}

// Incomplete is the note that somebody may be missing in a roster.
const Incomplete = `There may be more nodes and instances. In a cluster as large as this, only those are found that share disks, over any number of nodes, with the master candidates. On a node of the cluster, its files name all.`

// Roster returns all nodes and instances that can be found. Its errors are those of a ping, with
// advice.
func (c *Connection) Roster(ctx context.Context, made *client.Client) (*roster.Roster, error) {
	asking, cancel := c.Patience(ctx)
	defer cancel()
	if _, err := client.Query(asking, made, client.Ping()); err != nil {
		return nil, c.Advise(err)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), wholePatience)
	defer stop()
	return roster.Load(ctx, made, c.files(), roster.Instances), nil
}

// wholeConfig lists the top level of the configuration.
func wholeConfig(ctx context.Context, a *asked) (show.View, error) {
	if _, err := client.Query(ctx, a.client, client.Ping()); err != nil {
		return show.View{}, err
	}
	type part struct {
		Path  string `json:"path"`
		Value string `json:"value"`
	}
	parts := make([]part, len(topMembers))
	var asking sync.WaitGroup
	for i, path := range topMembers {
		asking.Go(func() {
			parts[i] = part{path, "absent"}
			reply, err := client.Query(ctx, a.client, client.Config(path))
			switch {
			case err == nil:
				parts[i].Value = summary(reply.JSON)
				var at object.Time
				if strings.HasSuffix(path, "time") && json.Unmarshal(reply.JSON, &at) == nil {
					parts[i].Value = show.Date(at.Time())
				}
			case tooLarge(err):
				parts[i].Value = "too large for a reply"
			}
		})
	}
	asking.Wait()
	t := terminal.Table{Noun: "members", Head: []string{"PATH", "VALUE"}}
	for _, p := range parts {
		t.Row(p.Path, p.Value)
	}
	return show.View{Value: parts, Table: t}, nil
}

// summary describes a JSON text in a few words.
func summary(text json.RawMessage) string {
	var object map[string]json.RawMessage
	var array []json.RawMessage
	switch {
	case json.Unmarshal(text, &object) == nil && object != nil:
		return fmt.Sprintf("object with %s", counted(len(object), "member"))
	case json.Unmarshal(text, &array) == nil && array != nil:
		return fmt.Sprintf("list of %s", counted(len(array), "element"))
	}
	return string(text)
}

// counted returns a number with its noun.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
