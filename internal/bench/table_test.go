package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.00123: "0.00123", 0.5: "0.500", 1: "1.00", 9.876: "9.88", 12.34: "12.3", 99.96: "100.0",
		123.4: "123", 1234: "1,234", 1234567: "1,234,567",
	} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func TestSpread(t *testing.T) {
	for want, values := range map[string][]float64{
		"-":                 nil,
		"2.00":              {2},
		"2.00 (1.00..7.00)": {7, 1, 2},
		"3.00 (1.00..10.0)": {10, 4, 1, 2},
	} {
		if got := spread(values); got != want {
			t.Errorf("%v: %s, want %s", values, got, want)
		}
	}
}

// report is one of two daemons and an echo server; the second daemon does not
// answer one of the questions.
func report() *Report {
	figures := func(perSecond, cpu float64) Figures {
		return Figures{PerSecond: perSecond, CPU: cpu / 1e6, Sent: 100, Replies: 100, ReplyBytes: 150, Latency: Latency{1e-4, 2e-4, 3e-4, 4e-4, 5e-4}}
	}
	results := []Result{
		{figures(100_000, 4), figures(110_000, 5), figures(90_000, 4.5)},
		{figures(10_000, 40), figures(11_000, 30), figures(9_000, 45)},
		{figures(200_000, 2), figures(220_000, 5), figures(180_000, 3)},
	}
	refused := figures(100_000, 4)
	refused.Refused = refused.Replies
	return &Report{
		Contestants: []Contestant{{Name: "daemon"}, {Name: "compared"}, {Name: "echo", Echo: true}},
		Clusters: []Cluster{{
			Name:  "3/10",
			Size:  31_000,
			Loads: []Comparison{{"closed loop", results}, {oneAtATime, results}},
			Questions: []Comparison{
				{"ping", results},
				{"instance-ips", []Result{{refused}, nil, results[2]}},
			},
			Loading: []Loading{
				{Contestant: "daemon", Start: []float64{0.01}, Resident: 2e6},
				{Contestant: "compared", Start: []float64{3}, Resident: 1e9},
			},
			Writes: []Writing{
				{"one", 1, []Turn{
					{{0.002, []float64{0.003, 0.005}, results[0][0], 2e6, 3e6}, {0.004, []float64{0.004}, results[0][1], 2e6, 3e6}},
					{{4, []float64{4.5}, results[1][0], 1e9, 2e9}},
					nil,
				}},
				{"removed", 2, []Turn{{{0.006, []float64{0.007}, results[0][0], 2e6, 3e6}}, nil, nil}},
			},
		}},
	}
}

func TestReport(t *testing.T) {
	var out strings.Builder
	if err := report().WriteMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### 3/10: 0.0310 MB of configuration",
		"| query | reply bytes | daemon: CPU us | replies/s | compared: CPU us |",
		"| replies/s | CPU, compared / daemon | echo: CPU us | replies/s | CPU, daemon / echo |",
		"| ping | 150 | 4.50 | 100,000 | 40.0 | 10,000 | 10.0 (6.00..10.0) | 3.00 | 200,000 | 1.50 (1.00..2.00) |",
		"| 3/10 | one object | daemon | 3.00 (2.00..4.00) | 4.00 | 5.00 | 5.00 | 0 | 0.500 | 2.00 | 3.00 |",
		"| 3/10 | one object | compared | 4,000 | 4,500 |",
		"| 3/10 | instance removed | daemon | 6.00 | 7.00 |",
		"| 3/10 | compared | 0.0310 | 3.00 | 1,000 |",
		"100,000 an error |                - | 0 no reply |",
		"| compared |",
		"| closed loop | echo | 200,000 (180,000..220,000) | 3.00 (2.00..5.00) | 1.50 (1.00..2.00) |",
		"compared: the CPU of a daemon / that of daemon, the CPU of daemon / that of an echo server.",
	} {
		if !strings.Contains(squeeze(out.String()), squeeze(want)) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// squeeze makes one space of several.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestPlots(t *testing.T) {
	plots := report().Plots()
	for _, name := range []string{"writes", "fresh", "latency", "replies", "growth"} {
		plot := plots[name]
		bars := 0
		for d := xml.NewDecoder(bytes.NewReader(plot)); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "rect" {
				bars++
			}
		}
		if bars < 4 {
			t.Errorf("%s has %d bars:\n%s", name, bars, plot)
		}
	}
}

func TestSizes(t *testing.T) {
	sizes, err := ParseSizes("3/10, 1000/10000")
	if err != nil || len(sizes) != 2 || sizes[1] != (Size{1000, 10000}) || sizes[0].String() != "3/10" {
		t.Errorf("%v, %v", sizes, err)
	}
	for _, text := range []string{"", "3", "3/x", "3/10,", "1/0", "0/1", "-3/10", "3/-10", "100001/1", "1/1000001", "99999999999999999999/1"} {
		if _, err := ParseSizes(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestReportForPeople: a report fits a terminal, with every figure and no Markdown.
func TestReportForPeople(t *testing.T) {
	for _, width := range []int{0, 80, 120} {
		var out strings.Builder
		if err := report().Write(&out, width); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"3/10: 0.0310 MB of configuration", "start to first answer s", "closed loop", "1.50", "one object", "5.00"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%d columns: lacks %q:\n%s", width, want, &out)
			}
		}
		for line := range strings.Lines(out.String()) {
			if strings.ContainsAny(line, "|#") || width > 0 && utf8.RuneCountInString(line) > width+1 {
				t.Errorf("%d columns: %s", width, line)
			}
		}
	}
}
