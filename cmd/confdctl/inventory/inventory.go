// Package inventory lists the members of a cluster for Ansible and Prometheus.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/ask"
	"gntconfd/cmd/confdctl/roster"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/gen/object"
	"gntconfd/internal/advice"
	"gntconfd/internal/terminal"
)

const exitHelp = `

Exit status: 0 printed; 1 wrong usage or an error on this machine; 2 a daemon replied
with an error; 3 no reply.`

// Command lists nodes and instances for other programs.
func Command() *cobra.Command {
	command := &cobra.Command{
		Use:   "inventory",
		Short: "List nodes and instances for Ansible or Prometheus",
		Long: `inventory lists the cluster's nodes and instances in the forms that other programs
read: as a dynamic inventory of Ansible, and as targets of Prometheus. It leaves out
private OS parameters and everything else that is secret.`,
		Args: advice.Args(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() }, // so that Args counts
	}
	command.AddCommand(ansibleCommand(), prometheusCommand())
	return command
}

// source is the source of an inventory.
type source struct {
	conn   ask.Connection
	client *client.Client
	stderr io.Writer
	noted  map[string]bool
}

// note says something to the person, once.
func (s *source) note(text string) {
	if !s.noted[text] {
		s.noted[text] = true
		terminal.Say(s.stderr, "confdctl: "+terminal.Printable(text))
	}
}

// open creates the client of a command.
func (s *source) open(command *cobra.Command) (err error) {
	s.stderr, s.noted = command.ErrOrStderr(), make(map[string]bool)
	s.client, err = s.conn.Client()
	return err
}

// roster returns the members of the cluster, and tells of those that cannot be read.
func (s *source) roster(ctx context.Context) (*roster.Roster, error) {
	r, err := s.conn.Roster(ctx, s.client)
	if err != nil {
		return nil, err
	}
	for _, text := range r.Errors {
		s.note(text)
	}
	return r, nil
}

// address returns the first IP address of an instance, or "".
func address(i object.Instance) string {
	for _, nic := range i.NICs {
		if nic.IP != "" {
			return nic.IP
		}
	}
	return ""
}

func ansibleCommand() *cobra.Command {
	var (
		s    source
		list bool
		host string
	)
	command := &cobra.Command{
		Use:   "ansible [--list | --host NAME]",
		Short: "Print a dynamic inventory of Ansible",
		Long: `ansible prints the cluster as Ansible reads it from a program: for --list, the default,
all groups and hosts, and for --host the variables of one host. Ansible calls such a
program by itself; write a file, make it executable, and name it as the inventory:

    #!/bin/sh
    exec confdctl inventory ansible "$@"

Hosts are nodes and instances. ansible_host is a node's primary IP, or an instance's
first IP. Groups, with letters other than a-z, A-Z, 0-9 replaced by _, are:

    ganeti_nodes, ganeti_instances     all of them
    ganeti_role_ROLE                   nodes by role, such as master_candidate
    ganeti_group_NAME                  nodes and their instances by node group
    ganeti_hypervisor_NAME             instances by hypervisor
    ganeti_state_STATE                 instances by the state that they should be in
    ganeti_tag_TAG                     nodes and instances by tag` + exitHelp,
		Example: `  confdctl inventory ansible --list | jq .ganeti_role_drained.hosts
  ansible -i ./ganeti.sh ganeti_role_master -m ping`,
		Args: advice.Args(cobra.NoArgs),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := s.open(command); err != nil {
			return err
		}
		defer s.client.Close()
		r, err := s.roster(command.Context())
		if err != nil {
			return err
		}
		if !(r.AllNodes && r.AllInstances) {
			s.note(ask.Incomplete)
		}
		groups, hosts := ansible(r)
		if host != "" {
			variables, known := hosts[host]
			if !known {
				return show.Missing(fmt.Sprintf("the cluster has no node or instance %s", host))
			}
			return show.AsJSON.Write(command.OutOrStdout(), variables)
		}
		document := map[string]any{"_meta": map[string]any{"hostvars": hosts}}
		for name, members := range groups {
			document[name] = map[string]any{"hosts": members}
		}
		return show.AsJSON.Write(command.OutOrStdout(), document)
	}
	s.conn.AddFlags(command)
	flags := command.Flags()
	flags.BoolVar(&list, "list", false, "print all groups and hosts")
	flags.StringVar(&host, "host", "", "print the variables of the host with this `name`")
	command.MarkFlagsMutuallyExclusive("list", "host")
	return command
}

// ansible returns the groups with their hosts, and the variables of the hosts.
func ansible(r *roster.Roster) (groups map[string][]string, hosts map[string]map[string]any) {
	groups = map[string][]string{"ganeti_nodes": {}, "ganeti_instances": {}}
	hosts = make(map[string]map[string]any)
	put := func(host string, names ...string) {
		for _, name := range names {
			groups[name] = append(groups[name], host)
		}
	}
	groupOf := make(map[string]string)
	for _, n := range r.Nodes {
		variables := map[string]any{"ganeti_kind": "node", "ganeti_cluster": r.Cluster}
		put(n.Name, "ganeti_nodes")
		if n.PrimaryIP != "" {
			variables["ansible_host"] = n.PrimaryIP
			variables["ganeti_role"] = n.Role.String()
			put(n.Name, "ganeti_role_"+word(n.Role.String()))
		}
		if n.Known {
			groupOf[n.Name] = r.GroupName(n)
			variables["ganeti_uuid"], variables["ganeti_group"] = n.UUID, r.GroupName(n)
			variables["ganeti_secondary_ip"], variables["ganeti_tags"] = n.SecondaryIP, nonNil(n.Tags)
			variables["ganeti_offline"], variables["ganeti_drained"] = n.Offline, n.Drained
			put(n.Name, "ganeti_group_"+word(r.GroupName(n)))
			put(n.Name, tagGroups(n.Tags)...)
		}
		hosts[n.Name] = variables
	}
	for _, i := range r.Instances {
		if i.Name == "" || hosts[i.Name] != nil { // forthcoming, or named like a node
			continue
		}
		variables := map[string]any{"ganeti_kind": "instance", "ganeti_cluster": r.Cluster}
		put(i.Name, "ganeti_instances")
		if i.JSON != nil {
			if ip := address(i.Instance); ip != "" {
				variables["ansible_host"] = ip
			}
			variables["ganeti_uuid"], variables["ganeti_node"], variables["ganeti_os"] = i.UUID, i.Node, i.OS
			variables["ganeti_hypervisor"], variables["ganeti_state"] = i.Hypervisor, i.AdminState
			variables["ganeti_tags"] = nonNil(i.Tags)
			put(i.Name, "ganeti_hypervisor_"+word(string(i.Hypervisor)), "ganeti_state_"+word(string(i.AdminState)))
			if group := groupOf[i.Node]; group != "" {
				put(i.Name, "ganeti_group_"+word(group))
			}
			put(i.Name, tagGroups(i.Tags)...)
		}
		hosts[i.Name] = variables
	}
	return groups, hosts
}

// nonNil returns a list that is encoded as a list even if it is empty.
func nonNil(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

// tagGroups returns the groups for tags, without duplicates.
func tagGroups(tags []string) []string {
	seen := make(map[string]bool)
	var names []string
	for _, tag := range tags {
		if name := "ganeti_tag_" + word(tag); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// word replaces the characters of a text that names of groups and labels may not have.
func word(text string) string {
	if text == "" {
		return "none"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, text)
}

var errTwice = errors.New("--file and --listen exclude each other")
