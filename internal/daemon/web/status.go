package web

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/reload"
	"gntconfd/internal/server"

	"github.com/go-faster/jx"
)

// refresh is how often the page reloads itself, in seconds.
const refresh = 5

// recently is how many of the last samples make up the current rate.
const recently = 10

// page is the data of the status page.
type page struct {
	Host     string
	Refresh  int // in seconds; 0 for never
	Paused   bool
	Verdict  string // Ready, Degraded (an old configuration is served) or Not ready
	Problem  string // why the daemon is not ready
	Advice   string // what to do about it
	Config   *configuration
	State    reload.State
	Replies  chart
	Refusals chart
	Top      float64 // the top of both charts, per second
	Counts   server.Counts
	Received uint64
	Rate     float64 // of all datagrams
	Types    []row
	Endings  []row
	Latency  latency
	Callers  []caller
	Build    build
	Started  time.Time
	Addr     string
	Now      time.Time
	Span     time.Duration // of the charts
}

// configuration is what the page shows of a snapshot.
type configuration struct {
	Cluster, Master, MasterIP string
	Version                   string
	Serial, FileSerial        int64
	Nodes, Candidates         int
	Instances, Links          int
}

// row is a row of a table: a counter's name, value and recent rate.
type row struct {
	Name       string
	Number     int    // of a request type
	Meaning    string // of a disposition
	OK, Errors uint64
	Rate       float64
	Chart      chart
}

// latency has the recent latencies of replies.
type latency struct {
	Replies     uint64
	Median, P99 float64 // in nanoseconds
	Bars        []bar
}

// bar is the share of replies that took at most a bound, and longer than the previous
// bound.
type bar struct {
	Bound string
	Share float64 // in percent
	Width float64 // in percent of the longest bar
}

// meanings describes each disposition.
var meanings = [...]string{
	server.Answered:        "got an answer",
	server.AnsweredError:   "got an error",
	server.DroppedSize:     "too short or too long",
	server.DroppedMagic:    "not a confd datagram",
	server.DroppedJSON:     "no readable envelope",
	server.DroppedHMAC:     "not signed with the cluster’s key",
	server.DroppedClock:    "timestamp more than 5 minutes off",
	server.DroppedRequest:  "signed, but not a valid request",
	server.DroppedDisabled: "no configuration yet",
	server.WriteError:      "the reply could not be sent",
}

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": count, "perSecond": perSecond, "bytes": inBytes, "percent": percent,
	"nanos": nanos, "took": func(d time.Duration) string { return nanos(float64(d)) },
	"ago":   func(now, then time.Time) string { return span(now.Sub(then)) },
	"span":  span,
	"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}).Parse(pageText))

