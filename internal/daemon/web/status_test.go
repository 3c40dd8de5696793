package web

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	"gntconfd/internal/reload"
	"gntconfd/internal/sample"
	"gntconfd/internal/server"
)

// wellFormed checks that every opened element is closed, and returns the text of the page.
func wellFormed(t *testing.T, html string) string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(html))
	d.Strict = false
	d.AutoClose = xml.HTMLAutoClose
	d.Entity = xml.HTMLEntity
	var text strings.Builder
	var open []string
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("in %v: %v", open, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			for _, attr := range token.Attr {
				if name := attr.Name.Local; name == "style" || strings.HasPrefix(name, "on") {
					t.Errorf("<%s> has the attribute %s, which the policy forbids", token.Name.Local, name)
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			text.Write(token)
			text.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

func TestStatusPage(t *testing.T) {
	f := start(t, Options{})
	f.ask(t, wire.RequestPing, wire.RequestNodeRoleByName)
	_, html := f.get(t, "/")
	text := wellFormed(t, html)
	for _, want := range []string{
		"Ready", "cluster.example.org", "node1.example.org", "192.0.2.10", "Serial number 73 file 412; layout of", "42.1 kB",
		"loaded in 3 ms", "Last error: none", "0 ping 1 0", "1 node-role 0 1",
		"answered_error got an error 1", "Listening on " + f.server.Addr().String(), "Stop refreshing",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !strings.Contains(html, `<meta http-equiv="refresh" content="5">`) {
		t.Error("the page does not refresh itself")
	}
	if _, html = f.get(t, "/?refresh=0"); strings.Contains(html, `http-equiv="refresh"`) {
		t.Error("the page refreshes itself though told not to")
	}
	for _, never := range []string{"<script", "javascript:", "<style"} {
		if strings.Contains(html, never) {
			t.Errorf("the page has %s", never)
		}
	}
}

// Text from the configuration and from errors stays text, whatever it looks like.
func TestStatusPageEscapes(t *testing.T) {
	f := start(t, Options{})
	const evil = `\"><script>alert(1)</script>`
	snapshot, err := cluster.Parse(bytes.ReplaceAll(sample.Config, []byte("cluster.example.org"), []byte(evil)))
	if err != nil {
		t.Fatal(err)
	}
	f.state.Store(&reload.State{Snapshot: snapshot, Err: errors.New("<img src=x>")})
	_, html := f.get(t, "/")
	text := wellFormed(t, html)
	if strings.Contains(html, "<script") || strings.Contains(html, "<img") {
		t.Errorf("text became markup:\n%s", html)
	}
	for _, want := range []string{`"><script>alert(1)</script>`, "Degraded serving an old configuration (serial 73): <img src=x> (gnt-cluster redist-conf on the master distributes it again)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestStatusPageWithoutConfiguration(t *testing.T) {
	f := start(t, Options{})
	f.state.Store(&reload.State{Err: errors.New("broken"), Failures: 3})
	_, html := f.get(t, "/")
	text := wellFormed(t, html)
	for _, want := range []string{"Not ready no configuration: broken", "Loads so far: 0, failed: 3.", "No replies yet"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestHistory(t *testing.T) {
	var h history
	begin := time.Unix(1000, 0)
	for i := range 3 * remembered {
		var counts server.Counts
		counts.IPv4 = uint64(2 * i)
		last := netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 100)})
		h.add(begin.Add(time.Duration(i)*time.Second), counts, []netip.Addr{last})
	}
	samples := h.window()
	if len(samples) != remembered+1 {
		t.Fatalf("%d samples", len(samples))
	}
	got := rates(samples, func(c *server.Counts) uint64 { return c.IPv4 })
	for i, rate := range got {
		if rate != 2 {
			t.Fatalf("rate %d is %v", i, rate)
		}
	}
	callers := h.recent()
	if len(callers) != maxCallers {
		t.Fatalf("%d callers", len(callers))
	}
	for i, c := range callers {
		if want := begin.Add(time.Duration(3*remembered-1-i) * time.Second); !c.Last.Equal(want) {
			t.Errorf("caller %d was last seen at %v, want %v", i, c.Last, want)
		}
	}
}

func TestQuantile(t *testing.T) {
	bounds := []uint64{10, 20, 40}
	var h server.Histogram
	h.Buckets[1], h.Buckets[2] = 10, 10
	for q, want := range map[float64]float64{0: 10, 0.25: 15, 0.5: 20, 0.75: 30, 1: 40} {
		if got := quantile(&h, bounds, q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	h.Buckets[3] = 1000
	if got := quantile(&h, bounds, 0.99); got != 40 {
		t.Errorf("above all bounds: %v", got)
	}
}

func TestDraw(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		points string
	}{
		{nil, ""},
		{[]float64{5}, "100,5"},
		{[]float64{0, 10}, "75,10 100,0"},
		{[]float64{0, 0, 0, 0, 10}, "0,10 75,10 100,0"},
		{[]float64{10.0 / 3}, "100,6.7"},
	} {
		if got := draw(tt.values, 5, 10, 100, 10); got.Points != tt.points {
			t.Errorf("%v: %q, want %q", tt.values, got.Points, tt.points)
		}
	}
	if got := draw([]float64{0, 0}, 2, 0, 100, 10).Points; got != "0,10 100,10" {
		t.Errorf("nothing at all: %q", got)
	}
	for value, want := range map[float64]float64{0: 1, 0.3: 1, 1: 1, 1.1: 2, 3: 5, 7: 10, 10: 10, 101: 200, 499: 500} {
		if got := ceiling(value); got != want {
			t.Errorf("ceiling of %v: %v", value, got)
		}
	}
}

func TestNumbersAsText(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{count(7), "7"}, {count(999), "999"}, {count(1000), "1\u202f000"}, {count(uint64(1234567)), "1\u202f234\u202f567"},
		{perSecond(0), "0"}, {perSecond(0.01), "0.1"}, {perSecond(9.94), "9.9"}, {perSecond(2), "2"}, {perSecond(12345.6), "12\u202f346"},
		{inBytes(999), "999 bytes"}, {inBytes(42113), "42.1 kB"}, {inBytes(3_100_000), "3.1 MB"},
		{nanos(36300), "36.3\u202fµs"}, {nanos(2.5e6), "2.5\u202fms"}, {nanos(3e9), "3\u202fs"}, {nanos(12), "12\u202fns"},
		{percent(0), "0.0 %"}, {percent(0.01), "< 0.1 %"}, {percent(100), "100.0 %"},
		{span(-time.Second), "0\u202fs"}, {span(59 * time.Second), "59\u202fs"}, {span(70 * time.Second), "1\u202fmin 10\u202fs"},
		{span(2 * time.Hour), "2\u202fh"}, {span(50 * time.Hour), "2\u202fd 2\u202fh"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// luminance is the relative luminance of a colour as WCAG 2 defines it.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	rgb, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 24)
	if err != nil || len(colour) != 7 {
		t.Fatalf("colour %q: %v", colour, err)
	}
	channel := func(shift int) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Text is readable and lines are visible in light and dark mode.
func TestContrast(t *testing.T) {
	day, night, found := strings.Cut(string(style), "prefers-color-scheme: dark")
	if !found {
		t.Fatal("no dark mode")
	}
	colour := regexp.MustCompile(`(--[\w-]+): (#[0-9a-f]{6});`)
	for name, css := range map[string]string{"light": day, "dark": night} {
		colours := map[string]string{}
		for _, m := range colour.FindAllStringSubmatch(css, -1) {
			colours[m[1]] = m[2]
		}
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"--text", "--page", 4.5}, {"--text", "--panel", 4.5},
			{"--muted", "--page", 4.5}, {"--muted", "--panel", 4.5},
			{"--link", "--page", 4.5}, {"--good", "--good-back", 4.5}, {"--bad", "--bad-back", 4.5},
			{"--replies", "--panel", 3}, {"--refusals", "--panel", 3},
			{"--replies", "--replies-back", 3}, {"--refusals", "--replies-back", 3},
		} {
			if got := contrast(t, colours[pair.front], colours[pair.back]); got < pair.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f, less than %v", name, pair.front, pair.back, got, pair.least)
			}
		}
	}
}
