//go:build man

package main

import (
	"github.com/spf13/cobra"

	"gntconfd/packaging/manual"
)

const description = `ganeti-confd answers questions about a Ganeti cluster, over UDP, on every master
candidate: which node is master, which node runs the instance with an address. It takes the
answers from the cluster's configuration, which it keeps in memory and loads anew when it
changes. Questions and answers are signed with the cluster's key.

The program detaches itself and returns when it answers, or says what keeps it from that.

An option can be abbreviated as long as that is unique.

# FILES

**/var/lib/ganeti/config.data**, **/var/lib/ganeti/hmac.key**
	the configuration and the key

**/var/log/ganeti/conf-daemon.log**
	the log

**/run/ganeti/ganeti-confd.pid**
	the pid file, locked while the daemon runs

# ENVIRONMENT

**GANETI_ROOTDIR**
	is put in front of the paths of all files

# SIGNALS

**TERM**, **INT**
	end the daemon, after the questions that have been read are answered

**HUP**
	opens the log file anew, and has the daemon look at key and configuration

# EXIT STATUS

0 when the daemon answers or has ended as it should, 1 when it cannot start or go on, 2 when the
command line is wrong.
`

func init() {
	page := &cobra.Command{
		Use:                   "ganeti-confd [OPTION...]",
		Short:                 "answer questions about a Ganeti cluster",
		Long:                  description,
		Example:               "  ganeti-confd -f -d --no-user-checks -b 127.0.0.1",
		Run:                   func(*cobra.Command, []string) {},
		DisableFlagsInUseLine: true,
	}
	page.Flags().SortFlags = false
	page.Flags().AddFlagSet(newFlags(new(options)))
	manual.Write(page, "8")
}
