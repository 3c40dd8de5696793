package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gntconfd/client"
)

func TestObserve(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m := New(registry)
	for _, e := range []client.Event{
		{Kind: client.Sent},
		{Kind: client.Sent},
		{Kind: client.Resent},
		{Kind: client.Accepted, RoundTrip: 60 * time.Microsecond},
		{Kind: client.Stale, RoundTrip: 6 * time.Second},
		{Kind: client.Unreachable},
	} {
		m.Observe(e)
	}
	const want = `
# HELP ganeti_confd_client_datagrams_total Datagrams sent and received, by what became of them.
# TYPE ganeti_confd_client_datagrams_total counter
ganeti_confd_client_datagrams_total{kind="accepted"} 1
ganeti_confd_client_datagrams_total{kind="duplicate"} 0
ganeti_confd_client_datagrams_total{kind="forged"} 0
ganeti_confd_client_datagrams_total{kind="garbled"} 0
ganeti_confd_client_datagrams_total{kind="late"} 0
ganeti_confd_client_datagrams_total{kind="resent"} 1
ganeti_confd_client_datagrams_total{kind="sent"} 2
ganeti_confd_client_datagrams_total{kind="stale"} 1
ganeti_confd_client_datagrams_total{kind="stranger"} 0
ganeti_confd_client_datagrams_total{kind="unreachable"} 1
# HELP ganeti_confd_client_round_trip_seconds Time from the first sending of a request to a peer to its reply.
# TYPE ganeti_confd_client_round_trip_seconds histogram
ganeti_confd_client_round_trip_seconds_bucket{le="5e-05"} 0
ganeti_confd_client_round_trip_seconds_bucket{le="0.0001"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.00025"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.0005"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.001"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.0025"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.005"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.01"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.025"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.05"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.1"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.25"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="0.5"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="1"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="2.5"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="5"} 1
ganeti_confd_client_round_trip_seconds_bucket{le="+Inf"} 2
ganeti_confd_client_round_trip_seconds_sum 6.00006
ganeti_confd_client_round_trip_seconds_count 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// Two clients can share Metrics, but not a registry.
func TestRegisteredTwice(t *testing.T) {
	registry := prometheus.NewRegistry()
	New(registry)
	defer func() {
		if recover() == nil {
			t.Error("the same names were registered twice")
		}
	}()
	New(registry)
}
