package ask

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gntconfd/client"
	"gntconfd/gen/wire"
	"gntconfd/internal/advice"
	"gntconfd/internal/ganeti"
)

// localhost is the address of this machine's daemon, unless it is bound to another one.
const localhost = "127.0.0.1"

// CandidatesInterval is how often commands that run for long check the list of master
// candidates.
const CandidatesInterval = time.Minute

// Connection holds the flags of every command that asks running daemons.
type Connection struct {
	servers     []string // empty for the master candidates
	KeyFile     string
	Timeout     time.Duration
	timeoutFlag *pflag.Flag // nil if the command has no such flag
	all         bool
	coverage    int

	local  bool          // asks this node's daemon instead of the master candidates, except with all
	Follow time.Duration // how often to check the list of master candidates; 0 is never
}

// AddFlags defines the flags about how to reach daemons.
func (c *Connection) AddFlags(command *cobra.Command) {
	c.AddServer(command)
	command.Flags().DurationVarP(&c.Timeout, "timeout", "t", 2*time.Second, "how long to wait for replies, with retries in between")
	c.timeoutFlag = command.Flags().Lookup("timeout")
}

// AddServer is like AddFlags, for commands that always wait as long as the protocol says.
func (c *Connection) AddServer(command *cobra.Command) {
	c.Timeout = wire.ExpireTimeout * time.Second
	standard := "the master candidates that this node knows of, else the daemon of this machine"
	if c.local {
		standard = "the daemon of this machine; with --all the master candidates"
	}
	flags := command.Flags()
	flags.StringSliceVarP(&c.servers, "server", "s", nil, "`host[:port]` of a daemon, also several times (default "+standard+")")
	if err := command.RegisterFlagCompletionFunc("server", cobra.NoFileCompletions); err != nil {
		panic(err) // defined above
	}
	if named := os.Getenv("CONFD_SERVER"); named != "" {
		c.servers = strings.FieldsFunc(named, func(r rune) bool { return r == ',' || r == ' ' })
	}
	AddKeyFile(flags, &c.KeyFile, "`file` with the cluster's key")
}

// AddKeyFile defines --key-file. Its default comes from the environment, or is this node's key.
func AddKeyFile(flags *pflag.FlagSet, file *string, usage string) {
	flags.StringVarP(file, "key-file", "k", ganeti.NodePaths().Key, usage)
	if named := os.Getenv("CONFD_KEY_FILE"); named != "" {
		*file = named
	}
}

// AddChoice defines the flags about how many daemons to ask.
func (c *Connection) AddChoice(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolVarP(&c.all, "all", "a", false, "ask all daemons and show what each one says")
	flags.IntVar(&c.coverage, "coverage", 0, "`number` of daemons to ask at once, of which more than half must agree (default up to 6)")
	command.MarkFlagsMutuallyExclusive("all", "coverage")
}

// Client returns a client for the daemons, with the key that the flags name.
func (c *Connection) Client() (*client.Client, error) {
	switch {
	case c.Timeout <= 0:
		return nil, fmt.Errorf("--timeout %v: must be more than nothing", c.Timeout)
	case c.coverage < 0:
		return nil, fmt.Errorf("--coverage %d: must not be negative", c.coverage)
	}
	// The key is read first, so that its errors are not mistaken for errors of the list of
	// candidates.
	if _, err := c.Key(); err != nil {
		return nil, err
	}
	options := client.Options{Peers: c.servers, KeyFile: c.KeyFile, Coverage: c.coverage}
	// A check always lasts for --timeout, so that a restart is no alarm.
	options.GiveUp = c.timeoutFlag != nil && !c.timeoutFlag.Changed && !c.local
	switch {
	case c.all:
		options.Coverage = client.All
	case c.local && c.servers == nil:
		return ofThisMachine(options)
	}
	if c.servers == nil { // named servers are asked, whoever the candidates are
		options.Follow = c.Follow
	}
	made, err := client.New(options)
	if options.Peers == nil && errors.Is(err, fs.ErrNotExist) { // not a node of a cluster
		return ofThisMachine(options)
	}
	return made, err
}

// ofThisMachine returns a client for the daemon of this machine.
func ofThisMachine(options client.Options) (*client.Client, error) {
	options.Peers, options.Follow = []string{localhost}, 0
	made, err := client.New(options)
	if err != nil {
		return nil, err
	}
	peer, err := netip.ParseAddrPort(made.Peers()[0])
	if err == nil {
		var addr string
		if addr, err = localDaemon(peer.Port()); err == nil {
			err = made.SetPeers(addr)
		}
	}
	if err != nil {
		made.Close()
		return nil, err
	}
	return made, nil
}

// Patience returns the context for a question.
func (c *Connection) Patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.Timeout)
}

// Key reads the key.
func (c *Connection) Key() ([]byte, error) {
	key, err := os.ReadFile(c.KeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, advice.New(fmt.Errorf("key file: %w", err),
			"Every node of a cluster has this file. --key-file names one elsewhere.")
	case errors.Is(err, fs.ErrPermission):
		return nil, advice.New(fmt.Errorf("key file: %w", err),
			"Root and Ganeti's daemons can read it."+ownership(c.KeyFile))
	case err != nil:
		return nil, fmt.Errorf("key file: %w", err)
	case len(key) == 0:
		return nil, advice.New(fmt.Errorf("key file: %s is empty", c.KeyFile),
			"Copy it from another node of the cluster; gnt-cluster renew-crypto --new-confd-hmac-key makes a new one.")
	}
	return key, nil
}

// ownership describes who may read a file and who is trying to, as far as that is known.
func ownership(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	text := fmt.Sprintf(" Its mode is %v", info.Mode())
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		owner, group := strconv.Itoa(int(stat.Uid)), strconv.Itoa(int(stat.Gid))
		if u, err := user.LookupId(owner); err == nil {
			owner = u.Username
		}
		if g, err := user.LookupGroupId(group); err == nil {
			group = g.Name
		}
		text += fmt.Sprintf(", of user %s and group %s", owner, group)
	}
	if u, err := user.Current(); err == nil {
		text += ", and you are " + u.Username
	}
	return text + "."
}

// Advise adds advice to the error of a question that got no reply.
func (c *Connection) Advise(err error) error {
	var silence *client.NoReplyError
	if !errors.As(err, &silence) {
		return err
	}
	refused, unknown, ignored := 0, 0, 0
	for _, s := range silence.Asked {
		switch {
		case errors.Is(s.Err, syscall.ECONNREFUSED):
			refused++
		case errors.As(s.Err, new(*net.DNSError)):
			unknown++
		case s.Err == nil, errors.As(s.Err, new(syscall.Errno)):
		default: // received, but not a reply
			ignored++
		}
	}
	switch {
	case refused == len(silence.Asked):
		return advice.New(err, `Nothing listens there. Check that ganeti-confd runs, as it does on every master candidate, and that address and port are those where it listens.`)
	case unknown == len(silence.Asked):
		return advice.New(err, "Check how the host is written, or give its address.")
	case ignored > 0:
		return advice.New(err, fmt.Sprintf(`What came back cannot be trusted. Check that it is ganeti-confd that listens there, and that %s is the key of that cluster.`, c.KeyFile))
	}
	return advice.New(err, fmt.Sprintf(`The daemon is silent towards requests that it cannot trust. Check that
- it runs there, as it does on every master candidate, with no firewall in between that stops UDP, to its port or back from it;
- %s is the key of that cluster;
- the two clocks differ by less than five minutes: date says %s here.`,
		c.KeyFile, time.Now().Format("15:04:05 MST on 2 January")))
}
