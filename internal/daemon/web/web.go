// Package web shows a running daemon over HTTP: /metrics for Prometheus,
// /-/healthy and /-/ready for probes, and a status page for people at /.
//
// All of it is read from the server's counters and the reloader's state when it
// is asked for. The sampler that the charts need, once a second, is the only thing
// that goes on in between.
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

// Options are what the operator chooses.
type Options struct {
	// Addr is the TCP address to listen on, host:port; empty for none.
	Addr string
	// ConfigFile is a configuration of exporter-toolkit with TLS certificates and
	// users' passwords; empty for plain HTTP open to everybody.
	ConfigFile string
	// Pprof adds the profiles of net/http/pprof below /debug/pprof/.
	Pprof bool
}

// Source is the daemon that is shown.
type Source struct {
	Server *server.Server
	State  func() reload.State // of the configuration
	Logger *slog.Logger
	// LogDropped returns how many messages were not written, by where they should
	// have gone; nil if nobody counts them.
	LogDropped func() map[string]uint64
}

// What a stranger can take: connections, requests at once beside those of probes,
// bytes of a header, and time. A profile takes up to writeTimeout.
const (
	maxConnections = 64
	maxRequests    = maxConnections / 2
	maxHeaderBytes = 16 << 10
	readTimeout    = 5 * time.Second
	writeTimeout   = time.Minute
	idleTimeout    = 2 * time.Minute
	farewell       = time.Second // for requests under way at the end
)

// stuck is how long a worker may take for one batch of datagrams before the
// daemon counts as ill. It is a thousand times what a large batch takes.
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

// Start listens, and serves in goroutines of its own until ctx ends. The error
// says which option cannot be used, and why.
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
		ConnContext:    withGuest,
		// What goes wrong between a browser and the server is the browser's business.
		ErrorLog: slog.NewLogLogger(source.Logger.Handler(), slog.LevelDebug),
	}
	source.Logger.Info("showing metrics and status", "address", s.addr)
	s.running.Go(func() {
		defer listener.Close()
		flags := &toolkit.FlagConfig{WebConfigFile: &o.ConfigFile}
		logger := slog.New(errorsOnly{source.Logger.Handler()})
		err := toolkit.Serve(&crowd{Listener: listener, limit: maxConnections}, s.http, flags, logger)
		if !errors.Is(err, http.ErrServerClosed) {
			source.Logger.Error("metrics and status are no longer shown", "error", err)
		}
	})
	s.running.Go(func() {
		s.sample(ctx)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			s.http.Close()
		}
	})
	return s, nil
}

// errorsOnly keeps the toolkit from announcing what Start has said already.
type errorsOnly struct{ slog.Handler }

// Enabled reports whether records of a level are handled.
func (errorsOnly) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Addr returns the address that the site listens on.
func (s *Site) Addr() net.Addr { return s.addr }

// Wait returns when the site has ended, after its context has.
func (s *Site) Wait() { s.running.Wait() }

// sample adds to the history once a second until ctx ends.
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

// secure has browsers take nothing for the site's that is not: no script at all,
// no style or image from elsewhere, no frame around it.
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

// file serves a file that comes with the program.
func file(contentType string, data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "max-age=300")
		w.Write(data)
	}
}

// healthy is for whoever restarts daemons that hang.
func (s *Site) healthy(w http.ResponseWriter, _ *http.Request) {
	report(w, "healthy", unhealthy(s.source.Server.Busy()))
}

// unhealthy tells why workers of which one has been busy for so long are not
// good to go on, "" when they are.
func unhealthy(busy time.Duration) string {
	if busy > stuck {
		return fmt.Sprintf("a worker has not read its socket for %v", busy.Round(time.Second))
	}
	return ""
}

// ready is for whoever sends callers here: only when the configuration file as it
// is now is in service.
func (s *Site) ready(w http.ResponseWriter, _ *http.Request) {
	report(w, "ready", unready(s.source.State()))
}

// unready tells why a configuration is not good to serve, "" when it is.
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

// report answers a probe: with the problem, or with the word for none.
func report(w http.ResponseWriter, good, problem string) {
	if problem != "" {
		http.Error(w, problem, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, good)
}
