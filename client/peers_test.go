package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gntconfd/gen/wire"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/protocol"
	"gntconfd/internal/testing/written"
)

func TestPeers(t *testing.T) {
	t.Parallel()
	const port = 1234
	for peer, want := range map[string]string{
		"192.0.2.11":               "192.0.2.11:1234",
		"192.0.2.11:1":             "192.0.2.11:1",
		"192.0.2.11:65535":         "192.0.2.11:65535",
		"node1.example.org":        "node1.example.org:1234",
		"node1.example.org:1":      "node1.example.org:1",
		"node-1":                   "node-1:1234",
		"::1":                      "[::1]:1234",
		"[::1]":                    "[::1]:1234",
		"[::1]:1":                  "[::1]:1",
		"2001:DB8:0:0::1":          "[2001:db8::1]:1234",
		"[2001:db8::1]:1":          "[2001:db8::1]:1",
		"::ffff:192.0.2.11":        "192.0.2.11:1234",
		"[::ffff:192.0.2.11]:1":    "192.0.2.11:1",
		"fe80::1%eth0":             "[fe80::1%eth0]:1234",
		"[fe80::1%eth0]:1":         "[fe80::1%eth0]:1",
		"":                         "",
		":1":                       "",
		"192.0.2.11:":              "",
		"192.0.2.11:0":             "",
		"192.0.2.11:65536":         "",
		"192.0.2.11:-1":            "",
		"192.0.2.11:port":          "",
		"192.0.2.11:1:2":           "",
		"[::1":                     "",
		"::1]":                     "",
		"[::1]x":                   "",
		"[::1]:1:2":                "",
		"[]":                       "",
		"[]:1":                     "",
		"[192.0.2.11":              "",
		"node 1":                   "",
		"http://node1":             "",
		"node1/x":                  "",
		"1:2:3":                    "",
		"node1.example.org:1 ":     "",
		"\tnode1":                  "",
		"[node1]:1":                "node1:1",
		"xn--knten-jua.example":    "xn--knten-jua.example:1234",
		strings.Repeat("x", 1000):  strings.Repeat("x", 1000) + ":1234",
		"node1.example.org.:65535": "node1.example.org.:65535",
	} {
		c, err := New(Options{Key: key, Port: port, Peers: []string{peer}})
		if want == "" {
			if err == nil {
				t.Errorf("%q is %v", peer, c.Peers())
				c.Close()
			} else if !strings.Contains(err.Error(), strings.TrimSpace(peer)) {
				t.Errorf("%q: %v", peer, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", peer, err)
			continue
		}
		if got := c.Peers(); len(got) != 1 || got[0] != want {
			t.Errorf("%q: got %v, want %s", peer, got, want)
		}
		c.Close()
	}
}

// TestSetPeers: invalid lists change nothing, duplicate peers are one, and what is known
// about a peer is kept.
func TestSetPeers(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Peers: []string{"192.0.2.1", "192.0.2.1:1814", "192.0.2.2"}, Port: 1814})
	want := []string{"192.0.2.1:1814", "192.0.2.2:1814"}
	check := func() {
		t.Helper()
		if diff := cmp.Diff(want, c.Peers()); diff != "" {
			t.Errorf("peers (-want +got):\n%s", diff)
		}
	}
	check()
	if err := c.SetPeers(); !errors.Is(err, ErrNoPeers) {
		t.Errorf("no peers: %v", err)
	}
	if err := c.SetPeers("192.0.2.3", "192.0.2.4:port"); err == nil || !strings.Contains(err.Error(), `port "port"`) {
		t.Errorf("bad peer: %v", err)
	}
	check()
	former := (*c.peers.Load())[1]
	former.silent.Store(true)
	if err := c.SetPeers("192.0.2.3", "192.0.2.2"); err != nil {
		t.Fatal(err)
	}
	want = []string{"192.0.2.3:1814", "192.0.2.2:1814"}
	check()
	if peers := *c.peers.Load(); peers[1] != former || peers[0].silent.Load() {
		t.Error("the silent peers are forgotten")
	}
}

