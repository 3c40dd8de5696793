// Package web serves the state of a running daemon over HTTP: /metrics for Prometheus,
// /-/healthy and /-/ready for health checks, and a status page at /.
//
// Each request reads the server's counters and the reloader's state. Between requests only a
// sampler runs, once a second, for the charts.
package web

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"gntconfd/internal/reload"
	"gntconfd/internal/server"
)

// Options are the operator's settings.
type Options struct {
	// Addr is the TCP address to listen on, host:port; empty for none.
	Addr string
	// ConfigFile is a configuration file of exporter-toolkit, with TLS certificates and
	// passwords; empty for plain HTTP without passwords.
	ConfigFile string
	// Pprof adds net/http/pprof below /debug/pprof/.
	Pprof bool
}

// Source is the daemon whose state is served.
type Source struct {
	Server *server.Server
	State  func() reload.State // of the configuration
	Logger *slog.Logger
	// LogDropped returns how many log messages were lost, by sink; nil if that is not
	// counted.
	LogDropped func() map[string]uint64
}

// Limits for strangers: connections, concurrent requests other than health checks, header
// size, and time. A profile may take up to writeTimeout.
const (
	maxConnections = 64
	maxRequests    = maxConnections / 2
	maxHeaderBytes = 16 << 10
	readTimeout    = 5 * time.Second
	writeTimeout   = time.Minute
	idleTimeout    = 2 * time.Minute
	shutdownTime   = time.Second // for running requests at shutdown
)

// stuck is how long a worker may take for one batch of datagrams before the daemon counts
// as unhealthy: a thousand times what a large batch takes.
const stuck = 10 * time.Second

// Site is the running HTTP server.
type Site struct {
	source  Source
	addr    net.Addr
	http    *http.Server
	started time.Time
	history history
	running sync.WaitGroup
}

// Start listens, and serves in the background until ctx ends. The error says which option
// is wrong, and why.
func Start(ctx context.Context, o Options, source Source) (*Site, error) {
	if err := toolkit.Validate(o.ConfigFile); err != nil {
		return nil, fmt.Errorf("--web.config.file %s: %w", o.ConfigFile, err)
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("--web.listen-address: %w", err)
	}
	s := &Site{source: source, addr: listener.Addr(), started: time.Now()}
	s.http = &http.Server{
		Handler:        s.handler(o.Pprof),
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ConnContext:    withConn,
		// Connection errors are the browser's problem, not the operator's.
		ErrorLog: slog.NewLogLogger(source.Logger.Handler(), slog.LevelDebug),
	}
	source.Logger.Info("serving metrics and the status page", "address", s.addr)
	s.running.Go(func() {
		defer listener.Close()
		flags := &toolkit.FlagConfig{WebConfigFile: &o.ConfigFile}
		logger := slog.New(errorsOnly{source.Logger.Handler()})
		err := toolkit.Serve(&limiter{Listener: listener, limit: maxConnections}, s.http, flags, logger)
		if !errors.Is(err, http.ErrServerClosed) {
			source.Logger.Error("stopped serving metrics and the status page", "error", err)
		}
	})
	s.running.Go(func() {
		s.sample(ctx)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			s.http.Close()
		}
	})
	return s, nil
}

// errorsOnly hides the toolkit's own startup messages: Start has logged the same.
type errorsOnly struct{ slog.Handler }

// Enabled reports whether records of a level are handled.
func (errorsOnly) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Addr returns the address that the site listens on.
func (s *Site) Addr() net.Addr { return s.addr }

// Wait blocks until the site has stopped, after its context has ended.
func (s *Site) Wait() { s.running.Wait() }

// sample adds a moment to the history once a second until ctx ends.
func (s *Site) sample(ctx context.Context) {
	ticker := time.NewTicker(sampleInterval)
	defer ticker.Stop()
	var callers []netip.Addr
	for at := s.started; ; {
		callers = s.source.Server.AppendCallers(callers[:0])
		s.history.add(at, s.source.Server.Counts(), callers)
		select {
		case <-ctx.Done():
			return
		case at = <-ticker.C:
		}
	}
}

//go:embed style.css
var style []byte

//go:embed icon.svg
var icon []byte

func (s *Site) handler(profiles bool) http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(
		&collector{s.source},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux, probes := http.NewServeMux(), http.NewServeMux()
	probes.HandleFunc("GET /-/healthy", s.healthy)
	probes.HandleFunc("GET /-/ready", s.ready)
	probes.Handle("/", atMost(maxRequests, mux))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /{$}", s.status)
	mux.HandleFunc("GET /style.css", file("text/css; charset=utf-8", style))
	mux.HandleFunc("GET /icon.svg", file("image/svg+xml", icon))
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return served(secure(probes))
}

// secure sets headers that forbid scripts, styles and images from other sites, and framing.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// file serves a file embedded in the program.
func file(contentType string, data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "max-age=300")
		w.Write(data)
	}
}

// healthy serves /-/healthy, for tools that restart hanging daemons.
func (s *Site) healthy(w http.ResponseWriter, _ *http.Request) {
	report(w, "healthy", unhealthy(s.source.Server.Busy()))
}

// unhealthy returns why a daemon whose busiest worker has been busy for this long is
// unhealthy, or "" if it is healthy.
func unhealthy(busy time.Duration) string {
	if busy > stuck {
		return fmt.Sprintf("a worker has not read its socket for %v", busy.Round(time.Second))
	}
	return ""
}

// ready serves /-/ready: the daemon is ready while the current configuration file is in
// service.
func (s *Site) ready(w http.ResponseWriter, _ *http.Request) {
	report(w, "ready", unready(s.source.State()))
}

// unready returns why the current configuration file is not in service, or "" if it is.
func unready(state reload.State) string {
	switch {
	case state.Err != nil && state.Snapshot != nil:
		return fmt.Sprintf("serving an old configuration (serial %d): %v", state.Snapshot.Serial, state.Err)
	case state.Err != nil:
		return fmt.Sprintf("no configuration: %v", state.Err)
	case state.Snapshot == nil:
		return "no configuration has been loaded yet"
	}
	return ""
}

// report answers a health check: 503 with the problem, or 200 with the word good.
func report(w http.ResponseWriter, good, problem string) {
	if problem != "" {
		http.Error(w, problem, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, good)
}
