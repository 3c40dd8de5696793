package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/internal/daemon"
)

// connection holds the flags of every command that talks to a running daemon.
type connection struct {
	server  string
	keyFile string
	timeout time.Duration
}

// addFlags defines the flags on a command.
func (c *connection) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&c.server, "server", "s", "127.0.0.1",
		"`host[:port]` of the daemon")
	flags.StringVarP(&c.keyFile, "key-file", "k", daemon.NodePaths().Key, "`file` with the cluster's key")
	flags.DurationVarP(&c.timeout, "timeout", "t", 2*time.Second, "how long to wait for a reply, with retries in between")
}

// client returns a client with the server and the key that the flags name.
func (c *connection) client() (*client.Client, error) {
	if c.timeout <= 0 {
		return nil, fmt.Errorf("--timeout %v: must be more than nothing", c.timeout)
	}
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	return client.New(client.Options{Peers: []string{c.server}, Key: key})
}

// key reads the key.
func (c *connection) key() ([]byte, error) {
	key, err := os.ReadFile(c.keyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &advisedError{fmt.Errorf("key file: %w", err),
			"Every node of a cluster has this file. --key-file names one elsewhere."}
	case errors.Is(err, fs.ErrPermission):
		mode := ""
		if info, err := os.Stat(c.keyFile); err == nil {
			mode = fmt.Sprintf(" Its mode is %v.", info.Mode())
		}
		return nil, &advisedError{fmt.Errorf("key file: %w", err),
			"It is readable for root and for Ganeti's daemons." + mode}
	case err != nil:
		return nil, fmt.Errorf("key file: %w", err)
	case len(key) == 0:
		return nil, fmt.Errorf("key file: %s is empty", c.keyFile)
	}
	return key, nil
}

// advise adds to the error of a request without reply what to look at.
func (c *connection) advise(err error) error {
	if !errors.Is(err, client.ErrNoReply) {
		return err
	}
	return &advisedError{err, fmt.Sprintf(`The daemon is silent towards requests that it cannot trust. Check that
- it runs there, as it does on every master candidate, with no firewall in between;
- %s is the key of that cluster;
- the two clocks differ by less than five minutes.`, c.keyFile)}
}
