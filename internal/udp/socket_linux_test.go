package udp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"gntconfd/gen/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for something that should happen at once.
const patience = 10 * time.Second

func addrPort(t testing.TB, ip string, port uint16) netip.AddrPort {
	t.Helper()
	if ip == "" {
		return netip.AddrPortFrom(netip.Addr{}, port)
	}
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port)
}

// listenOn is Listen for tests: it skips the test if the host lacks the address.
func listenOn(t testing.TB, ip string, n int) []*Socket {
	t.Helper()
	sockets, err := Listen(addrPort(t, ip, 0), n)
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skipf("this host has no %s: %v", ip, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range sockets {
			s.Close()
		}
	})
	return sockets
}

func makeBatch(t testing.TB) *Batch {
	t.Helper()
	b, err := NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Free(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// echo answers every datagram with itself until the socket is closed.
func echo(t testing.TB, s *Socket) {
	t.Helper()
	b := makeBatch(t)
	done := make(chan error)
	go func() {
		for {
			if err := s.Read(b); err != nil {
				done <- err
				return
			}
			for i := range b.Len() {
				b.Reply(i, append(b.ReplyBuffer(), b.Datagram(i)...))
			}
			s.Write(b)
		}
	}()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
	})
}

// dial returns a client that receives datagrams only from the given address.
func dial(t testing.TB, ip string, port uint16) *net.UDPConn {
	t.Helper()
	conn, err := net.Dial("udp", addrPort(t, ip, port).String())
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENETUNREACH) {
		t.Skipf("this host has no %s: %v", ip, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.UDPConn)
}

func ask(t testing.TB, conn net.Conn, request []byte) []byte {
	t.Helper()
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 1<<16)
	n, err := conn.Read(reply)
	if err != nil {
		t.Fatal(err)
	}
	return reply[:n]
}

func TestEcho(t *testing.T) {
	for _, test := range []struct {
		listen, ask string
		ipv4        bool
	}{
		{"127.0.0.1", "127.0.0.1", true},
		{"::ffff:127.0.0.1", "127.0.0.1", true},
		{"::1", "::1", false},
		{"0.0.0.0", "127.0.0.1", true},
		{"0.0.0.0", "127.0.0.2", true},
		{"::ffff:0.0.0.0", "127.0.0.2", true},
		{"", "127.0.0.1", true},
		{"", "127.0.0.2", true},
		{"", "::1", false},
		{"::", "127.0.0.2", true},
		{"::", "::1", false},
	} {
		t.Run(fmt.Sprintf("%s asked on %s", test.ask, test.listen), func(t *testing.T) {
			s := listenOn(t, test.listen, 1)[0]
			client := dial(t, test.ask, s.Addr().Port())
			if _, err := client.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}

			b := makeBatch(t)
			if err := s.Read(b); err != nil {
				t.Fatal(err)
			}
			if b.Len() != 1 || string(b.Datagram(0)) != "ping" {
				t.Fatalf("read %d datagrams, the first is %q", b.Len(), b.Datagram(0))
			}
			if got, want := b.From(0), client.LocalAddr().(*net.UDPAddr).AddrPort(); got != want {
				t.Errorf("from %v, want %v", got, want)
			}
			if b.IPv4(0) != test.ipv4 {
				t.Errorf("ipv4 is %v", b.IPv4(0))
			}

			b.Reply(0, append(b.ReplyBuffer(), "pong"...))
			if failed := s.Write(b); failed != 0 || b.SendError(0) != nil {
				t.Fatalf("%d replies failed: %v", failed, b.SendError(0))
			}
			// Both ways to read the bytes must find zero, in these addresses too.
			if info := b.control[0].info; info.Ifindex != 0 || b.control[0].ipv4().Ifindex != 0 {
				t.Errorf("the reply is bound to an interface: %v", info)
			}
			// The client is connected: it would not receive a reply from an address other
			// than the one it asked.
			reply := make([]byte, 10)
			n, err := client.Read(reply)
			if err != nil || string(reply[:n]) != "pong" {
				t.Errorf("got %q, %v", reply[:n], err)
			}
		})
	}
}

