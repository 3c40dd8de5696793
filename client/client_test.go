package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	genwire "gntconfd/gen/wire"
	"gntconfd/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = []byte("a key\n")

// sendReply seals an OK reply to request and sends it.
type sendReply func(key []byte, rsalt, answer string)

// serve answers the requests that arrive on a socket of its own with handle,
// which is told how many requests came before, and returns the socket's address.
func serve(t *testing.T, handle func(before int, request genwire.Request, conn net.PacketConn, from net.Addr, send sendReply)) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		codec := wire.NewCodec(wire.NewKeyring(key))
		buffer := make([]byte, genwire.MaxDatagramSize)
		for before := 0; ; before++ {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			request, refusal := codec.Open(buffer[:n], time.Now())
			if refusal != wire.Accepted {
				t.Errorf("request refused: %v %v", refusal, codec.Cause())
				return
			}
			handle(before, *request, conn, from, func(key []byte, rsalt, answer string) {
				reply := genwire.Reply{Protocol: 1, Answer: []byte(answer), Serial: 7}
				if strings.HasPrefix(answer, `"error`) {
					reply = genwire.Reply{Protocol: 1, Status: genwire.StatusError, Answer: []byte(answer)}
				}
				text, err := reply.MarshalJSON()
				if err != nil {
					t.Error(err)
				}
				datagram, err := wire.NewCodec(wire.NewKeyring(key)).Seal(nil, rsalt, text, nil)
				if err != nil {
					t.Error(err)
				}
				conn.WriteTo(datagram, from)
			})
		}
	}()
	return conn.LocalAddr().String()
}