func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GANETI_ROOTDIR", dir)
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one := []string{"192.0.2.1"}
	for name, test := range map[string]struct {
		options Options
		want    error
		text    string
	}{
		"no list":       {Options{Key: key}, fs.ErrNotExist, filepath.Join(dir, "var/lib/ganeti/ssconf_master_candidates_ips")},
		"empty list":    {Options{Key: key, Peers: []string{}}, ErrNoPeers, ""},
		"no key file":   {Options{Peers: one}, fs.ErrNotExist, filepath.Join(dir, "var/lib/ganeti/hmac.key")},
		"other file":    {Options{Peers: one, KeyFile: dir + "/x"}, fs.ErrNotExist, dir + "/x"},
		"empty file":    {Options{Peers: one, KeyFile: empty}, ErrNoKey, empty},
		"a folder":      {Options{Peers: one, KeyFile: dir}, nil, dir},
		"empty key":     {Options{Peers: one, Key: []byte{}}, ErrNoKey, ""},
		"bad peer":      {Options{Peers: []string{"a", "b:c"}, Key: key}, nil, "b:c"},
		"coverage":      {Options{Peers: one, Key: key, Coverage: -2}, nil, "coverage -2"},
		"empty in both": {Options{Peers: one, Key: []byte{}, KeyFile: empty}, ErrNoKey, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(test.options)
			if err == nil {
				c.Close()
			}
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), string(key)) {
				t.Errorf("got %v, want %v, %s", err, test.want, test.text)
			}
		})
	}
}

// node creates the files of a cluster node, and makes the client find them.
func node(t *testing.T, key, candidates string) (folder string) {
	t.Helper()
	root := t.TempDir()
	t.Setenv("GANETI_ROOTDIR", root)
	folder = filepath.Join(root, "var/lib/ganeti")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	replace(t, filepath.Join(folder, "hmac.key"), key)
	replace(t, filepath.Join(folder, "ssconf_master_candidates_ips"), candidates)
	return folder
}

// replace replaces a file atomically, as Ganeti does.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestOnNode: on a node of the cluster no options are needed.
func TestOnNode(t *testing.T) {
	s := serve(t, "127.0.0.1", says(`"a"`, 7))
	node(t, string(key), "127.0.0.1\n127.0.0.1\n")
	c, err := New(Options{Port: s.addr.Port()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if result, err := Query(patient(t), c, Master()); err != nil || result.Answer != "a" || len(result.Replies) != 1 {
		t.Errorf("got %+v, %v", result, err)
	}
	zero, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	if got, want := zero.Peers(), fmt.Sprintf("127.0.0.1:%d", ganeti.Port()); len(got) != 1 || got[0] != want {
		t.Errorf("peers %v, want %s", got, want)
	}
	if port, err := net.LookupPort("udp", "ganeti-confd"); err == nil && port != int(ganeti.Port()) || err != nil && ganeti.Port() != 1814 {
		t.Errorf("port %d, want %d", ganeti.Port(), port)
	}
}

// TestFollowFile: the peers follow the node's list of candidates.
func TestFollowFile(t *testing.T) {
	folder := node(t, string(key), "192.0.2.1\n")
	list := filepath.Join(folder, "ssconf_master_candidates_ips")
	var log written.Buffer
	c := newClient(t, Options{Port: 1814, KeyFile: filepath.Join(folder, "hmac.key"), Follow: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	has := func(want ...string) func() bool {
		return func() bool { return slices.Equal(c.Peers(), want) }
	}
	wait(t, "the first peers", has("192.0.2.1:1814"))
	replace(t, list, "192.0.2.2\n2001:db8::3\n")
	wait(t, "two other peers", has("192.0.2.2:1814", "[2001:db8::3]:1814"))
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("log:\n%s", &log)
	}
	for _, bad := range []string{"\n", "192.0.2.9\n/\n"} {
		log.Reset()
		replace(t, list, bad)
		wait(t, "a warning", func() bool { return strings.Contains(log.String(), "level=WARN") })
		if !has("192.0.2.2:1814", "[2001:db8::3]:1814")() {
			t.Errorf("with the list %q: %v", bad, c.Peers())
		}
		time.Sleep(20 * time.Millisecond) // as long as it lasts, nothing more is said
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("with the list %q: %d warnings", bad, n)
		}
		replace(t, list, "192.0.2.5\n")
		wait(t, "the peer of a good list", has("192.0.2.5:1814"))
		replace(t, list, "192.0.2.2\n2001:db8::3\n")
		wait(t, "two other peers", has("192.0.2.2:1814", "[2001:db8::3]:1814"))
	}
	replace(t, list, "192.0.2.4")
	wait(t, "the last peer", has("192.0.2.4:1814"))
}

// TestFollowAsking: named peers are asked for the candidates.
func TestFollowAsking(t *testing.T) {
	t.Parallel()
	first := serve(t, "127.0.0.3", says(`["127.0.0.4","",null]`, 7))
	conn, err := net.ListenPacket("udp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.4"), first.addr.Port()).String())
	if err != nil {
		t.Skip(err) // another process may have the same port at the other address
	}
	second := &server{t: t, conn: conn.(*net.UDPConn), addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), handle: fails(`"lost"`)}
	var running sync.WaitGroup
	running.Go(second.run)
	t.Cleanup(func() { conn.Close(); running.Wait() })

	var log written.Buffer
	c := newClient(t, Options{Peers: []string{first.name()}, Port: first.addr.Port(), Follow: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	wait(t, "the other peer", func() bool { return slices.Equal(c.Peers(), []string{second.name()}) })
	wait(t, "a warning", func() bool {
		return strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "lost")
	})
	if !slices.Equal(c.Peers(), []string{second.name()}) {
		t.Errorf("peers %v", c.Peers())
	}
}