// 0.0.0.0 does not mean the addresses of every family.
func TestOnlyIPv4(t *testing.T) {
	s := listenOn(t, "0.0.0.0", 1)[0]
	client := dial(t, "::1", s.Addr().Port())
	if _, err := client.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(make([]byte, 10)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// A link-local address is valid only with its interface.
func TestLinkLocal(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range addrs {
			ip, _ := netip.AddrFromSlice(addr.(*net.IPNet).IP)
			if i.Flags&net.FlagUp == 0 || !ip.Is6() || !ip.IsLinkLocalUnicast() {
				continue
			}
			ip = ip.WithZone(i.Name)
			for _, listen := range []string{"::", ip.String()} {
				s := listenOn(t, listen, 1)[0]
				echo(t, s)
				if reply := ask(t, dial(t, ip.String(), s.Addr().Port()), []byte("ping")); string(reply) != "ping" {
					t.Errorf("%s asked on %s: %q", ip, listen, reply)
				}
				// A caller with a wider address type does not decide where the reply goes.
				for _, addr := range addrs {
					global := addr.(*net.IPNet).IP
					if global.To4() != nil || !global.IsGlobalUnicast() {
						continue
					}
					to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, s.Addr().Port()))
					client, err := net.DialUDP("udp", &net.UDPAddr{IP: global}, to)
					if err != nil {
						t.Fatal(err)
					}
					defer client.Close()
					client.SetDeadline(time.Now().Add(patience))
					if reply := ask(t, client, []byte("ping")); string(reply) != "ping" {
						t.Errorf("%s asked on %s from %s: %q", ip, listen, global, reply)
					}
				}
			}
			return
		}
	}
	t.Skip("this host has no link-local IPv6 address")
}

func TestSizes(t *testing.T) {
	s := listenOn(t, "127.0.0.1", 1)[0]
	b := makeBatch(t)
	client := dial(t, "127.0.0.1", s.Addr().Port())
	for _, test := range []struct{ sent, received int }{
		{0, 0},
		{1, 1},
		{wire.MaxDatagramSize, wire.MaxDatagramSize},
		{wire.MaxDatagramSize + 1, wire.MaxDatagramSize + 1},
		{65507, wire.MaxDatagramSize + 1},
		{3, 3}, // nothing of the long ones is left
	} {
		request := bytes.Repeat([]byte{'a' + byte(test.sent)%26}, test.sent)
		if _, err := client.Write(request); err != nil {
			t.Fatal(err)
		}
		if err := s.Read(b); err != nil {
			t.Fatal(err)
		}
		if b.Len() != 1 {
			t.Fatalf("%d bytes: read %d datagrams", test.sent, b.Len())
		}
		if got := b.Datagram(0); !bytes.Equal(got, request[:test.received]) {
			t.Errorf("%d bytes: read %d bytes, want the first %d", test.sent, len(got), test.received)
		}
	}
}

