package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// bound returns a UDP socket like one passed by a service manager, and the manager's copy
// of it.
func bound(t *testing.T, network, address string) (*os.File, *net.UDPConn) {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { conn.Close() })
	file, err := conn.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	return file, conn.(*net.UDPConn)
}

// Several Sockets share one socket: every datagram is answered once, from the address it
// was sent to. Unread datagrams stay for the next owner of the socket.
func TestShare(t *testing.T) {
	for network, address := range map[string]string{"udp4": "0.0.0.0:0", "udp": "[::]:0", "udp6": "[::1]:0"} {
		t.Run(network, func(t *testing.T) {
			file, kept := bound(t, network, address)
			port := uint16(kept.LocalAddr().(*net.UDPAddr).Port)
			sockets, err := Share(file, 3)
			if err != nil {
				t.Fatal(err)
			}
			var readers sync.WaitGroup
			for _, s := range sockets {
				if s.Addr().Port() != port {
					t.Errorf("address %v, want port %d", s.Addr(), port)
				}
				readers.Go(func() { reflect(t, s) })
			}
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), port)
			if network == "udp6" {
				to = netip.AddrPortFrom(netip.IPv6Loopback(), port)
			}
			client, err := net.Dial("udp", to.String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			buffer := make([]byte, 10)
			for range 20 {
				client.Write([]byte("hello"))
				client.SetReadDeadline(time.Now().Add(10 * time.Second))
				if n, err := client.Read(buffer); err != nil || string(buffer[:n]) != "hello" {
					t.Fatalf("%q, %v", buffer[:n], err)
				}
			}
			for _, s := range sockets {
				s.Stop()
			}
			readers.Wait()
			for _, s := range sockets {
				s.Close()
			}
			client.Write([]byte("later"))
			kept.SetReadDeadline(time.Now().Add(10 * time.Second))
			if n, _, err := kept.ReadFrom(buffer); err != nil || string(buffer[:n]) != "later" {
				t.Errorf("after the end: %q, %v", buffer[:n], err)
			}
		})
	}
}

// reflect answers datagrams until it is stopped.
func reflect(t *testing.T, s *Socket) {
	b, err := NewBatch()
	if err != nil {
		t.Error(err)
		return
	}
	defer b.Free()
	for {
		if err := s.Read(b); errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			t.Error(err)
			return
		}
		for i := range b.Len() {
			b.Reply(i, b.Datagram(i))
		}
		if s.Write(b) != 0 {
			t.Error(b.SendError(0))
		}
	}
}

func TestShareErrors(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tcp, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{tcp, file} {
		if _, err := Share(f, 2); err == nil || !strings.HasPrefix(err.Error(), "socket "+f.Name()) {
			t.Errorf("%s: %v", f.Name(), err)
		}
	}
}

// Replies to datagrams read before Stop can still be sent.
func TestStop(t *testing.T) {
	sockets, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), 1)
	if err != nil {
		t.Fatal(err)
	}
	s := sockets[0]
	defer s.Close()
	b, err := NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Free()
	client, err := net.Dial("udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Write([]byte("hello"))
	if err := s.Read(b); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	b.Reply(0, b.Datagram(0))
	if s.Write(b) != 0 {
		t.Fatal(b.SendError(0))
	}
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := client.Read(make([]byte, 10)); n != 5 {
		t.Errorf("a reply of %d bytes, %v", n, err)
	}
	if err := s.Read(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading on: %v", err)
	}
}
