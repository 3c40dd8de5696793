//go:build man

package main

import (
	"github.com/spf13/cobra"

	"gntconfd/packaging/manual"
)

const description = `ganeti-confd runs on every master candidate of a Ganeti cluster and answers queries over
UDP, for example which node is the master, or which node runs the instance with an address. It
answers from the cluster's configuration, which it keeps in memory and reloads when it changes.
Queries and replies are signed with the cluster's key.

The command returns once the daemon is answering in the background, or prints why it could not start.

Long options can be abbreviated if the abbreviation is unique.

# FILES

**/var/lib/ganeti/config.data**, **/var/lib/ganeti/hmac.key**
	the configuration and the key

**/var/log/ganeti/conf-daemon.log**
	the log

**/run/ganeti/ganeti-confd.pid**
	the pid file, locked while the daemon runs

# ENVIRONMENT

**GANETI_ROOTDIR**
	prepended to the paths of all files

# SIGNALS

**TERM**, **INT**
	stop the daemon, after it has answered the queries it has already read

**HUP**
	reopen the log file, and check the key and the configuration

# EXIT STATUS

0: the daemon is answering, or has stopped normally. 1: it could not start or continue. 2: the command
line is wrong.
`

func init() {
	page := &cobra.Command{
		Use:                   "ganeti-confd [OPTION...]",
		Short:                 "answer queries about a Ganeti cluster",
		Long:                  description,
		Example:               "  ganeti-confd -f -d --no-user-checks -b 127.0.0.1",
		Run:                   func(*cobra.Command, []string) {},
		DisableFlagsInUseLine: true,
	}
	page.Flags().SortFlags = false
	page.Flags().AddFlagSet(newFlags(new(options)))
	manual.Write(page, "8")
}
