// Package client asks a cluster's ganeti-confd questions about the cluster's
// configuration. It works with this project's daemon and with Ganeti's own, 2.6 to
// 3.1.
//
// The daemon runs on every master candidate. A Client knows these, its peers, and
// asks several of them at once: on a node of the cluster, with nothing to be told,
//
//	c, err := client.New(client.Options{})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	master, err := client.Query(ctx, c, client.Master())
//
// The questions are functions of this package, one or more for each of the twelve
// request types, and the type of a question is that of its answer. They are asked in
// one of three ways:
//
//   - [Query] waits until enough peers agree, and returns the best answer: of those
//     without an error the one with the highest serial number, which is the newest;
//   - [Replies] is a sequence of what each peer says, as it comes; [Fresh] leaves out
//     what is doubled or older than what came before;
//   - [Watch] asks again and again, and is a sequence of the changes.
//
// # What reaches the caller
//
// A reply counts when it comes from the address that was asked, is signed with the
// cluster's key and belongs to the question. Whatever else arrives is ignored, and
// counted in [Stats]. Requests that get no reply are repeated, first after 100
// milliseconds and then less and less often, and go to peers that have not been
// asked yet as well, as long as the context lasts; without a deadline it lasts for
// 10 seconds.
//
// # What it takes
//
// A Client has one UDP socket, for IPv4 and IPv6 alike, and one goroutine that reads
// from it. The package's own interface is made of the standard library's types
// alone; below it are the generated codecs of the protocol, which add 1.8 MB to a
// program, or 0.7 MB to one that has net/http.
//
// What can be asked, and the JSON that comes back, is described in spec/README.md.
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

// Options say whom a Client asks, and how. The zero value is right for programs on
// a node of the cluster.
type Options struct {
	// Peers are the daemons, each host or host:port. An IPv6 address goes into
	// brackets when a port follows. By default they are the master candidates, as
	// the file ssconf_master_candidates_ips of this node lists them. Peers that share
	// an address are one, asked once: by its address if that is among them, else by the
	// name that was looked up first.
	Peers []string

	// Port is that of peers named without one. By default it is the one that the
	// services database has for ganeti-confd, or 1814.
	Port uint16

	// Key signs requests and verifies replies: all bytes of the cluster's hmac.key,
	// its trailing newline included. Without it, KeyFile is read.
	Key []byte

	// KeyFile is read again when it changes. By default it is
	// /var/lib/ganeti/hmac.key. The directory that the environment variable
	// GANETI_ROOTDIR names, if any, goes in front of this default and that of Peers.
	KeyFile string

	// Coverage is how many peers a question goes to at once: 6 by default, or All.
	// When there are fewer, it goes to all of them.
	Coverage int

	// GiveUp ends a question early when no peer can be reached three times in a row,
	// in 0.3 seconds: their hosts refuse the datagrams, say, or their names cannot be
	// looked up. Without it the question goes on, as daemons may be restarting.
	GiveUp bool

	// Follow is how often the peers are brought in step with the cluster's master
	// candidates; 0 is never. Peers that came from ssconf_master_candidates_ips
	// follow that file; others are asked who the candidates are, which are then
	// reached at Port.
	Follow time.Duration

	// Logger is told of what an operator may want to know and no error says, as
	// warnings: inconsistent answers, once a peer has contradicted the majority in the
	// same way for 2 seconds; a list of candidates or a key that cannot be read; datagrams that are ignored, for debugging. Nothing is logged without one.
	Logger *slog.Logger

	// Observe, if any, is called for every datagram that is sent or received, from
	// several goroutines at once. It must return quickly, and must not call Close.
	Observe func(Event)
}

// Errors of New, SetPeers and of questions.
var (
	// ErrNoKey: the key is empty.
	ErrNoKey = errors.New("no key")
	// ErrNoPeers: there is nobody to ask.
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
	calls   map[string]*call // the questions under way, by the salt of their replies
	closed  context.Context
	close   context.CancelFunc
	running sync.WaitGroup
}

