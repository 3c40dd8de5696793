// Package metrics exports what clients of ganeti-confd send and receive to Prometheus. It
// is a separate package so that package client does not import Prometheus.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gntconfd/client"
)

// Metrics are the metrics of one or more Clients.
type Metrics struct {
	datagrams  [len(client.Stats{})]prometheus.Counter // by EventKind
	roundTrips prometheus.Histogram
}

// New returns registered Metrics:
//
//   - ganeti_confd_client_datagrams_total, by kind, which is the name of a
//     client.EventKind;
//   - ganeti_confd_client_round_trip_seconds, a histogram of the times from the first
//     sending of a request to a peer to that peer's reply.
//
// It panics if reg already has metrics with these names.
func New(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	datagrams := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "ganeti_confd_client_datagrams_total",
		Help: "Datagrams sent and received, by what became of them.",
	}, []string{"kind"})
	m := &Metrics{roundTrips: factory.NewHistogram(prometheus.HistogramOpts{
		Name: "ganeti_confd_client_round_trip_seconds",
		Help: "Time from the first sending of a request to a peer to its reply.",
		// From an idle daemon on the same host to one that needs many retries.
		Buckets: []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5},
	})}
	for kind := range m.datagrams {
		m.datagrams[kind] = datagrams.WithLabelValues(client.EventKind(kind).String())
	}
	return m
}

// Observe records an event. Use it as client.Options.Observe.
func (m *Metrics) Observe(e client.Event) {
	m.datagrams[e.Kind].Inc()
	if e.Kind == client.Accepted || e.Kind == client.Stale {
		m.roundTrips.Observe(e.RoundTrip.Seconds())
	}
}
