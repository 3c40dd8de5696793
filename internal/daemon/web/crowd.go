package web

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// A crowd is a listener whose connections are at most so many. When there is one too
// many, the one that has been without a request for longest goes, so that those who
// only hold connections open keep nobody out.
type crowd struct {
	net.Listener
	limit int

	mutex  sync.Mutex
	guests []*guest // the one that has been without a request for longest first
}

// A guest is a connection.
type guest struct {
	net.Conn
	crowd    *crowd
	requests int // that are being answered, guarded by the crowd's mutex
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

// admit adds a connection, and returns the one that has to go for it, if any.
func (c *crowd) admit(g *guest) *guest {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.guests = append(c.guests, g)
	if len(c.guests) <= c.limit {
		return nil
	}
	// The new one itself if all others are being answered.
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
		conn = wrapped.NetConn() // of TLS
	}
	return context.WithValue(ctx, guestKey{}, conn)
}

// served tells the crowd who is being answered.
func served(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
			g.count(1)
			defer g.count(-1)
		}
		next.ServeHTTP(w, r)
	})
}

// count adds to the requests that are being answered, and counts the connection
// among those without one as the newest.
func (g *guest) count(n int) {
	c := g.crowd
	c.mutex.Lock()
	defer c.mutex.Unlock()
	g.requests += n
	if i := slices.Index(c.guests, g); i >= 0 {
		c.guests = append(slices.Delete(c.guests, i, i+1), g)
	}
}

// atMost lets so many requests be answered at once, and refuses others.
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
