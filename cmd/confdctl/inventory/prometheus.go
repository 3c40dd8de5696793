package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/ask"
	"gntconfd/cmd/confdctl/replace"
	"gntconfd/cmd/confdctl/roster"
	"gntconfd/internal/advice"
)

// kinds are the kinds of targets with their default ports: of Prometheus' node exporter, and of
// this project's daemon.
var kinds = map[string]uint16{"nodes": 9100, "instances": 9100, "candidates": 9814}

// target is a target group of Prometheus.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

func prometheusCommand() *cobra.Command {
	var (
		s            source
		port         uint16
		file, listen string
		interval     time.Duration
	)
	command := &cobra.Command{
		Use:   "prometheus {nodes | instances | candidates}",
		Short: "Print targets of Prometheus, write them to a file, or serve them over HTTP",
		Long: `prometheus prints nodes, instances or master candidates as targets for Prometheus'
service discovery. With --file it writes them to a file for file_sd_configs, again at
every --interval unless that is 0, and replaces the file only when they have changed.
With --listen it serves them for http_sd_configs, at /nodes, /instances and /candidates;
while daemons do not answer that is an error, and Prometheus keeps the targets that it has.

A target is an IP address, with --port. Instances without an address are left out.

All nodes and candidates are there, however large the cluster. The protocol has no list of
names, and a reply has at most 60 kB: in a large cluster confdctl takes names from the
files of the node that it runs on, or asks from node to node along DRBD disks, beginning
with the candidates. A node that it does not find so has its address for a name, and its
instances are missing. So are those of a node with more than fifty to a hundred, as their
addresses come together in one reply. Standard error says when some are missing.

Labels, for relabeling, are

    __meta_ganeti_kind         node, instance or candidate
    __meta_ganeti_name         the name
    __meta_ganeti_cluster      the cluster's name
    __meta_ganeti_uuid         the UUID
    __meta_ganeti_tags         the tags, with a comma before and after each
    __meta_ganeti_role         of a node, such as master_candidate
    __meta_ganeti_group        of a node: its node group
    __meta_ganeti_node         of an instance: its primary node
    __meta_ganeti_hypervisor   of an instance
    __meta_ganeti_os           of an instance
    __meta_ganeti_state        of an instance: up, down or offline, as it should be` + exitHelp,
		Example: `  confdctl inventory prometheus nodes
  confdctl inventory prometheus candidates --interval 1m \
    --file /etc/prometheus/ganeti.json
  confdctl inventory prometheus --listen 127.0.0.1:9815`,
		Args:      advice.Args(cobra.MaximumNArgs(1)),
		ValidArgs: []string{"nodes", "instances", "candidates"},
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		switch {
		case file != "" && listen != "":
			return advice.Usage(command, errTwice)
		case listen == "" && len(args) == 0:
			return advice.Usage(command, errors.New("name nodes, instances or candidates"))
		case listen != "" && len(args) > 0:
			return advice.Usage(command, errors.New("with --listen all of them are served, name none"))
		case len(args) > 0 && kinds[args[0]] == 0:
			return advice.Usage(command, fmt.Errorf("%q is none of nodes, instances, candidates", args[0]))
		case interval < 0:
			return advice.Usage(command, fmt.Errorf("--interval %v: must not be negative", interval))
		}
		if err := s.open(command); err != nil {
			return err
		}
		defer s.client.Close()
		ctx := command.Context()
		switch {
		case listen != "":
			return s.serve(ctx, command, listen, port)
		case file != "":
			return s.write(ctx, file, args[0], port, interval)
		}
		text, err := s.targets(ctx, args[0], port)
		if err != nil {
			return err
		}
		_, err = command.OutOrStdout().Write(text)
		return err
	}
	s.conn.AddFlags(command)
	flags := command.Flags()
	flags.Uint16VarP(&port, "port", "p", 0, "TCP `port` of the targets (default 9100, of candidates 9814)")
	flags.StringVar(&file, "file", "", "write the targets to this `file`")
	flags.DurationVarP(&interval, "interval", "i", 0, "how often to write the file; 0 is once")
	flags.StringVar(&listen, "listen", "", "serve the targets over HTTP at `host:port`")
	return command
}

