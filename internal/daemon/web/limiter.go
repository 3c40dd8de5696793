package web

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// A limiter is a listener with a limited number of connections. One too many closes the
// connection that has been without a request for longest, so that clients that only hold
// connections open lock nobody out.
type limiter struct {
	net.Listener
	limit int

	mutex sync.Mutex
	conns []*limitedConn // the one without a request for longest first
}

// A limitedConn is a connection of a limiter.
type limitedConn struct {
	net.Conn
	limiter  *limiter
	requests int // requests being answered, guarded by the limiter's mutex
}

// Accept returns the next connection.
func (c *limiter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &limitedConn{Conn: conn, limiter: c}
	if leaving := c.admit(g); leaving != nil {
		leaving.Close()
	}
	return g, nil
}

// admit adds a connection, and returns the one to close for it, if any.
func (c *limiter) admit(g *limitedConn) *limitedConn {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.conns = append(c.conns, g)
	if len(c.conns) <= c.limit {
		return nil
	}
	// The new one is closed if all others are being answered.
	i := slices.IndexFunc(c.conns, func(g *limitedConn) bool { return g.requests == 0 })
	return c.conns[i]
}

// Close closes the connection.
func (g *limitedConn) Close() error {
	g.limiter.mutex.Lock()
	g.limiter.conns = slices.DeleteFunc(g.limiter.conns, func(other *limitedConn) bool { return other == g })
	g.limiter.mutex.Unlock()
	return g.Conn.Close()
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// withConn is a http.Server's ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = wrapped.NetConn() // for TLS
	}
	return context.WithValue(ctx, connKey{}, conn)
}

// served notes in the limiter which connections are being answered.
func served(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(connKey{}).(*limitedConn); ok {
			g.count(1)
			defer g.count(-1)
		}
		next.ServeHTTP(w, r)
	})
}

// count changes the number of requests being answered. A connection without any becomes the
// newest idle one.
func (g *limitedConn) count(n int) {
	c := g.limiter
	c.mutex.Lock()
	defer c.mutex.Unlock()
	g.requests += n
	if i := slices.Index(c.conns, g); i >= 0 {
		c.conns = append(slices.Delete(c.conns, i, i+1), g)
	}
}

// atMost limits the requests answered at the same time, and rejects others.
func atMost(requests int, next http.Handler) http.Handler {
	slots := make(chan struct{}, requests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "too many requests at once: try again later", http.StatusServiceUnavailable)
		}
	})
}