// New returns a Client, which must be closed when it is no longer needed. The errors
// are those of reading the key and the list of candidates, ErrNoKey, ErrNoPeers,
// those of a peer or coverage that makes no sense, and those of the network.
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
	// One socket serves both families where the host has both.
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

// Close ends the questions under way with ErrClosed, and releases the socket. The
// error is that of the socket.
func (c *Client) Close() error {
	c.close()
	err := c.conn.Close()
	c.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Peers returns the peers, each host:port. Of those that share an address it returns
// one, as far as their names have been looked up.
func (c *Client) Peers() []string {
	peers := *c.peers.Load()
	doubles := doubles(peers)
	var names []string
	for _, p := range peers {
		if !doubles[p] {
			names = append(names, p.name)
		}
	}
	return names
}

// Resolve looks up the names of the peers, which questions otherwise do when they are
// asked. It returns when all are known or cannot be, or ctx ends.
func (c *Client) Resolve(ctx context.Context) {
	var running sync.WaitGroup
	for _, p := range *c.peers.Load() {
		if _, fresh := p.known(); !fresh {
			running.Go(func() { _ = p.resolve(ctx) }) // a question tells the error
		}
	}
	running.Wait()
}

// SetPeers replaces the peers, for the questions that follow; those under way keep
// theirs. Peers are written as in Options. The errors are ErrNoPeers and that of a
// peer that cannot be one; the former peers stay then.
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
			p = known // and what is known of it
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

// follow keeps the peers in step with the master candidates.
func (c *Client) follow() {
	failed := false // the last time
	for pause(c.closed, c.options.Follow) {
		names, err := c.candidates()
		if err == nil {
			err = c.SetPeers(names...)
		}
		if err != nil && !failed && c.closed.Err() == nil {
			c.options.Logger.Warn("cannot learn who the master candidates are, asking the former ones", "err", err)
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
		// The best answer may be an old one. Those who may know better stay, or
		// they would be forgotten for a list without them.
		for _, silence := range result.Silent {
			names = append(names, silence.Peer)
		}
	}
	return names, err
}

// readCandidates returns the addresses of the master candidates that this node
// knows of.
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
	// silent is set when the peer has been given up on, or was found out of reach,
	// until it replies: questions are asked of it last, and do not wait for it alone.
	silent atomic.Bool

	mu       sync.Mutex
	resolved []netip.AddrPort
	since    time.Time // see lookedUp
	expires  time.Time
}

// resolveInterval is how long the addresses of a name are believed.
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

// known returns the peer's addresses, and whether they need not be looked up.
func (p *peer) known() ([]netip.AddrPort, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resolved, time.Now().Before(p.expires)
}

// lookedUp returns since when the peer's addresses are known, or zero if it was given by
// its address, or they are not known.
func (p *peer) lookedUp() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since
}

// resolve looks the addresses of the peer's name up.
func (p *peer) resolve(ctx context.Context) error {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.host)
	if err != nil {
		return err
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), p.port))
	}
	p.learn(addrs, time.Now())
	return nil
}

// learn takes in the addresses of the peer's name.
func (p *peer) learn(addrs []netip.AddrPort, now time.Time) {
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

// doubles returns those of the peers that are others by another name: they share an
// address with one that was known before them. Peers given by their addresses, which
// come first, are none of each other, as SetPeers sees to.
func doubles(peers []*peer) map[*peer]bool {
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
	taken, doubles := make(map[netip.AddrPort]bool), make(map[*peer]bool)
	for _, p := range all {
		if doubles[p.peer] = slices.ContainsFunc(p.addrs, func(addr netip.AddrPort) bool { return taken[addr] }); !doubles[p.peer] {
			for _, addr := range p.addrs {
				taken[addr] = true
			}
		}
	}
	return doubles
}

// keys holds the cluster's key, in step with its file.
type keys struct {
	ring   *protocol.Keyring
	path   string // empty when the key does not come from a file
	logger *slog.Logger

	mu      sync.Mutex
	info    fs.FileInfo // of the file when it was read
	checked time.Time
	failed  bool // whether that is known, and was logged
}

// keyInterval is how often the key's file is looked at, at most.
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

// refresh reads the file again when it has changed.
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