// TestKeyFile: a new key is used once it is there, and the old one until then.
func TestKeyFile(t *testing.T) {
	path := filepath.Join(node(t, "another key", "192.0.2.1"), "hmac.key")
	var log written.Buffer
	s := serve(t, "127.0.0.1", says(`"a"`, 7))
	c := newClient(t, Options{KeyFile: path, Peers: []string{s.name()}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	look := func() {
		c.keys.mu.Lock()
		defer c.keys.mu.Unlock()
		c.keys.checked = time.Time{} // some time has passed
	}
	ask := func() error {
		look()
		_, err := Query(patient(t), c, Master())
		return err
	}
	replace(t, path, string(key))
	if err := ask(); err != nil {
		t.Fatalf("with a new key: %v", err)
	}
	warnings := 0
	for _, trouble := range []struct {
		name string
		make func() error
		undo func() error
	}{
		{"missing", func() error { return os.Remove(path) }, func() error { replace(t, path, string(key)); return nil }},
		{"away and back", func() error { return os.Rename(path, path+".away") }, func() error { return os.Rename(path+".away", path) }},
		{"empty", func() error { replace(t, path, ""); return nil }, func() error { replace(t, path, string(key)); return nil }},
		{"a folder", func() error { os.Remove(path); return os.Mkdir(path, 0o700) }, func() error { os.Remove(path); replace(t, path, string(key)); return nil }},
	} {
		if err := trouble.make(); err != nil {
			t.Fatal(err)
		}
		warnings++
		for range 2 { // the second failure is not logged
			if err := ask(); err != nil {
				t.Errorf("%s: %v", trouble.name, err)
			}
			if got := strings.Count(log.String(), "level=WARN"); got != warnings {
				t.Errorf("%s: %d warnings, want %d\n%s", trouble.name, got, warnings, &log)
			}
		}
		if err := trouble.undo(); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err != nil {
			t.Errorf("%s no more: %v", trouble.name, err)
		}
	}
	// Written in place, with the same size.
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), len(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	look()
	c.keys.refresh()
	if sealed, err := protocol.NewCodec(c.keys.ring).SealRequest(nil, new(wire.Request), time.Now()); err != nil {
		t.Error(err)
	} else if _, refusal := protocol.NewCodec(protocol.NewKeyring(key)).Open(sealed, time.Now()); refusal != protocol.RefusedHMAC {
		t.Errorf("refusal %v of the old key", refusal)
	}
	if strings.Contains(log.String(), "cluster's key") {
		t.Errorf("the key is in the log:\n%s", &log)
	}
}

// TestKeyInterval: the file is not checked for every question.
func TestKeyInterval(t *testing.T) {
	path := filepath.Join(node(t, string(key), "192.0.2.1"), "hmac.key")
	c := newClient(t, Options{KeyFile: path, Peers: []string{"192.0.2.1"}})
	checked := c.keys.checked
	c.keys.refresh()
	if time.Since(checked) < keyInterval && c.keys.checked != checked {
		t.Error("the key was checked again at once")
	}
}

// TestName: peers can be names, and are asked at one of their addresses after the other.
func TestName(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1", says(`"a"`, 7)) // and nobody listens at ::1
	c := newClient(t, Options{Peers: []string{"localhost"}, Port: s.addr.Port()})
	for range 2 {
		result, err := Query(patient(t), c, Master())
		if err != nil || result.Answer != "a" {
			t.Fatalf("got %+v, %v", result, err)
		}
		if got := result.Replies[0]; got.Peer != fmt.Sprintf("localhost:%d", s.addr.Port()) || got.Addr != s.addr {
			t.Errorf("got %+v", got)
		}
	}
}

// TestAddresses: the first of a peer's addresses may be the wrong one.
func TestAddresses(t *testing.T) {
	t.Parallel()
	deaf, good := serve(t, "127.0.0.1", silent), serve(t, "127.0.0.2", says(`"a"`, 7))
	c := newClient(t, Options{Peers: []string{"two.invalid:1814"}})
	p := (*c.peers.Load())[0]
	p.resolved, p.expires = []netip.AddrPort{deaf.addr, good.addr}, time.Now().Add(time.Hour)
	result, err := Query(patient(t), c, Master())
	if err != nil || result.Answer != "a" || result.Replies[0].Addr != good.addr || result.Replies[0].Peer != "two.invalid:1814" {
		t.Errorf("got %+v, %v", result, err)
	}
}

// TestDoubles: peers that share an address are one, under the name that was known first.
func TestDoubles(t *testing.T) {
	t.Parallel()
	addrs := func(texts ...string) []netip.AddrPort {
		var addrs []netip.AddrPort
		for _, text := range texts {
			addrs = append(addrs, netip.AddrPortFrom(netip.MustParseAddr(text), 1814))
		}
		return addrs
	}
	type lookup struct {
		name  string
		addrs []netip.AddrPort
	}
	for name, test := range map[string]struct {
		peers   []string
		lookups []lookup
		want    []string
	}{
		"nothing is known":  {[]string{"a", "b", "192.0.2.1"}, nil, []string{"a", "b", "192.0.2.1"}},
		"others":            {[]string{"a", "192.0.2.1"}, []lookup{{"a", addrs("192.0.2.2")}}, []string{"a", "192.0.2.1"}},
		"a name":            {[]string{"a", "192.0.2.1"}, []lookup{{"a", addrs("192.0.2.1")}}, []string{"192.0.2.1"}},
		"one of two":        {[]string{"a", "192.0.2.1"}, []lookup{{"a", addrs("2001:db8::1", "192.0.2.1")}}, []string{"192.0.2.1"}},
		"other port":        {[]string{"a", "192.0.2.1:1"}, []lookup{{"a", addrs("192.0.2.1")}}, []string{"a", "192.0.2.1:1"}},
		"two names":         {[]string{"a", "b"}, []lookup{{"b", addrs("192.0.2.1")}, {"a", addrs("192.0.2.1")}}, []string{"b"}},
		"known again":       {[]string{"a", "b"}, []lookup{{"b", addrs("192.0.2.1", "192.0.2.2")}, {"a", addrs("192.0.2.1")}, {"b", addrs("192.0.2.2", "192.0.2.1")}}, []string{"b"}},
		"moved there":       {[]string{"a", "b"}, []lookup{{"b", addrs("192.0.2.2")}, {"a", addrs("192.0.2.1")}, {"b", addrs("192.0.2.1")}}, []string{"a"}},
		"moved away":        {[]string{"a", "b"}, []lookup{{"b", addrs("192.0.2.1")}, {"a", addrs("192.0.2.1")}, {"b", addrs("192.0.2.2")}}, []string{"a", "b"}},
		"one name for two":  {[]string{"both", "192.0.2.1", "192.0.2.2"}, []lookup{{"both", addrs("192.0.2.1", "192.0.2.2")}}, []string{"192.0.2.1", "192.0.2.2"}},
		"a double of these": {[]string{"both", "a", "b"}, []lookup{{"a", addrs("192.0.2.1")}, {"both", addrs("192.0.2.1", "192.0.2.2")}, {"b", addrs("192.0.2.2")}}, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Options{Peers: test.peers, Port: 1814})
			now := time.Now()
			for i, l := range test.lookups {
				for _, p := range *c.peers.Load() {
					if p.host == l.name {
						p.setAddrs(l.addrs, now.Add(time.Duration(i)*time.Second))
					}
				}
			}
			var want []string
			for _, name := range test.want {
				p, err := newPeer(name, 1814)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, p.name)
			}
			if diff := cmp.Diff(want, c.Peers()); diff != "" {
				t.Errorf("peers (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAskedOnce: a daemon with several names is asked once, has one vote, and is not
// reported as silent; another peer is asked in place of its second name.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	for _, peers := range [][]string{{"localhost", "127.0.0.1"}, {"localhost", "LOCALHOST"}, {"LOCALHOST", "127.0.0.1", "localhost"}} {
		for range 5 { // the order in which lookups finish is random
			s := serve(t, "127.0.0.1", says(`"a"`, 7))
			c := newClient(t, Options{Peers: peers, Port: s.addr.Port(), Coverage: All})
			for asked := range 2 {
				result, err := Query(patient(t), c, Master())
				if sent := c.Stats().Of(Sent); err != nil || !result.Agreed || len(result.Replies) != 1 || len(result.Silent) > 0 || sent != uint64(asked+1) {
					t.Fatalf("%v: got %+v, %v, and %d requests", peers, result, err, sent)
				}
			}
			if got := c.Peers(); len(got) != 1 {
				t.Errorf("%v are %v", peers, got)
			}
		}
	}
	for range 5 {
		one := serve(t, "127.0.0.1", says(`"a"`, 7))
		other := serve(t, "127.0.0.2", says(`"a"`, 7))
		c := newClient(t, Options{Peers: []string{"localhost", "LOCALHOST", other.name()}, Port: one.addr.Port(), Coverage: 2})
		result, err := Query(patient(t), c, Master())
		if err != nil || !result.Agreed || len(result.Replies) != 2 || c.Stats().Of(Sent) != 2 {
			t.Fatalf("got %+v, %v, and %d requests", result, err, c.Stats().Of(Sent))
		}
	}
}

// TestResolve: duplicate peers are known before the first question.
func TestResolve(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Peers: []string{"127.0.0.1", "localhost", "no-such-node.invalid"}, Port: 1814})
	if got := c.Peers(); len(got) != 3 {
		t.Errorf("peers %v", got)
	}
	c.Resolve(patient(t))
	if diff := cmp.Diff([]string{"127.0.0.1:1814", "no-such-node.invalid:1814"}, c.Peers()); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
}

// TestExpiredDouble: a name is looked up again, because its address may have changed.
func TestExpiredDouble(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1", says(`"a"`, 7))
	other := (*newClient(t, Options{Peers: []string{"localhost"}, Port: s.addr.Port()}).peers.Load())[0]
	c := newClient(t, Options{Peers: []string{"127.0.0.2", "localhost"}, Port: s.addr.Port(), Coverage: All})
	c.peers.Store(&[]*peer{(*c.peers.Load())[0], other})
	other.setAddrs([]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), s.addr.Port())}, time.Now().Add(-2*resolveInterval))
	if got := c.Peers(); len(got) != 1 {
		t.Errorf("peers %v", got)
	}
	if result, err := Query(patient(t), c, Master()); err != nil || len(result.Replies) != 1 || result.Replies[0].Peer != other.name {
		t.Errorf("got %+v, %v", result, err)
	}
}

