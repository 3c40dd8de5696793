package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gntconfd/client"
	"gntconfd/internal/daemon"
	"gntconfd/internal/sample"
)

// A complete program that asks where instances run.
func Example() {
	c, cluster := sampleCluster() // on a real node: client.New(client.Options{})
	defer cluster.stop()

	ctx := context.Background()
	link := "br1"
	ips, err := client.Query(ctx, c, client.InstanceIPs(link))
	if err != nil {
		log.Fatal(err)
	}
	found, err := client.Query(ctx, c, client.LocateAll(link, ips.Answer...))
	if err != nil {
		log.Fatal(err)
	}
	for _, at := range found.Answer {
		fmt.Println(at.IP, "is on", at.Node)
	}
	// Unordered output:
	// 198.51.100.5 is on 192.0.2.11
	// 198.51.100.20 is on 192.0.2.12
	// 198.51.100.21 is on 192.0.2.17
	// 198.51.100.30 is on 192.0.2.18
	// 2001:db8:2::40 is on 192.0.2.16
}

// Outside the cluster, give the client some master candidates and the key. It keeps track
// of the candidates by itself.
func ExampleNew() {
	key := []byte("the 41 bytes of the cluster's hmac.key.\n")

	c, err := client.New(client.Options{
		Peers:  []string{"node1.example.org", "192.0.2.12:1815", "2001:db8::13"},
		Port:   1814,
		Key:    key,
		Follow: 5 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, peer := range c.Peers() {
		fmt.Println(peer)
	}
	// Output:
	// node1.example.org:1814
	// 192.0.2.12:1815
	// [2001:db8::13]:1814
}

// A program can set the peers itself.
func ExampleClient_SetPeers() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	if err := c.SetPeers("192.0.2.11:1814", "192.0.2.12:1814"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Peers())

	err := c.SetPeers("192.0.2.13:http")
	fmt.Println(err)
	fmt.Println(c.Peers())
	// Output:
	// [192.0.2.11:1814 192.0.2.12:1814]
	// peer 192.0.2.13:http: port "http" is not a number from 1 to 65535
	// [192.0.2.11:1814 192.0.2.12:1814]
}

func ExampleQuery() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	role, err := client.Query(ctx, c, client.NodeRole("node6.example.org"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("node6 is", role.Answer)
	fmt.Println("offline:", role.Answer == client.RoleOffline)
	fmt.Println("as of serial number", role.Serial)
	if !role.Agreed {
		fmt.Println("too few master candidates say so")
	}
	// Output:
	// node6 is offline
	// offline: true
	// as of serial number 73
}

// The reply of each peer, here to find candidates without the latest configuration.
func ExampleReplies() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	for reply, err := range client.Replies(context.Background(), c, client.ConfigValue[int64]("/serial_no")) {
		switch {
		case err != nil:
			fmt.Println(err) // says who did not reply
		case reply.Err != nil:
			fmt.Println(reply.Addr.Addr(), "does not know:", reply.Err)
		default:
			fmt.Println(reply.Addr.Addr(), "has configuration", reply.Answer)
		}
	}
	// Unordered output:
	// 127.0.0.11 has configuration 412
	// 127.0.0.12 has configuration 412
	// 127.0.0.13 has configuration 412
}

// The first reply comes at once, and a better one follows. Here there is none, because all
// candidates agree.
func ExampleFresh() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	for reply, err := range client.Fresh(client.Replies(context.Background(), c, client.Master())) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("the master is", reply.Answer)
	}
	// Output:
	// the master is node1.example.org
}

func ExampleWatch() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	for master, err := range client.Watch(context.Background(), c, client.Master(), 50*time.Millisecond) {
		if err != nil {
			log.Print(err) // once, however long nobody answers
			continue
		}
		fmt.Println("the master is", master.Answer)
		if master.Answer == "node2.example.org" {
			break
		}
		cluster.failOver() // to node2
	}
	// Output:
	// the master is node1.example.org
	// the master is node2.example.org
}

// Some addresses may belong to no instance.
func ExampleLocateAll() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	ips := []netip.Addr{
		netip.MustParseAddr("203.0.113.10"),
		netip.MustParseAddr("203.0.113.99"),
		netip.MustParseAddr("2001:db8:1::25"),
	}
	found, err := client.Query(context.Background(), c, client.LocateAll("", ips...))
	if err != nil {
		log.Fatal(err)
	}
	for _, at := range found.Answer {
		switch {
		case errors.Is(at.Err, client.ErrUnknownEntry):
			fmt.Println("no instance has", at.IP)
		case at.Err != nil:
			log.Print(at.Err)
		default:
			fmt.Println(at.IP, "is on", at.Node)
		}
	}
	// Output:
	// 203.0.113.10 is on 192.0.2.12
	// no instance has 203.0.113.99
	// 2001:db8:1::25 is on 192.0.2.14
}