func TestAsk(t *testing.T) {
	fields := genwire.NewQueryParametersQuery(genwire.QueryParameters{
		IP: genwire.NewOptNilString("203.0.113.5"),
	})
	tests := []struct {
		name   string
		query  genwire.Query
		handle func(before int, request genwire.Request, conn net.PacketConn, from net.Addr, send sendReply)
		want   Reply
	}{
		{
			name: "answer",
			handle: func(_ int, request genwire.Request, _ net.PacketConn, _ net.Addr, send sendReply) {
				send(key, request.Rsalt, `["a", 1]`)
			},
			want: Reply{Answer: []byte(`["a", 1]`), Serial: 7},
		},
		{
			name: "error status",
			handle: func(_ int, request genwire.Request, _ net.PacketConn, _ net.Addr, send sendReply) {
				send(key, request.Rsalt, `"error"`)
			},
			want: Reply{Status: genwire.StatusError, Answer: []byte(`"error"`)},
		},
		{
			name:  "query",
			query: fields,
			handle: func(_ int, request genwire.Request, _ net.PacketConn, _ net.Addr, send sendReply) {
				if diff := cmp.Diff(genwire.NewOptQuery(fields), request.Query); diff == "" {
					send(key, request.Rsalt, `"as sent"`)
				}
			},
			want: Reply{Answer: []byte(`"as sent"`), Serial: 7},
		},
		{
			name: "no query",
			handle: func(_ int, request genwire.Request, _ net.PacketConn, _ net.Addr, send sendReply) {
				if !request.Query.Set {
					send(key, request.Rsalt, `"none"`)
				}
			},
			want: Reply{Answer: []byte(`"none"`), Serial: 7},
		},
		{
			name: "lost twice",
			handle: func(before int, request genwire.Request, _ net.PacketConn, _ net.Addr, send sendReply) {
				if before == 2 {
					send(key, request.Rsalt, `2`)
				}
			},
			want: Reply{Answer: []byte(`2`), Serial: 7},
		},
		{
			name: "others first",
			handle: func(_ int, request genwire.Request, conn net.PacketConn, from net.Addr, send sendReply) {
				conn.WriteTo(nil, from)
				conn.WriteTo([]byte("plj0 garbage"), from)
				send([]byte("another key"), request.Rsalt, `"forged"`)
				send(key, "another salt", `"old"`)
				send(key, request.Rsalt, `"right"`)
			},
			want: Reply{Answer: []byte(`"right"`), Serial: 7},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := Client{Server: serve(t, test.handle), Key: key}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			reply, err := c.Ask(ctx, genwire.RequestPing, test.query)
			if err != nil {
				t.Fatal(err)
			}
			if reply.RoundTrip <= 0 {
				t.Errorf("round trip took %v", reply.RoundTrip)
			}
			reply.RoundTrip = 0
			if diff := cmp.Diff(test.want, *reply); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAskOtherSource sends the right reply from the wrong socket.
func TestAskOtherSource(t *testing.T) {
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c := Client{Key: key, Server: serve(t, func(_ int, request genwire.Request, _ net.PacketConn, from net.Addr, _ sendReply) {
		reply := genwire.Reply{Protocol: 1, Answer: []byte(`"elsewhere"`)}
		text, _ := reply.MarshalJSON()
		datagram, err := wire.NewCodec(wire.NewKeyring(key)).Seal(nil, request.Rsalt, text, nil)
		if err != nil {
			t.Error(err)
		}
		other.WriteTo(datagram, from)
	})}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if reply, err := c.Ask(ctx, genwire.RequestPing, genwire.Query{}); !errors.Is(err, ErrNoReply) {
		t.Errorf("got %+v, %v; want no reply", reply, err)
	}
}

func TestAskErrors(t *testing.T) {
	silent := serve(t, func(int, genwire.Request, net.PacketConn, net.Addr, sendReply) {})
	forger := serve(t, func(_ int, request genwire.Request, _ net.PacketConn, _ net.Addr, send sendReply) {
		send([]byte("another key"), request.Rsalt, `"forged"`)
	})
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.LocalAddr().String()
	closed.Close()

	soon := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 50*time.Millisecond)
	}
	// The deadline is so far away that the test does not end when Ask looks at ctx
	// after a pause between two sendings only.
	cancelled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithTimeout(ctx, 24*time.Hour)
		time.AfterFunc(20*time.Millisecond, cancel)
		return ctx, cancel
	}
	tests := []struct {
		name   string
		client Client
		limit  func(context.Context) (context.Context, context.CancelFunc)
		want   []error
		text   string // part of the error's text
	}{
		{"silence", Client{silent, key}, soon, []error{ErrNoReply}, silent},
		{"nobody listens", Client{nobody, key}, soon, []error{ErrNoReply, syscall.ECONNREFUSED}, nobody},
		{"signed with another key", Client{forger, key}, soon, []error{ErrNoReply, wire.ErrHMAC}, forger},
		{"cancelled", Client{silent, key}, cancelled, []error{context.Canceled}, silent},
		{"no key", Client{Server: silent}, soon, []error{ErrNoKey}, silent},
		{"too large", Client{silent, key}, soon, []error{wire.ErrTooLarge}, silent},
		{"bad address", Client{"127.0.0.1:port", key}, soon, nil, "port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := test.limit(t.Context())
			defer cancel()
			var query genwire.Query
			if test.name == "too large" {
				query.SetString(strings.Repeat("x", genwire.MaxDatagramSize))
			}
			reply, err := test.client.Ask(ctx, genwire.RequestPing, query)
			if err == nil {
				t.Fatalf("got %+v, want an error", reply)
			}
			for _, want := range test.want {
				if !errors.Is(err, want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "a key") {
				t.Errorf("got %q, want %q in it and the key not", err, test.text)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	port := "1814"
	if number, err := net.LookupPort("udp", "ganeti-confd"); err == nil && number != 1814 {
		t.Skip("the services database names another port")
	}
	for server, want := range map[string]string{
		"":                    "127.0.0.1:" + port,
		"node1.example.org":   "node1.example.org:" + port,
		"node1.example.org:1": "node1.example.org:1",
		"192.0.2.11":          "192.0.2.11:" + port,
		"192.0.2.11:":         "192.0.2.11:" + port,
		":23":                 "127.0.0.1:23",
		"::1":                 "[::1]:" + port,
		"[::1]":               "[::1]:" + port,
		"[::1]:5":             "[::1]:5",
		"2001:db8::11":        "[2001:db8::11]:" + port,
		"fe80::1%eth0":        "[fe80::1%eth0]:" + port,
		"[fe80::1%eth0]":      "[fe80::1%eth0]:" + port,
		"localhost:domain":    "localhost:domain",
	} {
		c := Client{Server: server}
		if got := c.address(); got != want {
			t.Errorf("server %q: got %s, want %s", server, got, want)
		}
	}
}
