package web

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// A crowd is a listener with a limited number of connections. One too many closes the
// connection that has been without a request for longest, so that clients that only hold
// connections open lock nobody out.
type crowd struct {
	net.Listener
	limit int

	mutex  sync.Mutex
	guests []*guest // the one without a request for longest first
}

// A guest is a connection.
type guest struct {
	net.Conn
	crowd    *crowd
	requests int // requests being answered, guarded by the crowd's mutex
}

// Accept returns the next connection.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guest{Conn: conn, crowd: c}
	if leaving := c.admit(g); leaving != nil {
		leaving.Close()
	}
	return g, nil
}

// admit adds a connection, and returns the one to close for it, if any.
func (c *crowd) admit(g *guest) *guest {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.guests = append(c.guests, g)
	if len(c.guests) <= c.limit {
		return nil
	}
	// The new one is closed if all others are being answered.
	i := slices.IndexFunc(c.guests, func(g *guest) bool { return g.requests == 0 })
	return c.guests[i]
}

// Close closes the connection.
func (g *guest) Close() error {
	g.crowd.mutex.Lock()
	g.crowd.guests = slices.DeleteFunc(g.crowd.guests, func(other *guest) bool { return other == g })
	g.crowd.mutex.Unlock()
	return g.Conn.Close()
}

// guestKey is the key of a request's guest in its context.
type guestKey struct{}

// withGuest is a http.Server's ConnContext.
func withGuest(ctx context.Context, conn net.Conn) context.Context {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = wrapped.NetConn() // for TLS
	}
	return context.WithValue(ctx, guestKey{}, conn)
}

// served notes in the crowd which connections are being answered.
func served(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
			g.count(1)
			defer g.count(-1)
		}
		next.ServeHTTP(w, r)
	})
}

// count changes the number of requests being answered. A connection without any becomes the
// newest idle one.
func (g *guest) count(n int) {
	c := g.crowd
	c.mutex.Lock()
	defer c.mutex.Unlock()
	g.requests += n
	if i := slices.Index(c.guests, g); i >= 0 {
		c.guests = append(slices.Delete(c.guests, i, i+1), g)
	}
}

// atMost limits the requests answered at the same time, and rejects others.
func atMost(requests int, next http.Handler) http.Handler {
	places := make(chan struct{}, requests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "too many requests at once: try again later", http.StatusServiceUnavailable)
		}
	})
}
