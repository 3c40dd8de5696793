package bench

import (
	"bytes"
	_ "embed"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Plots returns the plots of the report, as SVG, by name.
func (r *Report) Plots() map[string][]byte {
	plots := map[string][]byte{}
	add := func(name string, c chart) {
		if len(c.groups) > 0 {
			plots[name] = c.svg()
		}
	}
	var names []string
	for _, c := range r.Contestants {
		names = append(names, c.Name)
	}
	loading := chart{title: "Start to first answer, and rename to fresh answer, in seconds"}
	memory := chart{title: "Resident memory after loading, and its peak while loading anew, in MB"}
	growth := chart{title: "CPU time of a reply in us, as clusters grow", series: names}
	for i := range r.Clusters {
		c := &r.Clusters[i]
		name := strings.ReplaceAll(c.Name, "/", "-")
		add("latency-"+name, c.latencies(names))
		add("cpu-"+name, c.questions("CPU time of a reply in us, with nodes/instances "+c.Name, names, cpu))
		add("replies-"+name, c.questions("Replies a second, with nodes/instances "+c.Name, names, perSecond))
		if c.Loading == nil {
			continue
		}
		loading.series = nil
		for _, l := range c.Loading {
			loading.series = append(loading.series, l.Contestant)
		}
		memory.series = loading.series
		loading.add(c.Name+" start", c.loaded(func(l *Loading) float64 { return median(l.Start) }))
		loading.add(c.Name+" fresh", c.loaded(func(l *Loading) float64 { return median(l.Fresh) }))
		memory.add(c.Name+" loaded", c.loaded(func(l *Loading) float64 { return float64(l.Resident) / 1e6 }))
		memory.add(c.Name+" peak", c.loaded(func(l *Loading) float64 { return median(l.Peak) / 1e6 }))
	}
	for _, s := range simple {
		for i := range r.Clusters {
			for _, q := range r.Clusters[i].Questions {
				if q.Name == s.question.name {
					growth.add(q.Name+" "+r.Clusters[i].Name, q.medians(cpu))
				}
			}
		}
	}
	add("loading", loading)
	add("memory", memory)
	add("growth", growth)
	return plots
}

// medians returns the median of a figure of each contestant.
func (c *Comparison) medians(of func(*Figures) float64) []float64 {
	var values []float64
	for _, r := range c.Results {
		values = append(values, median(r.figures(of)))
	}
	return values
}

// questions shows one figure of each question.
func (c *Cluster) questions(title string, names []string, of func(*Figures) float64) chart {
	shown := chart{title: title, series: names}
	for _, q := range c.Questions {
		shown.add(q.Name, q.medians(of))
	}
	return shown
}

// latencies shows the percentiles of the latency under each load.
func (c *Cluster) latencies(names []string) chart {
	shown := chart{title: "Latency in us, with " + c.Name, series: names}
	for _, load := range c.Loads {
		for _, p := range []struct {
			name string
			of   func(Latency) float64
		}{
			{"p50", func(l Latency) float64 { return l.P50 }},
			{"p99", func(l Latency) float64 { return l.P99 }},
			{"p99.9", func(l Latency) float64 { return l.P999 }},
		} {
			shown.add(load.Name+", "+p.name, load.medians(func(f *Figures) float64 { return p.of(f.Latency) * 1e6 }))
		}
	}
	return shown
}

// loaded returns a figure of each daemon.
func (c *Cluster) loaded(of func(*Loading) float64) []float64 {
	var values []float64
	for i := range c.Loading {
		values = append(values, of(&c.Loading[i]))
	}
	return values
}

// chart is a chart of horizontal bars on a logarithmic scale, in groups of one for
// each series. A value of 0 has no bar.
type chart struct {
	title  string
	series []string
	groups []string
	values [][]float64 // by group, then series
}

func (c *chart) add(group string, values []float64) {
	c.groups = append(c.groups, group)
	c.values = append(c.values, values)
}

//go:embed plot.svg.tmpl
var plotText string

var plotTemplate = template.Must(template.New("plot").Parse(plotText))

// svg draws the chart.
func (c *chart) svg() []byte {
	const (
		width, left, right = 800, 170, 80
		top, bar, gap      = 62, 12, 8
	)
	// The scale goes in powers of ten from below the least value to above the
	// largest one.
	low, high := math.Inf(1), math.Inf(-1)
	for _, group := range c.values {
		for _, v := range group {
			if v > 0 {
				low, high = min(low, math.Floor(math.Log10(v))), max(high, math.Ceil(math.Log10(v)))
			}
		}
	}
	if low > high {
		low, high = 0, 1
	}
	high = max(high, low+1)
	x := func(v float64) float64 {
		return math.Round(10*(math.Log10(v)-low)/(high-low)*(width-left-right)) / 10
	}

	type legend struct {
		Series, X, TextX int
		Name             string
	}
	type tick struct {
		X     float64
		Label string
	}
	type label struct {
		Y    int
		Name string
	}
	type rectangle struct {
		Series, Y, TextY int
		Width, TextX     float64
		Label            string
	}
	var data struct {
		Title                                           string
		Width, Height, Top, Bottom, TickY, LabelX, Left int
		BarHeight                                       int
		Legend                                          []legend
		Ticks                                           []tick
		Groups                                          []label
		Bars                                            []rectangle
	}
	data.Title, data.Width, data.Top, data.Left = c.title, width, top, left
	data.LabelX, data.BarHeight = left-8, bar-2
	for i, name := range c.series {
		data.Legend = append(data.Legend, legend{i, left + 120*i, left + 120*i + 16, name})
	}
	for power := low; power <= high; power++ {
		v := math.Pow10(int(power))
		data.Ticks = append(data.Ticks, tick{left + x(v), strconv.FormatFloat(v, 'f', -1, 64)})
	}
	y := top + gap
	for i, group := range c.values {
		data.Groups = append(data.Groups, label{y + len(group)*bar/2 + 4, c.groups[i]})
		for series, v := range group {
			if v > 0 {
				data.Bars = append(data.Bars, rectangle{series, y, y + bar - 2, max(x(v), 1), left + x(v) + 5, number(v)})
			}
			y += bar
		}
		y += gap
	}
	data.Bottom, data.TickY, data.Height = y, y+16, y+28

	var out bytes.Buffer
	if err := plotTemplate.Execute(&out, data); err != nil {
		panic(err) // nothing in it depends on what was measured
	}
	return out.Bytes()
}
