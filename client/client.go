// Package client queries a cluster's ganeti-confd for the cluster's configuration. It works
// with this project's daemon and with Ganeti's own, 2.6 to 3.1.
//
// The daemon runs on every master candidate. These are the peers of a Client, which asks
// several of them at once. On a node of the cluster it needs no options:
//
//	c, err := client.New(client.Options{})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	master, err := client.Query(ctx, c, client.Master())
//
// The questions are functions of this package, one or more for each of the twelve request
// types. The type of a question includes the type of its answer. There are three ways to
// ask one:
//
//   - [Query] waits until a majority agrees, and returns the best answer: of those without
//     an error, the one with the highest serial number, which is the newest;
//   - [Replies] yields each peer's reply as it arrives; [Fresh] leaves out duplicates and
//     older ones;
//   - [Watch] repeats the question and yields the changes.
//
// # Which replies count
//
// A reply counts if it comes from an address that was asked, is signed with the cluster's
// key and belongs to the question. Everything else is ignored, and counted in [Stats].
// Unanswered requests are resent, first after 100 milliseconds and then less and less
// often, and also sent to peers that have not been asked yet, until the context ends;
// without a deadline, for 10 seconds.
//
// # Cost
//
// A Client has one UDP socket, for IPv4 and IPv6, and one goroutine that reads from it.
// Except for instances and disks, the API uses only types of the standard library and of
// this package. The generated codecs of the protocol add 1.8 MB to a program, or 0.7 MB if
// it already uses net/http.
//
// spec/README.md describes the queries and the JSON of the answers.
package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gntconfd/internal/ganeti"
	"gntconfd/internal/protocol"
)

// All is the Coverage of a client that asks all of its peers at once.
const All = -1

// Options configure a Client. The zero value is right for programs on a node of the
// cluster.
type Options struct {
	// Peers are the daemons, each host or host:port. An IPv6 address with a port needs
	// brackets. The default are the master candidates in this node's file
	// ssconf_master_candidates_ips. Peers that share an address are one daemon, asked once:
	// by its address if you gave that, otherwise by the name that was looked up first.
	Peers []string

	// Port is the port of peers without one. The default is the port of ganeti-confd in the
	// services database, or 1814.
	Port uint16

	// Key signs requests and verifies replies: all bytes of the cluster's hmac.key,
	// including its trailing newline. If it is nil, KeyFile is read.
	Key []byte

	// KeyFile is read again when it changes. The default is /var/lib/ganeti/hmac.key. The
	// environment variable GANETI_ROOTDIR, if set, is prepended to this default and to that
	// of Peers.
	KeyFile string

	// Coverage is how many peers get a question at once: 6 by default, or All. If there are
	// fewer peers, all get it.
	Coverage int

	// GiveUp ends a question early when no peer could be reached three times in a row,
	// which takes 0.3 seconds: for example, their hosts refuse the datagrams, or their
	// names cannot be looked up. Without it the question goes on, because daemons may be
	// restarting.
	GiveUp bool

	// Follow is how often to update the peers to the cluster's master candidates; 0 means
	// never. Peers from ssconf_master_candidates_ips follow that file; others are asked for
	// the candidates, which are then reached at Port.
	Follow time.Duration

	// Logger gets warnings that no error reports: inconsistent answers, once a peer has
	// contradicted the majority in the same way for 2 seconds; and a list of candidates or
	// a key that cannot be read. It also gets debug messages about ignored datagrams. If it
	// is nil, nothing is logged.
	Logger *slog.Logger

	// Observe, if not nil, is called for every datagram sent or received, from several
	// goroutines at once. It must return quickly, and must not call Close.
	Observe func(Event)
}

// Errors of New, SetPeers and questions.
var (
	// ErrNoKey: the key is empty.
	ErrNoKey = errors.New("no key")
	// ErrNoPeers: there are no peers to ask.
	ErrNoPeers = errors.New("no peers to ask")
	// ErrClosed: the Client is closed.
	ErrClosed = errors.New("client is closed")
)

// Client asks the daemons of one cluster. It is safe for concurrent use.
type Client struct {
	options       Options
	keys          *keys
	peers         atomic.Pointer[[]*peer]
	conn          *net.UDPConn
	stats         [kinds]atomic.Uint64
	disagreements disagreements

	mu      sync.Mutex
	codec   *protocol.Codec  // seals requests
	calls   map[string]*call // the questions in progress, by the salt of their replies
	closed  context.Context
	close   context.CancelFunc
	running sync.WaitGroup
}

