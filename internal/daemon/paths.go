package daemon

import (
	"os"
	"path/filepath"
)

// Paths are the files of a node that the daemon reads and writes, where Ganeti
// has them.
type Paths struct {
	Config string // the configuration file
	Key    string // the cluster's HMAC key
	Log    string // the daemon's log file
}

// NodePaths returns the paths of this node. The directory that the environment
// variable GANETI_ROOTDIR names, if any, goes in front of all of them.
func NodePaths() Paths {
	root := os.Getenv("GANETI_ROOTDIR")
	return Paths{
		Config: filepath.Join(root, "/var/lib/ganeti/config.data"),
		Key:    filepath.Join(root, "/var/lib/ganeti/hmac.key"),
		Log:    filepath.Join(root, "/var/log/ganeti/conf-daemon.log"),
	}
}
