package metrics_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gntconfd/client"
	"gntconfd/client/metrics"
)

func ExampleNew() {
	registry := prometheus.NewRegistry()
	c, err := client.New(client.Options{
		Peers:   []string{"node1.example.org", "node2.example.org"},
		Key:     []byte("the cluster's hmac.key\n"),
		Observe: metrics.New(registry).Observe,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		fmt.Println(family.GetName())
	}
	// Output:
	// ganeti_confd_client_datagrams_total
	// ganeti_confd_client_round_trip_seconds
}