// New returns a Client; call Close when you no longer need it. The errors are those of
// reading the key and the list of candidates, ErrNoKey, ErrNoPeers, an invalid peer or
// coverage, and those of the network.
func New(options Options) (*Client, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Port == 0 {
		options.Port = ganeti.Port()
	}
	if options.Coverage < All {
		return nil, fmt.Errorf("coverage %d: must be a number of peers, or All", options.Coverage)
	}
	keys, err := newKeys(options.Key, options.KeyFile, options.Logger)
	if err != nil {
		return nil, err
	}
	c := &Client{
		options: options, keys: keys, codec: protocol.NewCodec(keys.ring), calls: make(map[string]*call),
		disagreements: newDisagreements(),
	}
	names := options.Peers
	if names == nil {
		if names, err = readCandidates(); err != nil {
			return nil, err
		}
	}
	if err := c.SetPeers(names...); err != nil {
		return nil, err
	}
	// One socket serves both families if the host has both.
	if c.conn, err = net.ListenUDP("udp", nil); err != nil {
		return nil, err
	}
	if err := reportUnreachable(c.conn); err != nil {
		c.conn.Close()
		return nil, err
	}
	c.closed, c.close = context.WithCancel(context.Background())
	c.running.Go(c.receive)
	if options.Follow > 0 {
		c.running.Go(c.follow)
	}
	return c, nil
}

// Close ends the questions in progress with ErrClosed and closes the socket. The error is
// the socket's.
func (c *Client) Close() error {
	c.close()
	err := c.conn.Close()
	c.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Peers returns the peers, each host:port. Of peers that share an address it returns one,
// as far as their names have been looked up.
func (c *Client) Peers() []string {
	peers := *c.peers.Load()
	duplicates := duplicates(peers)
	var names []string
	for _, p := range peers {
		if !duplicates[p] {
			names = append(names, p.name)
		}
	}
	return names
}

// Resolve looks up the names of the peers; otherwise that happens with the first question.
// It returns when all lookups have succeeded or failed, or ctx ends.
func (c *Client) Resolve(ctx context.Context) {
	var running sync.WaitGroup
	for _, p := range *c.peers.Load() {
		if _, fresh := p.known(); !fresh {
			running.Go(func() { _ = p.resolve(ctx) }) // a question reports the error
		}
	}
	running.Wait()
}

// SetPeers replaces the peers for new questions; questions in progress keep theirs. Peers
// are written as in Options. The errors are ErrNoPeers and that of an invalid peer; the old
// peers then stay.
func (c *Client) SetPeers(names ...string) error {
	former := make(map[string]*peer)
	if peers := c.peers.Load(); peers != nil {
		for _, p := range *peers {
			former[p.name] = p
		}
	}
	var peers []*peer
	for _, name := range names {
		p, err := newPeer(name, c.options.Port)
		if err != nil {
			return err
		}
		if known := former[p.name]; known != nil {
			p = known // with what is known about it
		}
		if !slices.ContainsFunc(peers, func(other *peer) bool { return other.name == p.name }) {
			peers = append(peers, p)
		}
	}
	if len(peers) == 0 {
		return ErrNoPeers
	}
	c.peers.Store(&peers)
	return nil
}

// follow updates the peers to the master candidates until ctx ends.
func (c *Client) follow() {
	failed := false // the last time
	for pause(c.closed, c.options.Follow) {
		names, err := c.candidates()
		if err == nil {
			err = c.SetPeers(names...)
		}
		if err != nil && !failed && c.closed.Err() == nil {
			c.options.Logger.Warn("cannot get the list of master candidates, keeping the old peers", "err", err)
		}
		failed = err != nil
	}
}

// candidates returns the addresses of the master candidates.
func (c *Client) candidates() ([]string, error) {
	if c.options.Peers == nil {
		return readCandidates()
	}
	result, err := Query(c.closed, c, CandidateIPs())
	var names []string
	for _, ip := range result.Answer {
		if ip.IsValid() {
			names = append(names, ip.String())
		}
	}
	if !result.Agreed {
		// The best answer may be outdated. Peers that may have a newer one stay, or a list
		// without them would remove them.
		for _, silence := range result.Silent {
			names = append(names, silence.Peer)
		}
	}
	return names, err
}

// readCandidates returns the addresses of the master candidates in this node's file.
func readCandidates() ([]string, error) {
	paths := ganeti.NodePaths()
	names, err := paths.ReadCandidates()
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s: %w", paths.Candidates, ErrNoPeers)
	}
	return names, err
}

// peer is a daemon.
type peer struct {
	name string // host:port
	host string
	port uint16
	// silent is set when the peer has been given up on or is unreachable, until it replies:
	// it is asked last, and questions do not wait for it alone.
	silent atomic.Bool

	mu       sync.Mutex
	resolved []netip.AddrPort
	since    time.Time // see lookedUp
	expires  time.Time
}

// resolveInterval is how long the addresses of a name stay valid.
const resolveInterval = time.Minute

