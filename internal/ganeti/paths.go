// Package ganeti knows what a node of a Ganeti cluster looks like: its files, the daemon's port
// and user, and who may read what.
package ganeti

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// User is the user that Ganeti's packages create for the daemon. Its group has the same name.
const User = "gnt-confd"

// Paths are the paths of a node's files.
type Paths struct {
	Config string // the configuration file
	Key    string // the cluster's HMAC key
	Log    string // the daemon's log file
	PID    string // the daemon's pid file

	// Files that Ganeti writes beside the configuration, also on nodes without one.
	Family     string // the family of the cluster's addresses: 2 for IPv4, 10 for IPv6
	Candidates string // the addresses of the master candidates, one on each line
	Nodes      string // the names of the nodes
	Instances  string // the names of the instances
}

// NodePaths returns the paths of this node, below the directory in the environment variable
// GANETI_ROOTDIR, if it is set.
func NodePaths() Paths {
	root := os.Getenv("GANETI_ROOTDIR")
	return Paths{
		Config: filepath.Join(root, "/var/lib/ganeti/config.data"),
		Key:    filepath.Join(root, "/var/lib/ganeti/hmac.key"),
		Log:    filepath.Join(root, "/var/log/ganeti/conf-daemon.log"),
		PID:    filepath.Join(root, "/var/run/ganeti/ganeti-confd.pid"),

		Family:     filepath.Join(root, "/var/lib/ganeti/ssconf_primary_ip_family"),
		Candidates: filepath.Join(root, "/var/lib/ganeti/ssconf_master_candidates_ips"),
		Nodes:      filepath.Join(root, "/var/lib/ganeti/ssconf_node_list"),
		Instances:  filepath.Join(root, "/var/lib/ganeti/ssconf_instance_list"),
	}
}

// ReadCandidates returns the addresses of the master candidates. There may be none.
func (p Paths) ReadCandidates() ([]string, error) {
	text, err := os.ReadFile(p.Candidates)
	if err != nil {
		return nil, fmt.Errorf("list of master candidates: %w", err)
	}
	return strings.Fields(string(text)), nil
}

// DefaultAddr returns the default address to listen on: every IPv4 address of the host and, in
// an IPv6 cluster, its IPv6 addresses too; even there, some of Ganeti's tools ask 127.0.0.1. The
// file Paths.Family says which kind of cluster it is; without it, it is IPv4.
func (p Paths) DefaultAddr() (netip.Addr, error) {
	data, err := os.ReadFile(p.Family)
	if errors.Is(err, fs.ErrNotExist) {
		return netip.IPv4Unspecified(), nil
	} else if err != nil {
		return netip.Addr{}, fmt.Errorf("address family of the cluster: %w", err)
	}
	switch family := strings.TrimSpace(string(data)); family {
	case "2":
		return netip.IPv4Unspecified(), nil
	case "10":
		return netip.Addr{}, nil
	default:
		return netip.Addr{}, fmt.Errorf("%s: address family %q is neither 2 (IPv4) nor 10 (IPv6): "+
			"correct the file, or give --bind", p.Family, family)
	}
}