// TestDisagreements: there is one warning about a peer that contradicts others for long,
// even if not every question shows it.
func TestDisagreements(t *testing.T) {
	t.Parallel()
	d := newDisagreements()
	now := time.Now()
	one, two := Config("/1").question, Config("/2").question
	ask := func(q *question, replies string) bool {
		v := votes{question: q}
		for i, answer := range replies {
			if answer != '-' { // which has not replied
				v.add(&opinion{peer: &peer{name: fmt.Sprint(i)}, json: []byte{byte(answer)}, serial: 7})
			}
		}
		return d.last(&v, now)
	}
	for i, step := range []struct {
		question *question
		replies  string // of the peers
		after    time.Duration
		want     bool
	}{
		{&one, `11111`, 0, false},
		{&one, `22211`, 0, false}, // keeps changing
		{&one, `22211`, distribution - 1, false},
		{&two, `22211`, time.Second, false}, // another question
		{&one, `22222`, time.Second, false}, // has changed
		{&one, `12222`, time.Hour, false},
		{&one, `11222`, 0, false},
		{&one, `1111-`, time.Second, false},
		{&one, `11-12`, 0, false},
		{&one, `3-332`, time.Second - 1, false},
		{&one, `3333-`, time.Second, false},
		{&one, `333-2`, 1, true},
		{&one, `33312`, 0, false},
		{&one, `33312`, distribution, true},
		{&one, `33312`, time.Hour, false}, // as before
		{&one, `33322`, 0, false},
		{&one, `33333`, 0, false},
		{&one, `33332`, 0, false},
		{&one, `33332`, distribution, true},
		{&two, `22211`, 0, true},
	} {
		now = now.Add(step.after)
		if got := ask(step.question, step.replies); got != step.want {
			t.Errorf("step %d: lasts is %v", i, got)
		}
	}
	for i := range 2 * mostDisputed {
		q := InstanceIPs(fmt.Sprint(i)).question
		ask(&q, `112`)
	}
	if len(d.disputed) > mostDisputed {
		t.Errorf("%d are known", len(d.disputed))
	}
}

