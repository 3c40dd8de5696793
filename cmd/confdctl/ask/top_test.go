package ask

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestReadCounts: all outcomes are counted as answers or as dropped.
func TestReadCounts(t *testing.T) {
	now := time.Unix(100, 0)
	got, err := readCounts(strings.NewReader(`# HELP ganeti_confd_datagrams_total Datagrams.
ganeti_confd_datagrams_total{disposition="answered"} 417
ganeti_confd_datagrams_total{disposition="answered_error"} 11
ganeti_confd_datagrams_total{disposition="dropped_clock"} 2
ganeti_confd_datagrams_total{disposition="dropped_hmac"} 1e+03
ganeti_confd_datagrams_total{disposition="write_error"} 5
ganeti_confd_queries_total{status="ok",type="ping"} 7
`), now)
	if want := (counts{now, 428, 1002}); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"", "other 1\n", `ganeti_confd_datagrams_total{disposition="answered"} x` + "\n"} {
		if got, err := readCounts(strings.NewReader(text), now); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

// TestRates: rates are between two readings, also when a daemon was started anew, and
// there are none the first time, or where there are no metrics.
func TestRates(t *testing.T) {
	answered := 1000
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`ganeti_confd_datagrams_total{disposition="answered"} ` + strconv.Itoa(answered) + "\n"))
	}))
	defer page.Close()
	_, port, err := net.SplitHostPort(page.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	m := &meters{port: uint16(number), client: page.Client(), last: make(map[string]counts)}
	s := &clusterStatus{Peers: []daemonStatus{{Peer: "127.0.0.1:1814"}, {Peer: "127.0.0.1:1815", State: stateSilent}}}
	if rates := m.read(t.Context(), s); len(rates) != 0 {
		t.Errorf("at first there are rates: %v", rates)
	}
	for _, test := range []struct {
		now  int
		want float64 // answers between the readings
	}{{1600, 600}, {1600, 0}, {50, 50}} {
		answered = test.now
		before := m.last["127.0.0.1:1814"].at
		rates := m.read(t.Context(), s)
		seconds := m.last["127.0.0.1:1814"].at.Sub(before).Seconds()
		if got := rates["127.0.0.1:1814"].answered * seconds; len(rates) != 1 || got < test.want-0.01 || got > test.want+0.01 {
			t.Errorf("%d: got %v in %v s, want %v", test.now, got, seconds, test.want)
		}
	}
}