// targets returns the targets of a kind as JSON.
func (s *source) targets(ctx context.Context, kind string, port uint16) ([]byte, error) {
	r, err := s.roster(ctx)
	if err != nil {
		return nil, err
	}
	var unnamed []netip.Addr
	if kind == "instances" {
		if n := unaddressed(r); n > 0 {
			s.note(fmt.Sprintf("%d instances are left out: all of a node do not fit into a reply, so their addresses are unknown", n))
		} else if !r.AllInstances {
			s.note(ask.Incomplete)
		}
	} else if !r.AllNodes {
		if unnamed, err = s.unnamed(ctx, r, kind); err != nil {
			return nil, err
		}
	}
	if port == 0 {
		port = kinds[kind]
	}
	text, err := json.MarshalIndent(targets(r, kind, port, unnamed), "", "  ")
	return append(text, '\n'), err
}

// unaddressed returns how many instances are known by name only.
func unaddressed(r *roster.Roster) int {
	n := 0
	for _, i := range r.Instances {
		if i.JSON == nil {
			n++
		}
	}
	return n
}

// unnamed returns the addresses of the nodes or candidates whose names are not known. Their
// lists fit into a reply in any cluster.
func (s *source) unnamed(ctx context.Context, r *roster.Roster, kind string) ([]netip.Addr, error) {
	ctx, cancel := s.conn.Patience(ctx)
	defer cancel()
	question := client.NodeIPs()
	if kind == "candidates" {
		question = client.CandidateIPs()
	}
	all, err := client.Query(ctx, s.client, question)
	if err != nil {
		return nil, s.conn.Advise(err)
	}
	return slices.DeleteFunc(all.Answer, func(ip netip.Addr) bool { return r.Host(ip.String()) != "" }), nil
}

func targets(r *roster.Roster, kind string, port uint16, unnamed []netip.Addr) []target {
	all := []target{}
	put := func(kind, ip, name, uuid string, tags []string, more map[string]string) {
		labels := map[string]string{
			"__meta_ganeti_kind": kind, "__meta_ganeti_name": name, "__meta_ganeti_cluster": r.Cluster, "__meta_ganeti_uuid": uuid,
		}
		if len(tags) > 0 {
			labels["__meta_ganeti_tags"] = "," + strings.Join(tags, ",") + ","
		}
		for label, value := range more {
			labels["__meta_ganeti_"+label] = value
		}
		all = append(all, target{[]string{net.JoinHostPort(ip, strconv.Itoa(int(port)))}, labels})
	}
	if kind == "instances" {
		for _, i := range r.Instances {
			if ip := address(i.Instance); ip != "" {
				put("instance", ip, i.Name, i.UUID, i.Tags, map[string]string{
					"node": i.Node, "hypervisor": string(i.Hypervisor), "os": i.OS, "state": string(i.AdminState),
				})
			}
		}
		return all
	}
	for _, n := range r.Nodes {
		candidate := n.Role == client.RoleMaster || n.Role == client.RoleCandidate
		if n.PrimaryIP == "" || kind == "candidates" && !candidate {
			continue
		}
		put(strings.TrimSuffix(kind, "s"), n.PrimaryIP, n.Name, n.UUID, n.Tags, map[string]string{
			"role": word(n.Role.String()), "group": r.GroupName(n),
		})
	}
	for _, ip := range unnamed {
		put(strings.TrimSuffix(kind, "s"), ip.String(), ip.String(), "", nil, nil)
	}
	return all
}

// write keeps a file with targets up to date.
func (s *source) write(ctx context.Context, file, kind string, port uint16, interval time.Duration) error {
	for {
		text, err := s.targets(ctx, kind, port)
		if err == nil {
			err = update(file, text)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case interval == 0:
			return err
		case errors.Is(err, client.ErrNoReply):
			fmt.Fprintf(s.stderr, "confdctl: %s stays as it is: %v\n", file, err)
		case err != nil:
			return err
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return nil
		}
	}
}

// update replaces a file unless its content is the same.
func update(file string, text []byte) error {
	if before, err := os.ReadFile(file); err == nil && bytes.Equal(before, text) {
		return nil
	}
	return replace.File(file, 0o644, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// serve serves targets over HTTP until ctx ends.
func (s *source) serve(ctx context.Context, command *cobra.Command, address string, port uint16) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	asking := make(chan struct{}, 1) // one request at a time
	mux := http.NewServeMux()
	for kind := range kinds {
		mux.HandleFunc("GET /"+kind, func(w http.ResponseWriter, request *http.Request) {
			select {
			case asking <- struct{}{}:
				defer func() { <-asking }()
			case <-request.Context().Done():
				return
			}
			text, err := s.targets(request.Context(), kind, port)
			if err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write(text)
		})
	}
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	fmt.Fprintf(command.OutOrStdout(), "serving http://%s/nodes, /instances and /candidates\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
