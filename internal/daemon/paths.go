package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Paths are the files of a node that the daemon reads and writes, where Ganeti
// has them.
type Paths struct {
	Config string // the configuration file
	Key    string // the cluster's HMAC key
	Log    string // the daemon's log file
	PID    string // the daemon's pid file
	Family string // says of which family the cluster's addresses are
}

// NodePaths returns the paths of this node. The directory that the environment
// variable GANETI_ROOTDIR names, if any, goes in front of all of them.
func NodePaths() Paths {
	root := os.Getenv("GANETI_ROOTDIR")
	return Paths{
		Config: filepath.Join(root, "/var/lib/ganeti/config.data"),
		Key:    filepath.Join(root, "/var/lib/ganeti/hmac.key"),
		Log:    filepath.Join(root, "/var/log/ganeti/conf-daemon.log"),
		PID:    filepath.Join(root, "/var/run/ganeti/ganeti-confd.pid"),
		Family: filepath.Join(root, "/var/lib/ganeti/ssconf_primary_ip_family"),
	}
}

// DefaultAddr returns where the daemon listens unless told: at every IPv4 address
// of the host, and in a cluster of IPv6 at its IPv6 addresses too. There some of
// Ganeti's tools still ask 127.0.0.1. What the cluster is of is in the file
// Paths.Family; without one, it is IPv4.
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
