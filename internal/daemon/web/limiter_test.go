package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// dial opens a connection that sends something, and then nothing.
func dial(t *testing.T, f *fixture, says string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, says); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Held connections, of any kind, do not lock out a health check.
func TestLimiter(t *testing.T) {
	for name, says := range map[string]string{
		"nothing":       "",
		"half a header": "GET / HTTP/1.1\r\nHost: x\r\n",
		"idle":          "GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n",
		"half a body":   "GET /-/ready HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
		"many at once":  "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f := start(t, Options{})
		first := dial(t, f, says)
		for range 3 * maxConnections {
			dial(t, f, says)
		}
		response, body := f.get(t, "/-/healthy")
		if response.StatusCode != http.StatusOK || body != "healthy\n" {
			t.Errorf("%s: %s: %q", name, response.Status, body)
		}
		// The oldest was closed for it.
		if _, err := io.Copy(io.Discard, first); isTimeout(err) {
			t.Errorf("%s: the first connection is still there", name)
		}
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// A connection that is being answered stays; one without a request is closed.
func TestLimiterKeepsRequests(t *testing.T) {
	c := &limiter{limit: 2}
	join := func() *limitedConn { return &limitedConn{limiter: c} }
	busy, idle, third, fourth := join(), join(), join(), join()
	if c.admit(busy) != nil || c.admit(idle) != nil {
		t.Fatal("one had to go too early")
	}
	busy.count(1)
	if leaving := c.admit(third); leaving != idle {
		t.Error("it was not the one without a request that had to go")
	}
	idle.count(1)
	third.count(1)
	if leaving := c.admit(fourth); leaving != fourth {
		t.Error("with all others busy, it was not the new one that had to go")
	}
	busy.count(-1)
	idle.count(-1)
	fourth.count(1)
	if leaving := c.admit(join()); leaving != busy {
		t.Error("it was not the one that has been idle for longest that had to go")
	}
}

// Other requests leave room for health checks.
func TestAtMost(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	handler := atMost(1, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		enter <- struct{}{}
		<-leave
	}))
	ask := func() int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		return w.Code
	}
	done := make(chan int)
	go func() { done <- ask() }()
	<-enter
	if code := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("status %d of one too many", code)
	}
	close(leave)
	if code := <-done; code != http.StatusOK {
		t.Errorf("status %d", code)
	}
}

// A header that never ends closes the connection.
func TestSlowHeader(t *testing.T) {
	t.Parallel() // it takes as long as the header may take
	f := start(t, Options{})
	if f.http.ReadTimeout != readTimeout || f.http.IdleTimeout != idleTimeout || f.http.WriteTimeout != writeTimeout {
		t.Error("a connection has no end")
	}
	conn := dial(t, f, "GET /-/ready HTTP/1.1\r\nHost: x\r\n")
	if _, err := bufio.NewReader(conn).ReadByte(); isTimeout(err) {
		t.Error("the server waits for ever")
	}
}