func TestLargestReplies(t *testing.T) {
	s := listenOn(t, "127.0.0.1", 1)[0]
	b := makeBatch(t)
	clients := make([]*net.UDPConn, BatchSize)
	for i := range clients {
		clients[i] = dial(t, "127.0.0.1", s.Addr().Port())
		if _, err := clients[i].Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	// Datagrams over loopback are queued before Write returns.
	if err := s.Read(b); err != nil || b.Len() != BatchSize {
		t.Fatalf("read %d datagrams: %v", b.Len(), err)
	}
	for i := range b.Len() {
		reply := b.ReplyBuffer()
		for range wire.MaxDatagramSize {
			reply = append(reply, b.Datagram(i)[0])
		}
		b.Reply(i, reply)
	}
	if failed := s.Write(b); failed != 0 {
		t.Fatalf("%d replies failed", failed)
	}
	reply := make([]byte, 1<<16)
	for i, client := range clients {
		n, err := client.Read(reply)
		if want := bytes.Repeat([]byte{byte(i)}, wire.MaxDatagramSize); err != nil || !bytes.Equal(reply[:n], want) {
			t.Fatalf("client %d: %d bytes, %v", i, n, err)
		}
	}
}

// Some replies are set, in any order, and some of these cannot be sent.
func TestFailedReplies(t *testing.T) {
	const ok, none, empty, tooLong, noPort = '.', '-', '0', 'L', 'P'
	for _, plan := range []string{
		".", "-", "0", "L", "P",
		"L.", ".L", ".L.", "LL.", "..LPL", "PLPLP",
		".-.L0P.-",
		strings.Repeat("L", BatchSize),
		strings.Repeat(".", BatchSize-1) + "P",
		"P" + strings.Repeat(".", BatchSize-1),
	} {
		t.Run(plan, func(t *testing.T) {
			s := listenOn(t, "", 1)[0]
			b := makeBatch(t)
			clients := make([]*net.UDPConn, len(plan))
			for i := range clients {
				clients[i] = dial(t, "127.0.0.1", s.Addr().Port())
				if _, err := clients[i].Write([]byte{plan[i]}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Read(b); err != nil || b.Len() != len(plan) {
				t.Fatalf("read %d datagrams: %v", b.Len(), err)
			}
			want := make([]error, len(plan))
			failures := 0
			for i := len(plan) - 1; i >= 0; i-- {
				switch plan[i] {
				case ok:
					b.Reply(i, append(b.ReplyBuffer(), byte(i)))
				case none:
				case empty:
					b.Reply(i, b.ReplyBuffer())
				case tooLong:
					b.Reply(i, make([]byte, 1<<16))
					want[i] = unix.EMSGSIZE
					failures++
				case noPort:
					b.names[i].Port = 0
					b.Reply(i, append(b.ReplyBuffer(), byte(i)))
					want[i] = unix.EINVAL
					failures++
				}
			}
			if failed := s.Write(b); failed != failures {
				t.Errorf("%d replies failed, want %d", failed, failures)
			}
			for i, client := range clients {
				if got := b.SendError(i); got != want[i] {
					t.Errorf("reply %d: error %v, want %v", i, got, want[i])
				}
				if plan[i] != ok {
					// What was sent arrived before write returned.
					client.SetReadDeadline(time.Now())
				}
				reply := make([]byte, 10)
				n, err := client.Read(reply)
				if got := err == nil; got != (plan[i] == ok) || got && (n != 1 || reply[0] != byte(i)) {
					t.Errorf("client %d got %q, %v", i, reply[:n], err)
				}
			}

			// None of this is left for the next batch.
			if _, err := clients[0].Write([]byte("again")); err != nil {
				t.Fatal(err)
			}
			if err := s.Read(b); err != nil {
				t.Fatal(err)
			}
			b.Reply(0, append(b.ReplyBuffer(), "fine"...))
			if failed := s.Write(b); failed != 0 || b.SendError(0) != nil {
				t.Errorf("next batch: %d replies failed: %v", failed, b.SendError(0))
			}
		})
	}
}

// A Unix domain socket pair has what UDP over loopback lacks: a receive queue that makes
// the sender wait.
func TestFullSendBuffer(t *testing.T) {
	fill := func(t *testing.T) (s *Socket, peer net.Conn, b *Batch) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		// Room for some of the replies below, but not for all.
		if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 8*wire.MaxDatagramSize); err != nil {
			t.Fatal(err)
		}
		conns := make([]*net.UnixConn, 2)
		for i, fd := range fds {
			file := os.NewFile(uintptr(fd), "socketpair")
			conn, err := net.FileConn(file)
			file.Close()
			if err != nil {
				t.Fatal(err)
			}
			conns[i] = conn.(*net.UnixConn)
			t.Cleanup(func() { conn.Close() })
		}
		if s, err = newSocket(conns[0]); err != nil {
			t.Fatal(err)
		}
		b = makeBatch(t)
		b.clear()
		b.received = b.in[:]
		for i := range b.Len() {
			reply := b.ReplyBuffer()[:wire.MaxDatagramSize]
			reply[0] = byte(i)
			b.Reply(i, reply)
			b.out[i].hdr.Name, b.out[i].hdr.Namelen = nil, 0
			b.out[i].hdr.SetControllen(0)
		}
		return s, conns[1], b
	}

	t.Run("drains", func(t *testing.T) {
		s, peer, b := fill(t)
		failed := make(chan int)
		go func() { failed <- s.Write(b) }()
		reply := make([]byte, 1<<16)
		peer.SetReadDeadline(time.Now().Add(patience))
		got := 0
		for ; got < BatchSize; got++ {
			n, err := peer.Read(reply)
			if err != nil {
				break // the machine delayed us longer than write waits
			}
			if n != wire.MaxDatagramSize || reply[0] != byte(got) {
				t.Fatalf("reply %d: %d bytes, the first is %d", got, n, reply[0])
			}
		}
		if n := <-failed; n != BatchSize-got {
			t.Errorf("%d replies failed, but %d of %d arrived", n, got, BatchSize)
		}
	})
	t.Run("stays full", func(t *testing.T) {
		s, peer, b := fill(t)
		for range 2 { // each write has its own time limit
			b.replies, b.sent, b.failed = BatchSize, 0, 0
			clear(b.errs[:])
			failed := s.Write(b)
			if failed == 0 || failed == BatchSize {
				t.Fatalf("%d of %d replies failed", failed, BatchSize)
			}
			for i := range BatchSize {
				if err := b.SendError(i); (err != nil) != (i >= BatchSize-failed) {
					t.Errorf("%d failed, reply %d: %v", failed, i, err)
				}
			}
			reply := make([]byte, 1<<16)
			for range BatchSize - failed {
				if _, err := peer.Read(reply); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	t.Run("closed", func(t *testing.T) {
		s, _, b := fill(t)
		s.Close()
		if failed := s.Write(b); failed != BatchSize {
			t.Errorf("%d of %d replies failed", failed, BatchSize)
		}
		if err := b.SendError(3); !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}

// A caller that is gone, and sends ICMP port unreachable, must not affect the others.
func TestGoneClient(t *testing.T) {
	s := listenOn(t, "127.0.0.1", 1)[0]
	b := makeBatch(t)
	alive := dial(t, "127.0.0.1", s.Addr().Port())
	for range 3 {
		gone := dial(t, "127.0.0.1", s.Addr().Port())
		for _, client := range []*net.UDPConn{gone, alive} {
			if _, err := client.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
		}
		gone.Close()
		if err := s.Read(b); err != nil || b.Len() != 2 {
			t.Fatalf("read %d datagrams: %v", b.Len(), err)
		}
		for i := range b.Len() {
			b.Reply(i, append(b.ReplyBuffer(), "pong"...))
		}
		if failed := s.Write(b); failed != 0 {
			t.Errorf("%d replies failed: %v, %v", failed, b.SendError(0), b.SendError(1))
		}
		reply := make([]byte, 10)
		if n, err := alive.Read(reply); err != nil || string(reply[:n]) != "pong" {
			t.Errorf("got %q, %v", reply[:n], err)
		}
	}
}

func TestCallersAreSpread(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1", "0.0.0.0", ""} {
		t.Run(ip, func(t *testing.T) {
			sockets := listenOn(t, ip, 3)
			for _, s := range sockets {
				if s.Addr() != sockets[0].Addr() {
					t.Fatalf("%v and %v", s.Addr(), sockets[0].Addr())
				}
			}
			to := "127.0.0.1"
			if ip == "::1" {
				to = ip
			}
			const clients = 300
			for i := range clients {
				if _, err := dial(t, to, sockets[0].Addr().Port()).Write([]byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
			}
			b := makeBatch(t)
			total := 0
			for i, s := range sockets {
				got := 0
				// All have arrived by now: there is no need to wait.
				if err := s.raw.Control(func(fd uintptr) {
					for b.receive(fd) == 0 {
						got += b.Len()
						b.clear()
					}
				}); err != nil {
					t.Fatal(err)
				}
				// Fewer would come by chance once in 10^20 runs.
				if got < clients/10 {
					t.Errorf("socket %d got %d of %d datagrams", i, got, clients)
				}
				total += got
			}
			if total != clients {
				t.Errorf("%d of %d datagrams arrived", total, clients)
			}
		})
	}
}

func TestManyClients(t *testing.T) {
	sockets := listenOn(t, "", 2)
	for _, s := range sockets {
		echo(t, s)
	}
	done := make(chan error)
	const clients = 50
	for c := range clients {
		client := dial(t, []string{"127.0.0.1", "127.0.0.2"}[c%2], sockets[0].Addr().Port())
		go func() {
			reply := make([]byte, 1<<16)
			for i := range 20 {
				request := bytes.Repeat([]byte{byte(c)}, 1+i*37*c%3000)
				if _, err := client.Write(request); err != nil {
					done <- err
					return
				}
				n, err := client.Read(reply)
				if err == nil && !bytes.Equal(reply[:n], request) {
					err = fmt.Errorf("client %d: asked %d bytes, got %d", c, len(request), n)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestPortTaken(t *testing.T) {
	// Who else uses the port. The first is like Ganeti's own daemon.
	others := map[string][]option{
		"reuseaddr":           {{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}},
		"reuseport":           {{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1}},
		"reuseaddr+reuseport": {{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_REUSEPORT, 1}},
		"exclusive":           nil,
	}
	for name, options := range others {
		config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			return setOptions(raw, options...)
		}}
		for _, test := range []struct{ theirs, ours string }{
			{"127.0.0.1", "127.0.0.1"},
			{"0.0.0.0", "127.0.0.1"},
			{"127.0.0.1", "0.0.0.0"},
			{"127.0.0.1", ""},
			{"", ""},
			{"::1", "::1"},
			{"::1", "::"},
		} {
			for _, n := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s on %s and %d on %s", name, test.theirs, n, test.ours), func(t *testing.T) {
					other, err := config.ListenPacket(context.Background(), "udp", net.JoinHostPort(test.theirs, "0"))
					if errors.Is(err, unix.EADDRNOTAVAIL) {
						t.Skipf("this host has no %s: %v", test.theirs, err)
					}
					if err != nil {
						t.Fatal(err)
					}
					defer other.Close()
					port := other.LocalAddr().(*net.UDPAddr).AddrPort().Port()
					sockets, err := Listen(addrPort(t, test.ours, port), n)
					if !errors.Is(err, unix.EADDRINUSE) {
						t.Fatalf("%d sockets, error %v", len(sockets), err)
					}
					if !strings.Contains(err.Error(), fmt.Sprint(port)) {
						t.Errorf("the error does not name the port: %v", err)
					}
				})
			}
		}
	}

	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprintf("reuseaddr after %d of ours", n), func(t *testing.T) {
			s := listenOn(t, "127.0.0.1", n)[0]
			config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
				return setOptions(raw, others["reuseaddr"]...)
			}}
			other, err := config.ListenPacket(context.Background(), "udp", s.Addr().String())
			if !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("error %v", err)
			}
			if err == nil {
				other.Close()
			}
			if again, err := Listen(s.Addr(), n); !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("%d sockets, error %v", len(again), err)
			}
		})
	}
}

func TestBadAddress(t *testing.T) {
	for _, ip := range []string{"192.0.2.1", "2001:db8::1", "224.0.0.1", "ff02::1"} {
		for _, n := range []int{1, 2} {
			sockets, err := Listen(addrPort(t, ip, 0), n)
			if !errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.EAFNOSUPPORT) {
				t.Errorf("%s: %d sockets, error %v", ip, len(sockets), err)
				continue
			}
			if !strings.Contains(err.Error(), ip) {
				t.Errorf("the error does not name %s: %v", ip, err)
			}
		}
	}
}

