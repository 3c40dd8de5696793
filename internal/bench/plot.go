package bench

import (
	"bytes"
	_ "embed"
	"html/template"
	"math"
	"slices"
	"strconv"
)

// Plots returns the plots of the report, as SVG, by name. Each answers one question.
func (r *Report) Plots() map[string][]byte {
	plots := map[string][]byte{}
	var names []string
	for _, c := range r.Contestants {
		names = append(names, c.Name)
	}
	writes := chart{title: "CPU time of a write of the configuration, in ms", series: names}
	fresh := chart{title: "From a write to the first answer from it, in ms", series: names}
	latency := chart{title: "Latency of one query at a time, in us", series: names}
	replies := chart{title: "Replies a second, with what is lost", series: names}
	growth := chart{title: "CPU time of a reply, in us", series: names}
	for i := range r.Clusters {
		c := &r.Clusters[i]
		for _, w := range c.Writes {
			name := c.Name + ", " + w.title()
			writes.add(name, w.medians(writeCPU))
			fresh.add(name, w.medians(freshness))
		}
		for _, load := range c.Loads {
			name := c.Name + ", " + load.Name
			if load.Name == oneAtATime {
				latency.add(name+", p50", load.medians(func(f *Figures) float64 { return f.Latency.P50 * 1e6 }))
				latency.add(name+", p99", load.medians(func(f *Figures) float64 { return f.Latency.P99 * 1e6 }))
				continue
			}
			// A latency says nothing of a server that drops what it cannot answer.
			answered := load.medians(perSecond)
			replies.add(name, answered)
			var notes []string
			for i, share := range load.medians(lost) {
				switch {
				case answered[i] == 0:
					notes = append(notes, " replies")
				case share > 0:
					notes = append(notes, ", "+number(share)+" % lost")
				default:
					notes = append(notes, "")
				}
			}
			replies.notes = append(replies.notes, notes)
		}
	}
	for _, name := range grown {
		for i := range r.Clusters {
			for _, q := range r.Clusters[i].Questions {
				if q.Name == name {
					growth.add(r.Clusters[i].Name+", "+q.Name, q.medians(cpu))
				}
			}
		}
	}
	for name, c := range map[string]chart{"writes": writes, "fresh": fresh, "latency": latency, "replies": replies, "growth": growth} {
		if c.drop(); len(c.groups) > 0 {
			plots[name] = c.svg()
		}
	}
	return plots
}

// grown are the queries whose cost is shown as clusters grow: frequent ones, one of a long
// list, and one whose answer has objects.
var grown = []string{"ping", "node-role", "node-ip", "node-ips", "instance-disks", "config-instance"}

// medians returns the median of a figure of each contestant.
func (w *Writing) medians(of func(*Written) float64) []float64 {
	var values []float64
	for _, t := range w.Results {
		values = append(values, median(t.figures(of)))
	}
	return values
}

// medians returns the median of a figure of each contestant.
func (c *Comparison) medians(of func(*Figures) float64) []float64 {
	var values []float64
	for _, r := range c.Results {
		values = append(values, median(r.figures(of)))
	}
	return values
}

// chart is a chart of horizontal bars on a logarithmic scale, in groups of one for
// each series. A value of 0 has no bar, and a label only where there are notes.
type chart struct {
	title  string
	series []string
	groups []string
	values [][]float64 // by group, then series
	notes  [][]string  // behind each value; none if it is nil
}

func (c *chart) add(group string, values []float64) {
	c.groups = append(c.groups, group)
	c.values = append(c.values, values)
}

// drop drops series without any value: those of contestants that were not measured.
func (c *chart) drop() {
	for i := len(c.series) - 1; i >= 0; i-- {
		if slices.ContainsFunc(c.values, func(group []float64) bool { return group[i] > 0 }) {
			continue
		}
		c.series = slices.Delete(slices.Clone(c.series), i, i+1)
		for n := range c.values {
			c.values[n] = slices.Delete(c.values[n], i, i+1)
			if c.notes != nil {
				c.notes[n] = slices.Delete(c.notes[n], i, i+1)
			}
		}
	}
}

//go:embed plot.svg.tmpl
var plotText string

var plotTemplate = template.Must(template.New("plot").Parse(plotText))

// svg draws the chart.
func (c *chart) svg() []byte {
	const (
		width, left, right = 800, 240, 130
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
		data.Legend = append(data.Legend, legend{i, 8 + 150*i, 8 + 150*i + 16, name})
	}
	for power := low; power <= high; power++ {
		v := math.Pow10(int(power))
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if v >= 1000 {
			text = number(v)
		}
		data.Ticks = append(data.Ticks, tick{left + x(v), text})
	}
	y := top + gap
	for i, group := range c.values {
		data.Groups = append(data.Groups, label{y + len(group)*bar/2 + 4, c.groups[i]})
		for series, v := range group {
			text := number(v)
			if c.notes != nil {
				text += c.notes[i][series]
			}
			length := 0.0
			if v > 0 {
				length = max(x(v), 1)
			}
			if v > 0 || c.notes != nil {
				data.Bars = append(data.Bars, rectangle{series, y, y + bar - 2, length, left + length + 5, text})
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