// TestNoName: the error says that the name is unknown.
func TestNoName(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1", says(`"a"`, 7))
	const name = "no-such-node.invalid"
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name); err == nil {
		t.Skip("somebody knows every name here")
	}
	c := newClient(t, Options{Peers: []string{name, s.name()}, Port: 1})
	result, err := Query(patient(t), c, Master())
	if err != nil || result.Agreed || len(result.Silent) != 1 || result.Silent[0].Peer != name+":1" {
		t.Fatalf("got %+v, %v", result, err)
	}
	var dns *net.DNSError
	if !errors.As(result.Silent[0].Err, &dns) {
		t.Errorf("got %v", result.Silent[0].Err)
	}
}

// TestSlowName: the client does not wait much longer for a slow lookup than for a peer that
// does not reply.
func TestSlowName(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Peers: []string{"slow.invalid"}, Port: 1})
	q := Master()
	k, err := c.begin(&q.question)
	if err != nil {
		t.Fatal(err)
	}
	defer k.end()
	k.targets[0].resolving = true
	for sendings := range 2 * tries {
		if silent := k.targets[0].peer.silent.Load(); silent != (sendings > tries) {
			t.Errorf("after %d attempts: silent is %v", sendings, silent)
		}
		k.send(t.Context(), k.targets[0])
	}
}