// status serves the status page. With the query refresh=0 it does not refresh itself.
func (s *Site) status(w http.ResponseWriter, r *http.Request) {
	p := s.page(time.Now())
	if r.URL.Query().Get("refresh") == "0" {
		p.Paused = true
	}
	var text bytes.Buffer
	if err := pageTemplate.Execute(&text, p); err != nil {
		s.source.Logger.Error("cannot render the status page", "error", err)
		http.Error(w, "cannot render the status page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(text.Bytes())
}

func (s *Site) page(at time.Time) *page {
	state := s.source.State()
	samples := s.history.window()
	counts := s.source.Server.Counts()
	host, _ := os.Hostname()
	p := &page{
		Host:    host,
		Refresh: refresh,
		Verdict: "Ready",
		Problem: unready(state),
		State:   state,
		Counts:  counts,
		Callers: s.history.recent(),
		Build:   readBuild(),
		Started: s.started,
		Addr:    s.source.Server.Addr().String(),
		Now:     at,
		Span:    remembered * sampleInterval,
	}
	switch {
	case p.Problem != "" && state.Snapshot != nil:
		p.Verdict, p.Advice = "Degraded", ganeti.Redistribute
	case p.Problem != "":
		p.Verdict = "Not ready"
	}
	if state.Snapshot != nil {
		p.Config = describe(state.Snapshot)
	}
	p.Received = counts.IPv4 + counts.IPv6
	p.Rate = recentRate(rates(samples, func(c *server.Counts) uint64 { return c.IPv4 + c.IPv6 }))
	p.traffic(samples)
	p.latency(samples)
	return p
}

// traffic fills in the charts and tables of p.
func (p *page) traffic(samples []moment) {
	replied := func(c *server.Counts) uint64 {
		return c.Dispositions[server.Answered] + c.Dispositions[server.AnsweredError]
	}
	replies := rates(samples, replied)
	refusals := rates(samples, func(c *server.Counts) uint64 {
		var all uint64
		for _, n := range c.Dispositions {
			all += n
		}
		return all - replied(c)
	})
	p.Top = ceiling(slices.Concat(replies, refusals)...)
	p.Replies = draw(replies, remembered, p.Top, 720, 160)
	p.Refusals = draw(refusals, remembered, p.Top, 720, 160)

	for t, name := range wire.RequestWords {
		q := p.Counts.Queries[t]
		p.Types = append(p.Types, makeRow(samples, row{
			Name: name, Number: t,
			OK: q[wire.StatusOK], Errors: q[wire.StatusError] + q[wire.StatusNotImplemented],
		}, func(c *server.Counts) uint64 {
			return c.Queries[t][wire.StatusOK] + c.Queries[t][wire.StatusError] + c.Queries[t][wire.StatusNotImplemented]
		}))
	}
	for d, meaning := range meanings {
		p.Endings = append(p.Endings, makeRow(samples, row{
			Name: server.Disposition(d).String(), Meaning: meaning, OK: p.Counts.Dispositions[d],
		}, func(c *server.Counts) uint64 { return c.Dispositions[d] }))
	}
}

// makeRow completes a row with the recent rate of a counter.
func makeRow(samples []moment, r row, counter func(*server.Counts) uint64) row {
	list := rates(samples, counter)
	r.Rate = recentRate(list)
	r.Chart = draw(list, remembered, slices.Max(append(list, 0)), 120, 24)
	return r
}

// recentRate returns the average of the most recent rates.
func recentRate(list []float64) float64 {
	last := list[max(0, len(list)-recently):]
	var sum float64
	for _, rate := range last {
		sum += rate
	}
	return sum / float64(max(1, len(last)))
}

// latency fills in the recent latencies.
func (p *page) latency(samples []moment) {
	if len(samples) == 0 {
		return
	}
	h := since(p.Counts.Durations, samples[0].counts.Durations)
	p.Latency.Replies = h.Count()
	if p.Latency.Replies == 0 {
		return
	}
	p.Latency.Median = quantile(&h, server.DurationBounds[:], 0.5)
	p.Latency.P99 = quantile(&h, server.DurationBounds[:], 0.99)
	highest := slices.Max(h.Buckets[:])
	some := func(n uint64) bool { return n > 0 }
	first := slices.IndexFunc(h.Buckets[:], some)
	for i, n := range h.Buckets {
		if i < first || !slices.ContainsFunc(h.Buckets[i:], some) {
			continue
		}
		b := bar{
			Bound: "longer",
			Share: 100 * float64(n) / float64(p.Latency.Replies),
			Width: 100 * float64(n) / float64(highest),
		}
		if i < len(server.DurationBounds) {
			b.Bound = "up to " + nanos(float64(server.DurationBounds[i]))
		}
		p.Latency.Bars = append(p.Latency.Bars, b)
	}
}

// describe returns what the page shows of a snapshot.
func describe(snapshot *cluster.Snapshot) *configuration {
	c := &configuration{
		MasterIP: snapshot.MasterIP,
		Version:  fmt.Sprintf("%d.%d", snapshot.Version/1_000_000, snapshot.Version/10_000%100),
		Serial:   snapshot.Serial, FileSerial: snapshot.ConfigSerial,
		Nodes: len(snapshot.Nodes), Instances: len(snapshot.Instances), Links: len(snapshot.Links),
	}
	if name, err := snapshot.AppendValue(nil, "/cluster/cluster_name", 1<<10); err == nil {
		c.Cluster, _ = jx.DecodeBytes(name).Str() // anything but a text is no name
	}
	if i, match := snapshot.FindNode(snapshot.MasterNode); match == cluster.Found {
		c.Master = snapshot.Nodes[i].Name
	}
	for _, node := range snapshot.Nodes {
		if node.Candidate {
			c.Candidates++
		}
	}
	return c
}

// count formats a number with narrow spaces between groups of three digits.
func count(n any) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// perSecond formats a rate.
func perSecond(rate float64) string {
	switch {
	case rate == 0:
		return "0"
	case rate < 10:
		return strings.TrimSuffix(strconv.FormatFloat(max(rate, 0.1), 'f', 1, 64), ".0")
	}
	return count(int64(rate + 0.5))
}

// inBytes formats a number of bytes.
func inBytes(n int) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}

// nanos formats a number of nanoseconds with three digits.
func nanos(n float64) string {
	for _, unit := range []struct {
		name  string
		nanos float64
	}{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}, {"ns", 1}} {
		if n >= unit.nanos || unit.nanos == 1 {
			return strconv.FormatFloat(n/unit.nanos, 'g', 3, 64) + "\u202f" + unit.name
		}
	}
	return ""
}

// percent formats a share.
func percent(share float64) string {
	if share > 0 && share < 0.1 {
		return "< 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", share)
}

// span formats a duration in its two largest units.
func span(d time.Duration) string {
	n := int64(max(d, 0).Seconds())
	switch {
	case n < 60:
		return units(n, "s", 0, "")
	case n < 3600:
		return units(n/60, "min", n%60, "s")
	case n < 86400:
		return units(n/3600, "h", n/60%60, "min")
	}
	return units(n/86400, "d", n/3600%24, "h")
}

// units formats a value in two units, omitting the smaller one if it is 0.
func units(large int64, largeUnit string, small int64, smallUnit string) string {
	text := fmt.Sprintf("%d\u202f%s", large, largeUnit)
	if small > 0 {
		text += fmt.Sprintf(" %d\u202f%s", small, smallUnit)
	}
	return text
}