func TestCloseEndsRead(t *testing.T) {
	for _, s := range listenOn(t, "", 2) {
		b := makeBatch(t)
		done := make(chan error)
		go func() { done <- s.Read(b) }()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if err := s.Read(b); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
	}
}

func TestReceiveBuffer(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		t.Fatal(err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	s := listenOn(t, "127.0.0.1", 1)[0]
	if err := s.raw.Control(func(fd uintptr) {
		size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		// The kernel doubles the requested size.
		if want := 2 * min(receiveBuffer, limit); err != nil || size != want {
			t.Errorf("receive buffer of %d bytes, want %d: %v", size, want, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	for _, test := range []struct{ listen, ask string }{
		{"127.0.0.1", "127.0.0.1"},
		{"", "127.0.0.1"},
		{"", "::1"},
	} {
		s := listenOn(t, test.listen, 1)[0]
		b := makeBatch(t)
		client := dial(t, test.ask, s.Addr().Port())
		buffer := make([]byte, 1000)
		allocs := testing.AllocsPerRun(50, func() {
			for range 3 {
				if _, err := client.Write(buffer); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Read(b); err != nil || b.Len() != 3 {
				t.Fatalf("read %d datagrams: %v", b.Len(), err)
			}
			for i := range b.Len() {
				if !b.From(i).IsValid() || b.IPv4(i) != (test.ask == "127.0.0.1") {
					t.Fatalf("from %v", b.From(i))
				}
				b.Reply(i, append(b.ReplyBuffer(), b.Datagram(i)...))
			}
			b.names[1].Port = 0 // a failure costs nothing either
			if failed := s.Write(b); failed != 1 || b.SendError(1) != unix.EINVAL {
				t.Fatalf("%d replies failed: %v", failed, b.SendError(1))
			}
			for range 2 {
				if _, err := client.Read(buffer); err != nil {
					t.Fatal(err)
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%s asked on %q: %v allocations a batch", test.ask, test.listen, allocs)
		}
	}
}

// BenchmarkEcho answers a client that also reads and writes in batches. One operation is a
// request and its reply; cpu-ns is the CPU time of both ends, which do the same work.
func BenchmarkEcho(b *testing.B) {
	for _, test := range []struct {
		listen, ask string
		inFlight    int
	}{
		{"127.0.0.1", "127.0.0.1", 1},
		{"127.0.0.1", "127.0.0.1", 64},
		{"", "127.0.0.1", 64},
		{"", "::1", 64},
	} {
		b.Run(fmt.Sprintf("%s on [%s] %d in flight", test.ask, test.listen, test.inFlight), func(b *testing.B) {
			s := listenOn(b, test.listen, 1)[0]
			echo(b, s)
			conn := dial(b, test.ask, s.Addr().Port())
			conn.SetDeadline(time.Now().Add(time.Minute))
			client, err := newSocket(conn)
			if err != nil {
				b.Fatal(err)
			}
			datagrams := makeBatch(b)
			request := make([]byte, 250)

			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime(b)
			for range test.inFlight {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
			}
			for replies := 0; replies < b.N; replies += datagrams.Len() {
				if err := client.Read(datagrams); err != nil {
					b.Fatal(err)
				}
				for i := range datagrams.Len() {
					datagrams.Reply(i, append(datagrams.ReplyBuffer(), datagrams.Datagram(i)...))
				}
				client.Write(datagrams)
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime returns the CPU time of the process, user and system, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// Datagrams that no longer fit into a socket's buffer are counted.
func TestLost(t *testing.T) {
	s := listenOn(t, "127.0.0.1", 1)[0]
	if lost := s.Lost(); lost != 0 {
		t.Fatalf("%d datagrams are lost before one was sent", lost)
	}
	client := dial(t, "127.0.0.1", s.Addr().Port())
	large := make([]byte, wire.MaxDatagramSize)
	const sent = 100 // six times the requested buffer, which the kernel doubles
	for range sent {
		if _, err := client.Write(large); err != nil {
			t.Fatal(err)
		}
	}
	received, b := 0, makeBatch(t)
	lost := int(s.Lost())
	for received+lost < sent {
		if err := s.Read(b); err != nil {
			t.Fatal(err)
		}
		received += b.Len()
	}
	if lost == 0 || received+lost != sent {
		t.Errorf("%d sent, %d received, %d lost", sent, received, lost)
	}
	s.Close()
	if lost := s.Lost(); lost != 0 {
		t.Errorf("a closed socket lost %d datagrams", lost)
	}
}
