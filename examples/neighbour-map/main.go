// Command neighbour-map prints which node runs each instance on a link, and then every
// change, for daemons that set up neighbours or tunnels on the nodes of a Ganeti cluster.
// It prints a line when an instance gets an address, when it has moved to another node, and
// when no instance has the address any more:
//
//	$ neighbour-map -link br1
//	+ 198.51.100.20 via 192.0.2.12
//	~ 198.51.100.20 via 192.0.2.13
//	- 198.51.100.20
//
// A shell can do the rest:
//
//	neighbour-map -link br1 | while read -r change ip _ node; do
//		case $change in
//		[+~]) ip neigh replace "$ip" lladdr "$node" dev gre1 nud permanent ;;
//		-)    ip neigh del "$ip" dev gre1 ;;
//		esac
//	done
//
// While nobody answers, or candidates contradict each other without a majority, the last
// output stands. There is one warning about each of these, about a contradiction only if it
// lasts: each migration causes one until Ganeti has informed all candidates.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"gntconfd/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes the command line until ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("neighbour-map", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "Usage: neighbour-map [flags] [host[:port] of a master candidate]...")
		flags.PrintDefaults()
	}
	link := flags.String("link", "", "the instances' `link` (default: the cluster's default link)")
	every := flags.Duration("every", 10*time.Second, "`time` between two checks")
	port := flags.Uint("port", 0, "the daemons' `port` (default: from the services database, or 1814)")
	key := flags.String("key", "", "`file` with the cluster's key (default: this node's)")
	if flags.Parse(args) != nil {
		return 2
	}
	if *every <= 0 || *port > math.MaxUint16 {
		fmt.Fprintln(stderr, "neighbour-map: -every must be positive, -port at most 65535")
		return 2
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	options := client.Options{Port: uint16(*port), KeyFile: *key, Follow: *every, Logger: logger}
	if flags.NArg() > 0 {
		options.Peers = flags.Args() // at first; these candidates know the others
	}
	c, err := client.New(options)
	if err == nil {
		defer c.Close()
		n := neighbours{client: c, link: *link, every: *every, logger: logger, out: stdout, nodes: make(map[netip.Addr]netip.Addr)}
		err = n.follow(ctx)
	}
	if err != nil {
		fmt.Fprintf(stderr, "neighbour-map: %v\n", err)
		return 1
	}
	return 0
}

// batch is how many addresses are located at once. With IPv6, 500 take at most 23,000 bytes
// of a request and 35,000 of its reply; the limit is 61440.
const batch = 500

// neighbours has the locations of a link's instances.
type neighbours struct {
	client *client.Client
	link   string
	every  time.Duration
	logger *slog.Logger

	mu    sync.Mutex
	out   io.Writer
	nodes map[netip.Addr]netip.Addr // by address of an instance, the primary IP of its node
}

// follow prints the changes until ctx ends. The error is that of printing, or a permanent
// error.
func (n *neighbours) follow(ctx context.Context) error {
	watchers, ctx := errgroup.WithContext(ctx)
	watchers.Go(func() error {
		stop := func() {}
		return watch(ctx, n, client.InstanceIPs(n.link), func(ips []netip.Addr) error {
			stop() // looking for the old ones
			var listed context.Context
			listed, stop = context.WithCancel(ctx)
			for some := range slices.Chunk(ips, batch) {
				watchers.Go(func() error {
					return watch(listed, n, client.LocateAll(n.link, some...), func(found []client.Location) error {
						return n.place(listed, found)
					})
				})
			}
			return n.forget(ips)
		})
	})
	return watchers.Wait()
}

// watch calls change with the first answer to a question, and with each one that differs.
func watch[A any](ctx context.Context, n *neighbours, q client.Question[A], change func(A) error) error {
	var err error
	for result, failure := range client.Watch(ctx, n.client, q, n.every) {
		if err = failure; err != nil {
			n.logger.Warn("what was told last stands", "err", err)
		} else if err = change(result.Answer); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// place records where instances are, unless the list has changed since.
func (n *neighbours) place(listed context.Context, found []client.Location) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if listed.Err() != nil {
		return nil
	}
	for _, at := range found {
		former, known := n.nodes[at.IP]
		var err error
		switch {
		case at.Node == former:
		case !at.Node.IsValid(): // the instance has gone since it was listed
			err = n.remove(at.IP)
		default:
			n.nodes[at.IP] = at.Node
			sign := "+"
			if known {
				sign = "~"
			}
			_, err = fmt.Fprintf(n.out, "%s %v via %v\n", sign, at.IP, at.Node)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forget removes all addresses that are not in listed, which is in ascending order.
func (n *neighbours) forget(listed []netip.Addr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ip := range slices.SortedFunc(maps.Keys(n.nodes), netip.Addr.Compare) {
		if _, ok := slices.BinarySearchFunc(listed, ip, netip.Addr.Compare); !ok {
			if err := n.remove(ip); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *neighbours) remove(ip netip.Addr) error {
	delete(n.nodes, ip)
	_, err := fmt.Fprintf(n.out, "- %v\n", ip)
	return err
}
