package web

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"gntconfd/gen/wire"
	"gntconfd/internal/release"
	"gntconfd/internal/server"
)

// statusNames are the names of reply statuses.
var statusNames = [...]string{
	wire.StatusOK:             "ok",
	wire.StatusError:          "error",
	wire.StatusNotImplemented: "not_implemented",
}

// The metrics. docs/operations.md explains them.
var (
	received = desc("datagrams_received_total",
		"Datagrams received.", "family")
	ended = desc("datagrams_total",
		"Datagrams by outcome.", "disposition")
	queries = desc("queries_total",
		"Replies to queries.", "type", "status")
	durations = desc("query_duration_seconds",
		"Time from reading a query to passing its reply to the kernel.")
	sizes = desc("reply_size_bytes",
		"Sizes of reply datagrams.")
	tooLarge = desc("reply_too_large_total",
		"Replies too large for a datagram; an error was sent instead.", "type")
	panics = desc("panics_total",
		"Datagrams dropped because of a bug in the program.")
	lost = desc("socket_drops_total",
		"Datagrams that the kernel dropped before the daemon read them.")
	logDropped = desc("log_messages_dropped_total",
		"Log messages that were lost.", "sink")

	reloadGood = desc("config_last_reload_successful",
		"Whether the current configuration file is in service.")
	reloadTime = desc("config_last_reload_success_timestamp_seconds",
		"When the configuration in service was loaded.")
	reloadDuration = desc("config_reload_duration_seconds",
		"Time it took to load the configuration in service.")
	serial = desc("config_serial",
		"Serial number of the cluster in the configuration in service.")
	fileSerial = desc("config_file_serial",
		"Serial number of the file of the configuration in service.")
	size = desc("config_size_bytes",
		"File size of the configuration in service.")
	objects = desc("config_objects",
		"Objects in the configuration in service.", "kind")

	buildInfo = desc("build_info",
		"Always 1; the labels say what the program was built from.", "version", "revision", "goversion")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ganeti_confd_"+name, help, labels, nil)
}

// collector computes the metrics from the daemon's counters when they are requested.
type collector struct{ Source }

// Describe sends the descriptions of all metrics.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		received, ended, queries, durations, sizes, tooLarge, panics, lost, logDropped, reloadGood, reloadTime, reloadDuration,
		serial, fileSerial, size, objects, buildInfo,
	} {
		descs <- d
	}
}

// Collect sends the current values of all metrics.
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counts := c.Server.Counts()
	counter(received, counts.IPv4, "ipv4")
	counter(received, counts.IPv6, "ipv6")
	for d, n := range counts.Dispositions {
		counter(ended, n, server.Disposition(d).String())
	}
	for t, name := range wire.RequestWords {
		for s, status := range statusNames {
			counter(queries, counts.Queries[t][s], name, status)
		}
		counter(tooLarge, counts.TooLarge[t], name)
	}
	metrics <- histogram(durations, &counts.Durations, server.DurationBounds[:], 1e9)
	metrics <- histogram(sizes, &counts.Sizes, server.SizeBounds[:], 1)
	counter(panics, counts.Panics)
	counter(lost, counts.Lost)
	if c.LogDropped != nil {
		for sink, n := range c.LogDropped() {
			counter(logDropped, n, sink)
		}
	}

	state := c.State()
	good := 0.0
	if unready(state) == "" {
		good = 1
	}
	gauge(reloadGood, good)
	if snapshot := state.Snapshot; snapshot != nil {
		gauge(reloadTime, float64(state.LoadedAt.UnixNano())/1e9)
		gauge(reloadDuration, state.LoadTime.Seconds())
		gauge(serial, float64(snapshot.Serial))
		gauge(fileSerial, float64(snapshot.ConfigSerial))
		gauge(size, float64(state.Size))
		gauge(objects, float64(len(snapshot.Nodes)), "nodes")
		gauge(objects, float64(len(snapshot.Instances)), "instances")
		gauge(objects, float64(len(snapshot.Links)), "links")
	}
	build := readBuild()
	gauge(buildInfo, 1, build.Version, build.Revision, build.Go)
}

// histogram returns h as a metric. The values and bounds of h are in units of 1/unit.
func histogram(d *prometheus.Desc, h *server.Histogram, bounds []uint64, unit float64) prometheus.Metric {
	buckets := make(map[float64]uint64, len(bounds))
	var below uint64
	for i, bound := range bounds {
		below += h.Buckets[i]
		buckets[float64(bound)/unit] = below
	}
	return prometheus.MustNewConstHistogram(d, h.Count(), float64(h.Sum)/unit, buckets)
}

// build is what the program was built from.
type build struct{ Version, Revision, Go string }

func readBuild() build {
	return build{Version: release.Version(), Revision: release.Revision(), Go: runtime.Version()}
}
