package client

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/udp"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "16") // the tests wait more than they compute
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience is how long the tests wait for something that must happen. Only failing tests
// use it up.
const patience = 30 * time.Second

var key = []byte("the cluster's key\n")

// server is a daemon that replies as a test wants.
type server struct {
	t      testing.TB
	conn   *net.UDPConn
	addr   netip.AddrPort
	handle handler
	came   atomic.Int64 // how many requests arrived
}

// handler replies to a request.
type handler func(*request)

// request is a request that a server received.
type request struct {
	wire.Request
	*server
	from   netip.AddrPort
	number int64 // 1 for the server's first request
}

// serve starts a server on its own port, until the end of the test.
func serve(t testing.TB, host string, handle handler) *server {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), 0)))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), handle: handle}
	var running sync.WaitGroup
	running.Go(s.run)
	t.Cleanup(func() { conn.Close(); running.Wait() })
	return s
}

func (s *server) run() {
	codec := protocol.NewCodec(protocol.NewKeyring(key))
	buffer := make([]byte, wire.MaxDatagramSize)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		opened, refusal := codec.Open(buffer[:n], time.Now())
		if refusal != protocol.Accepted {
			s.t.Errorf("refused a request: %v %v", refusal, codec.Cause())
			continue
		}
		s.handle(&request{Request: *opened, server: s, from: from, number: s.came.Add(1)})
	}
}

// name is the server's name in the client.
func (s *server) name() string { return s.addr.String() }

// write sends any datagram to the client.
func (r *request) write(datagram []byte) {
	if _, err := r.conn.WriteToUDPAddrPort(datagram, r.from); err != nil {
		r.t.Log(err) // the client may be gone
	}
}

// reply sends a signed reply.
func (r *request) reply(text string) { r.write(sealed(key, r.Rsalt, text)) }

// sealed returns the datagram of a reply.
func sealed(key []byte, salt, text string) []byte {
	datagram, err := protocol.NewCodec(protocol.NewKeyring(key)).Seal(nil, salt, []byte(text), nil)
	if err != nil {
		panic(err)
	}
	return datagram
}

// replyText returns a reply of Ganeti 3.0.
func replyText(status int, answer string, serial int64) string {
	return fmt.Sprintf(`{"protocol":1,"status":%d,"answer":%s,"serial":%d}`, status, answer, serial)
}

// says returns a handler that always gives the same answer.
func says(answer string, serial int64) handler {
	return func(r *request) { r.reply(replyText(0, answer, serial)) }
}

// fails returns a handler that always gives an error.
func fails(answer string) handler {
	return func(r *request) { r.reply(replyText(1, answer, 0)) }
}

func silent(*request) {}

// from returns a handler that ignores the requests before the given number.
func from(number int64, then handler) handler {
	return func(r *request) {
		if r.number >= number {
			then(r)
		}
	}
}

// after returns a handler that replies once a channel is closed or the test ends.
func after(t testing.TB, opened <-chan struct{}, then handler) handler {
	return func(r *request) {
		select {
		case <-opened:
			then(r)
		case <-t.Context().Done():
		}
	}
}

// start starts one server for each handler, each at its own address, and a client for them.
func start(t testing.TB, options Options, handlers ...handler) (*Client, []*server) {
	t.Helper()
	var servers []*server
	for i, handle := range handlers {
		servers = append(servers, serve(t, fmt.Sprintf("127.0.0.%d", i+1), handle))
		options.Peers = append(options.Peers, servers[i].name())
	}
	return newClient(t, options), servers
}

// newClient makes a client, with the servers' key unless the options have one.
func newClient(t testing.TB, options Options) *Client {
	t.Helper()
	if options.Key == nil && options.KeyFile == "" {
		options.Key = key
	}
	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// nobody returns an address where the host refuses datagrams.
func nobody(t testing.TB) string {
	t.Helper()
	addr, err := udp.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

// patient returns a context that lasts longer than the test needs.
func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(func() {
		if ctx.Err() == context.DeadlineExceeded {
			t.Errorf("waited for %v", patience)
		}
		cancel()
	})
	return ctx
}

// until returns a context, and an Observe function that ends it at the first event of a
// kind.
func until(t testing.TB, kind EventKind) (context.Context, func(Event)) {
	m := &manual{Context: patient(t), done: make(chan struct{})}
	end := sync.OnceFunc(func() { close(m.done) })
	context.AfterFunc(m.Context, end)
	return m, func(e Event) {
		if e.Kind == kind {
			end()
		}
	}
}

// manual is a context whose deadline comes when a channel is closed.
type manual struct {
	context.Context
	done chan struct{}
}

func (m *manual) Done() <-chan struct{} { return m.done }

func (m *manual) Err() error {
	select {
	case <-m.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// wait waits until a condition is true.
func wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// events is an Observe function that records events.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) observe(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// of returns the events of a kind.
func (e *events) of(kind EventKind) []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.all), func(event Event) bool { return event.Kind != kind })
}

// names returns the names of the peers that replied, sorted.
func names[A any](replies []Reply[A]) []string {
	var names []string
	for _, reply := range replies {
		names = append(names, reply.Peer)
	}
	slices.Sort(names)
	return names
}