func ExampleInstances() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	on, err := client.Query(context.Background(), c, client.Instances("node4.example.org"))
	if err != nil {
		log.Fatal(err)
	}
	for _, instance := range on.Answer.Primary {
		fmt.Println(instance.Name, "runs here, with", len(instance.NICs), "NICs")
	}
	for _, instance := range on.Answer.Secondary {
		fmt.Println(instance.Name, "can be moved here")
	}
	// Unordered output:
	// mail.example.org runs here, with 2 NICs
	// sandbox.example.org runs here, with 1 NICs
	// db1.example.org can be moved here
}

// The type of the answer can be anything that encoding/json can decode this part of the
// configuration into.
func ExampleConfigValue() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	type filled struct {
		Name        string   `json:"cluster_name"`
		Hypervisors []string `json:"enabled_hypervisors"`
	}
	result, err := client.Query(context.Background(), c, client.ConfigValue[filled]("/cluster"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", result.Answer)
	// Output:
	// {Name:cluster.example.org Hypervisors:[kvm]}
}

// MasterDetails sends request type 3 with parameter 3, like this.
func ExampleRaw() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	result, err := client.Query(context.Background(), c, client.Raw(3, json.RawMessage(`{"3": [0, 1, 2]}`)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", result.Answer)
	// Output:
	// ["node1.example.org","192.0.2.10","192.0.2.11"]
}

// Use errors.Is for an error reply with a code; one without a code has the peer's text.
func ExampleStatusError() {
	c, cluster := sampleCluster()
	defer cluster.stop()

	ctx := context.Background()
	_, err := client.Query(ctx, c, client.Locate("br1", netip.MustParseAddr("198.51.100.99")))
	fmt.Println("nobody has it:", errors.Is(err, client.ErrUnknownEntry))

	_, err = client.Query(ctx, c, client.NodeRole("node9.example.org"))
	if status := (*client.StatusError)(nil); errors.As(err, &status) {
		fmt.Println(status.Text)
	}
	// Output:
	// nobody has it: true
	// Failure: prerequisites not met for this operation:
	// error type: ECodeNoEnt, error details:
	// Node name node9.example.org not found
}

// Peers never say why they do not reply.
func ExampleNoReplyError() {
	c, cluster := sampleCluster()
	defer cluster.stop()
	if err := c.SetPeers("127.0.0.1:9"); err != nil { // an address where nobody listens
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := client.Query(ctx, c, client.Ping())
	if silent := (*client.NoReplyError)(nil); errors.As(err, &silent) {
		for _, asked := range silent.Asked {
			fmt.Println("no reply from", asked.Peer)
		}
	}
	fmt.Println(errors.Is(err, client.ErrNoReply))
	// Output:
	// no reply from 127.0.0.1:9
	// true
}

// demoCluster is the sample cluster, with three master candidates on this machine.
type demoCluster struct {
	dir     string
	client  *client.Client
	cancel  context.CancelFunc
	daemons []*daemon.Daemon
}

// sampleCluster starts a cluster and a client of it.
func sampleCluster() (*client.Client, *demoCluster) {
	dir, err := os.MkdirTemp("", "example-*")
	check(err)
	d := &demoCluster{dir: dir}
	check(os.WriteFile(d.path("hmac.key"), sample.Key, 0o600))
	check(os.WriteFile(d.path("config.data"), sample.Config, 0o600))
	var ctx context.Context
	ctx, d.cancel = context.WithCancel(context.Background())
	options := client.Options{KeyFile: d.path("hmac.key")}
	for _, ip := range []string{"127.0.0.11", "127.0.0.12", "127.0.0.13"} {
		one, err := daemon.Start(ctx, daemon.Options{
			Config: d.path("config.data"),
			Key:    d.path("hmac.key"),
			Addr:   netip.AddrPortFrom(netip.MustParseAddr(ip), 0),
			Logger: slog.New(slog.DiscardHandler),
		})
		check(err)
		d.daemons = append(d.daemons, one)
		options.Peers = append(options.Peers, one.Addr().String())
	}
	d.client, err = client.New(options)
	check(err)
	return d.client, d
}

func (d *demoCluster) path(name string) string { return filepath.Join(d.dir, name) }

// failOver makes node2 the master.
func (d *demoCluster) failOver() {
	config := strings.NewReplacer(
		`"master_node": "fa1d98a8-c771-4051-af30-d992fbc3cc2a"`, `"master_node": "a2a379d6-07e1-416b-a457-aa0a92079baa"`,
		`"serial_no": 73`, `"serial_no": 74`,
	).Replace(string(sample.Config))
	check(os.WriteFile(d.path("new"), []byte(config), 0o600))
	check(os.Rename(d.path("new"), d.path("config.data")))
}

// stop ends the daemons and closes the client.
func (d *demoCluster) stop() {
	check(d.client.Close())
	d.cancel()
	for _, one := range d.daemons {
		check(one.Wait())
	}
	check(os.RemoveAll(d.dir))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