func newPeer(name string, port uint16) (*peer, error) {
	host := name
	if h, p, err := net.SplitHostPort(name); err == nil {
		number, err := strconv.ParseUint(p, 10, 16)
		if err != nil || number == 0 {
			return nil, fmt.Errorf("peer %s: port %q is not a number from 1 to 65535", name, p)
		}
		host, port = h, uint16(number)
	} else if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
		host = name[1 : len(name)-1]
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		host = ip.Unmap().String()
	case host == "", strings.ContainsAny(host, ":[]/ \t\r\n"):
		return nil, fmt.Errorf("peer %q is neither host nor host:port", name)
	}
	p := &peer{name: net.JoinHostPort(host, strconv.Itoa(int(port))), host: host, port: port}
	if err == nil {
		p.resolved = []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), port)}
		p.expires = time.Now().AddDate(100, 0, 0)
	}
	return p, nil
}

// known returns the peer's addresses, and whether they are still valid.
func (p *peer) known() ([]netip.AddrPort, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resolved, time.Now().Before(p.expires)
}

// lookedUp returns when the peer's addresses were looked up, or zero if it was given by its
// address or they are unknown.
func (p *peer) lookedUp() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since
}

// resolve looks up the addresses of the peer's name.
func (p *peer) resolve(ctx context.Context) error {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.host)
	if err != nil {
		return err
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), p.port))
	}
	p.setAddrs(addrs, time.Now())
	return nil
}

// setAddrs stores the addresses of the peer's name.
func (p *peer) setAddrs(addrs []netip.AddrPort, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := func(addrs []netip.AddrPort) []netip.AddrPort {
		return slices.SortedFunc(slices.Values(addrs), netip.AddrPort.Compare)
	}
	if !slices.Equal(set(addrs), set(p.resolved)) {
		p.since = now
	}
	p.resolved, p.expires = addrs, now.Add(resolveInterval)
}

// duplicates returns the peers that duplicate another peer: they share an address with one
// that was known before. Peers given by address come first and never duplicate each other,
// because SetPeers removes duplicates.
func duplicates(peers []*peer) map[*peer]bool {
	if !slices.ContainsFunc(peers, func(p *peer) bool { return !p.lookedUp().IsZero() }) {
		return nil
	}
	type known struct {
		*peer
		addrs []netip.AddrPort
		since time.Time
	}
	var all []known
	for _, p := range peers {
		addrs, _ := p.known()
		all = append(all, known{p, addrs, p.lookedUp()})
	}
	slices.SortStableFunc(all, func(a, b known) int { return a.since.Compare(b.since) })
	taken, duplicates := make(map[netip.AddrPort]bool), make(map[*peer]bool)
	for _, p := range all {
		if duplicates[p.peer] = slices.ContainsFunc(p.addrs, func(addr netip.AddrPort) bool { return taken[addr] }); !duplicates[p.peer] {
			for _, addr := range p.addrs {
				taken[addr] = true
			}
		}
	}
	return duplicates
}

// keys holds the cluster's key and follows its file.
type keys struct {
	ring   *protocol.Keyring
	path   string // empty if the key does not come from a file
	logger *slog.Logger

	mu      sync.Mutex
	info    fs.FileInfo // of the file when it was read
	checked time.Time
	failed  bool // whether the file is known to be unreadable; that was logged
}

// keyInterval is the minimum time between two checks of the key file.
const keyInterval = time.Second

func newKeys(key []byte, path string, logger *slog.Logger) (*keys, error) {
	k := &keys{path: path, logger: logger}
	if key == nil {
		if k.path == "" {
			k.path = ganeti.NodePaths().Key
		}
		var err error
		if key, err = k.read(); err != nil {
			return nil, err
		}
	} else {
		k.path = ""
	}
	if len(key) == 0 {
		return nil, ErrNoKey
	}
	k.ring = protocol.NewKeyring(key)
	return k, nil
}

// read returns the key in the file.
func (k *keys) read() ([]byte, error) {
	k.checked = time.Now()
	info, err := os.Stat(k.path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	key, err := os.ReadFile(k.path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("key: %w", err)
	case len(key) == 0:
		return nil, fmt.Errorf("%w: %s is empty", ErrNoKey, k.path)
	}
	k.info = info
	return key, nil
}

// refresh reads the file again if it has changed.
func (k *keys) refresh() {
	if k.path == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.checked) < keyInterval {
		return
	}
	k.checked = time.Now()
	info, err := os.Stat(k.path)
	if err == nil && os.SameFile(info, k.info) && info.ModTime().Equal(k.info.ModTime()) && info.Size() == k.info.Size() {
		k.failed = false
		return
	}
	key, err := k.read()
	if err != nil {
		if !k.failed {
			k.logger.Warn("cannot read the key again, keeping the former one", "err", err)
		}
		k.failed = true
		return
	}
	k.failed = false
	k.ring.Replace(key, time.Now())
}
