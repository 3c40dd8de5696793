package measure

import (
	"regexp"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"gntconfd/client"
	"gntconfd/gen/wire"
	"gntconfd/internal/sample"
	"gntconfd/internal/sample/serve"
	"gntconfd/internal/terminal"
)

// timesOf records round trips.
func timesOf(times ...time.Duration) *hdr.Histogram {
	s := newPeerLatency("")
	for _, d := range times {
		s.record(d)
	}
	return s.times
}

func TestBuckets(t *testing.T) {
	for _, test := range []struct {
		name  string
		times []time.Duration
		want  []bucket
	}{
		{"none", nil, nil},
		{"one", []time.Duration{25 * time.Microsecond}, []bucket{{20, 30, 1}}},
		{"a bound is the next one's", []time.Duration{30 * time.Microsecond}, []bucket{{30, 50, 1}}},
		{"a gap", []time.Duration{12 * time.Microsecond, 31 * time.Microsecond, 32 * time.Microsecond},
			[]bucket{{10, 15, 1}, {15, 20, 0}, {20, 30, 0}, {30, 50, 2}}},
		{"the shortest", []time.Duration{0}, []bucket{{0, 10, 1}}},
		{"the longest", []time.Duration{time.Hour}, []bucket{{50e6, 70e6, 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, bucketsOf(timesOf(test.times...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBar(t *testing.T) {
	for _, test := range []struct {
		count, most int64
		want        string
	}{
		{0, 8, ""},
		{8, 8, "████"},
		{4, 8, "██"},
		{1, 8, "▌"},
		{5, 8, "██▌"},
		{1, 1000, "▏"}, // as there is one
	} {
		if got := bar(test.count, test.most, 4); got != test.want {
			t.Errorf("%d of %d is %q, not %q", test.count, test.most, got, test.want)
		}
	}
}

func TestLatencyText(t *testing.T) {
	l := latency{name: "ping", interval: 100 * time.Millisecond, begin: time.Now()}
	fast, slow := newPeerLatency("192.0.2.11:1814"), newPeerLatency("[2001:db8::12]:1814")
	for i := range 100 {
		fast.record(time.Duration(i) * time.Microsecond)
	}
	fast.record(2500 * time.Microsecond)
	slow.lost = 3
	l.peers = []*peerLatency{fast, slow}
	for _, test := range []struct {
		width, height int
		want          string
	}{
		{80, 0, `ping every 100ms, for TIME
DAEMON               REPLIES  LOST        ERRORS  P50 ms  P90 ms  P99 ms  MAX ms
192.0.2.11:1814      101      0           0       0.050   0.090   0.099   2.501
[2001:db8::12]:1814  0        3 (100.0%)  0       -       -       -       -
all                  101      3 (2.9%)    0       0.050   0.090   0.099   2.501

<     0.010 ms  10   9.9%  █████████████████▋
<     0.015 ms   5   5.0%  ████████▊
<     0.020 ms   5   5.0%  ████████▊
<     0.030 ms  10   9.9%  █████████████████▋
<     0.050 ms  20  19.8%  ███████████████████████████████████▎
<     0.070 ms  20  19.8%  ███████████████████████████████████▎
<     0.100 ms  30  29.7%  █████████████████████████████████████████████████████
<     0.150 ms   0   0.0%
<     0.200 ms   0   0.0%
<     0.300 ms   0   0.0%
<     0.500 ms   0   0.0%
<     0.700 ms   0   0.0%
<     1.000 ms   0   0.0%
<     1.500 ms   0   0.0%
<     2.000 ms   0   0.0%
<     3.000 ms   1   1.0%  █▊
`},
		{80, 12, `ping every 100ms, for TIME
DAEMON               REPLIES  LOST        ERRORS  P50 ms  P90 ms  P99 ms  MAX ms
192.0.2.11:1814      101      0           0       0.050   0.090   0.099   2.501
[2001:db8::12]:1814  0        3 (100.0%)  0       -       -       -       -
all                  101      3 (2.9%)    0       0.050   0.090   0.099   2.501

<     0.020 ms  20  19.8%  █████████████████████▏
<     0.070 ms  50  49.5%  █████████████████████████████████████████████████████
<     0.200 ms  30  29.7%  ███████████████████████████████▊
<     0.700 ms   0   0.0%
<     2.000 ms   0   0.0%
<     3.000 ms   1   1.0%  █
`},
		{60, 12, `ping every 100ms, for TIME
DAEMON               REPLIES  LOST        P99 ms  MAX ms
192.0.2.11:1814      101      0           0.099   2.501
[2001:db8::12]:1814  0        3 (100.0%)  -       -
all                  101      3 (2.9%)    0.099   2.501

<     0.020 ms  20  19.8%  █████████████▏
<     0.070 ms  50  49.5%  █████████████████████████████████
<     0.200 ms  30  29.7%  ███████████████████▊
<     0.700 ms   0   0.0%
<     2.000 ms   0   0.0%
<     3.000 ms   1   1.0%  ▋
`},
	} {
		got := regexp.MustCompile(`for \S+`).ReplaceAllString(l.text(terminal.StyleFor(&strings.Builder{}), test.width, test.height), "for TIME")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%dx%d: %s\n%s", test.width, test.height, diff, got)
		}
	}
}

// TestLatencyCandidates: who is a candidate no more is not asked any more, and who has
// become one is.
func TestLatencyCandidates(t *testing.T) {
	err := serve.Sample(t.Context(), func(c *client.Client) error {
		server := c.Peers()[0]
		gone, asked := "127.0.0.1:9", 0
		l := latency{
			question: client.Raw(int(wire.RequestPing), nil), interval: time.Millisecond, timeout: time.Minute, count: 5,
			candidates: func() []string {
				if asked++; asked <= 2 {
					return []string{gone}
				}
				return []string{server}
			},
			connect: func(string) (*client.Client, error) {
				return client.New(client.Options{Peers: []string{server}, Key: sample.Key})
			},
		}
		defer l.close()
		if err := l.run(t.Context(), nil); err != nil {
			return err
		}
		got := make(map[string]int64)
		for _, p := range l.peers {
			got[p.name] = p.times.TotalCount()
		}
		if diff := cmp.Diff(map[string]int64{gone: 2, server: 3}, got); diff != "" {
			t.Errorf("replies (-want +got):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