// TestIPv6: one client can use both families.
func TestIPv6(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	conn.Close()
	six, four := serve(t, "::1", says(`"a"`, 7)), serve(t, "127.0.0.1", says(`"a"`, 7))
	c := newClient(t, Options{Peers: []string{six.name(), "::ffff:127.0.0.1", "0:0::1"}, Port: four.addr.Port()})
	if err := c.SetPeers(six.name(), "::ffff:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	result, err := Query(patient(t), c, Master())
	if err != nil || !result.Agreed {
		t.Fatalf("got %+v, %v", result, err)
	}
	want := []string{four.name(), six.name()}
	slices.Sort(want)
	if diff := cmp.Diff(want, names(result.Replies)); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
}

// TestLog: the log has what an operator may want to know.
func TestLog(t *testing.T) {
	t.Parallel()
	var log written.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	accepted := make(chan struct{}, 100)
	asked := make(map[string]bool)
	c, _ := start(t, Options{Logger: logger, Observe: func(e Event) {
		if e.Kind == Accepted {
			accepted <- struct{}{}
		}
	}}, func(r *request) {
		r.write([]byte("plj0 garbage"))
		says(`"a"`, 7)(r)
	}, says(`"b"`, 7), func(r *request) { // replies last, so that the first two are heard
		if asked[r.Rsalt] {
			return
		}
		for range min(2+len(asked), 3) { // one of them for the previous question
			<-accepted
		}
		asked[r.Rsalt] = true
		says(`"a"`, 7)(r)
	})
	c.disagreements.patience = 0
	for range 4 {
		if result, err := Query(patient(t), c, Master()); err != nil || !result.Agreed || result.Consistent {
			t.Errorf("got %+v, %v", result, err)
		}
	}
	if n := strings.Count(log.String(), "inconsistent"); n != 1 {
		t.Errorf("warned %d times about the same", n)
	}
	for _, want := range []string{"level=WARN msg=\"inconsistent answers\" type=3 serial=7", "level=DEBUG msg=\"ignored a datagram\"", "because=garbled"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, &log)
		}
	}
}
