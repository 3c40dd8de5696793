package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connect returns a Conn to a socket.
func connect(t *testing.T, s *Socket) *Conn {
	t.Helper()
	conn, err := Dial(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func TestConn(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		s := listenOn(t, ip, 1)[0]
		echo(t, s)
		conn, b := connect(t, s), makeBatch(t)
		var sent [BatchSize][]byte
		for i := range sent {
			sent[i] = fmt.Appendf(nil, "datagram %d", i)
			if !b.Add(sent[i]) {
				t.Fatalf("%s: no room for %d", ip, i)
			}
		}
		if b.Add([]byte("x")) {
			t.Errorf("%s: more than a batch", ip)
		}
		if err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		got := 0
		for deadline := time.Now().Add(patience); got < len(sent) && time.Now().Before(deadline); {
			conn.Wait(patience)
			if err := conn.Read(b); err != nil {
				t.Fatal(err)
			}
			for i := range b.Len() {
				if !bytes.Equal(b.Datagram(i), sent[got]) {
					t.Errorf("%s: reply %d: %q", ip, got, b.Datagram(i))
				}
				got++
			}
		}
		if got != len(sent) {
			t.Errorf("%s: %d replies", ip, got)
		}
		if err := conn.Read(b); err != nil || b.Len() != 0 {
			t.Errorf("%s: read again: %d, %v", ip, b.Len(), err)
		}
	}
}

func TestConnWithoutServer(t *testing.T) {
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Dial(gone.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	gone.Close()
	b := makeBatch(t)
	for range 2 { // the second datagram gets the refusal of the first
		b.Add([]byte("x"))
		if err = conn.Write(b); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("write: %v", err)
	}
	conn.Wait(time.Millisecond)
	if err := conn.Read(b); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("read: %v", err)
	}
}
