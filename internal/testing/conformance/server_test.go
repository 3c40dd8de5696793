package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/testing/interop/judges"
	"gntconfd/internal/testing/lacking"
	"gntconfd/internal/testing/vectors"
	specvectors "gntconfd/spec/vectors"
)

// TestOwn runs all vectors of all dialects against this project's daemon, which must pass
// them all.
func TestOwn(t *testing.T) {
	o := testOptions(t, Own)
	var err error
	if o.Dialects, err = Dialects(specvectors.Files); err != nil {
		t.Fatal(err)
	}
	expect(t, o, func(r *Result) Verdict { return Passed })
}

// TestGaneti runs the vectors against Ganeti's own daemons, which fail exactly those about
// their release's deviations.
func TestGaneti(t *testing.T) {
	deviations, err := readDeviations()
	if err != nil {
		t.Fatal(err)
	}
	for _, judge := range judges.All() {
		t.Run(judge.Release, func(t *testing.T) {
			o := testOptions(t, ganeti(t, judge))
			name := "ganeti-" + judge.Release + ".txt"
			list, err := specvectors.Files.ReadFile("known-failing/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if o.Known, err = ReadKnownFailing(bytes.NewReader(list), name); err != nil {
				t.Fatal(err)
			}
			expect(t, o, func(r *Result) Verdict {
				if slices.ContainsFunc(deviations, func(d deviation) bool { return d.ID == r.Deviation && d.of(judge.Release) }) {
					return Known
				}
				return Passed
			})
		})
	}
}

// TestGanetiAsRecorded checks what the vectors say about Ganeti's own daemons, including
// deviations.
func TestGanetiAsRecorded(t *testing.T) {
	for _, judge := range judges.All() {
		t.Run(judge.Release, func(t *testing.T) {
			o := testOptions(t, ganeti(t, judge))
			o.Ganeti = judge.Release
			expect(t, o, func(r *Result) Verdict { return Passed })
		})
	}
}

// ganeti returns how to start Ganeti's own ganeti-confd of a release, or skips the test.
func ganeti(t *testing.T, judge judges.Judge) Start {
	t.Helper()
	if err := judge.Check(); err != nil {
		lacking.Skip(t, "%v", err)
	}
	start, err := Command(judge.Args("127.0.0.1", "{port}")...)
	if err != nil {
		t.Fatal(err)
	}
	return start
}

// The vectors are recorded from exactly the available reference daemons.
func TestReleases(t *testing.T) {
	var got []string
	for _, judge := range judges.All() {
		got = append(got, judge.Release)
	}
	if want := vectors.Releases[vectors.Dialect]; !slices.Equal(got, want) {
		t.Errorf("the judges are of %v, the vectors of %v", got, want)
	}
}

// expect runs vectors and checks the verdict on each.
func expect(t *testing.T, o Options, verdict func(*Result) Verdict) {
	t.Helper()
	report, err := RunServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) == 0 {
		t.Error("no vector was run")
	}
	for _, r := range report.Results {
		if want := verdict(r); r.Verdict != want {
			t.Errorf("%s: %s, want %s: %s", r.ID, r.Verdict, want, r.text())
		}
	}
	for _, problem := range report.Problems {
		t.Error(problem)
	}
}

// subject returns how to start the test's own program as an implementation.
func subject(t *testing.T, mode string) Start {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(subjectMode, mode)
	start, err := Command(program, "{config}", "{key}", "{port}", "{clock}")
	if err != nil {
		t.Fatal(err)
	}
	return start
}

func TestCommand(t *testing.T) {
	for _, mode := range []string{"arguments", "environment"} {
		t.Run(mode, func(t *testing.T) {
			o := testOptions(t, subject(t, mode))
			o.Run = regexp.MustCompile(`^3\.0/orders/`)
			expect(t, o, func(*Result) Verdict { return Passed })
		})
	}
}

func TestMissingCommand(t *testing.T) {
	if _, err := Command("no-such-ganeti-confd"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("Command = %v, want %v", err, exec.ErrNotFound)
	}
}

// With a stopped clock the edges of the time window are exact.
func TestClock(t *testing.T) {
	o := testOptions(t, subject(t, "clock"))
	o.Run = regexp.MustCompile(`^3\.0/clock/`)
	o.Clock = 1700000000
	expect(t, o, func(*Result) Verdict { return Passed })
}

func TestCommandThatDoesNotStart(t *testing.T) {
	o := testOptions(t, subject(t, "ends"))
	o.Run = regexp.MustCompile(`^3\.0/orders/`)
	expect(t, o, func(r *Result) Verdict {
		if !strings.Contains(r.Problem, "exit status 1; it wrote: subject on port") || !strings.Contains(r.Problem, "no time for") {
			t.Errorf("%s: problem %q does not tell how it ended", r.ID, r.Problem)
		}
		return Failed
	})
}

// A daemon that exits fails the vector that it was running, and is started again for the
// next.
func TestCommandThatCrashes(t *testing.T) {
	o := testOptions(t, subject(t, "crash"))
	o.Run = regexp.MustCompile(`^3\.0/(orders|ipv6)/`)
	expect(t, o, func(r *Result) Verdict {
		if r.ID != "3.0/orders/fields" && r.ID != "3.0/ipv6/master" {
			return Passed
		}
		if !strings.Contains(r.Problem, "the daemon exited: exit status 1") || !strings.Contains(r.Problem, "asked for the master") {
			t.Errorf("%s: problem %q does not tell how it ended", r.ID, r.Problem)
		}
		return Failed
	})
}

func TestRunning(t *testing.T) {
	o := testOptions(t, nil)
	config, err := specvectors.Files.ReadFile("configs/orders.json")
	if err != nil {
		t.Fatal(err)
	}
	server, err := Own(t.Context(), Setup{Dialect: "3.0", Config: config, Key: o.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	o.Start = Running(server.Target.Addr, "orders", o.Key)
	o.Run = regexp.MustCompile(`^3\.0/(orders|keys|names)/`)
	expect(t, o, func(r *Result) Verdict {
		if r.Area() == "3.0/orders" {
			return Passed
		}
		return Skipped
	})
}

// A configuration for which an implementation answers nothing is distinguished from one
// with which it does not start.
func TestMute(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	o := testOptions(t, Running(conn.LocalAddr().(*net.UDPAddr).AddrPort(), "small", []byte("key")))
	o.Key = []byte("key")
	g := &group{setup: Setup{Name: "small", Key: o.Key, Mute: true}}
	for _, datagram := range []string{"", "plj0"} {
		silent := &test{result: new(Result)}
		silent.Raw, silent.Outcome = []byte(datagram), vectors.DroppedSize
		g.vectors = append(g.vectors, silent)
	}
	o.runGroup(t.Context(), g, func(int) {})
	for _, silent := range g.vectors {
		if silent.result.Verdict != Passed {
			t.Errorf("%q: %s: %s", silent.Raw, silent.result.Verdict, silent.result.Problem)
		}
	}
}

func TestReadable(t *testing.T) {
	for text, want := range map[string]string{
		"plj0{}": "plj0{}", "é": "é", "\xe9": `\xe9`, "a\n\x7f": `a\x0a\x7f`,
	} {
		if got := readable([]byte(text)); got != want {
			t.Errorf("readable(%q) = %q, want %q", text, got, want)
		}
	}
	if got := readable(bytes.Repeat([]byte("q"), 61440)); len(got) > 2*shown || !strings.HasSuffix(got, "... (61440 bytes)") {
		t.Errorf("a long text becomes %q", got)
	}
}

// The list of known failures of a Ganeti release contains its deviations that datagrams can
// show, with the text "real" of spec/deviations.json.
func TestKnownFailingOfGaneti(t *testing.T) {
	deviations, err := readDeviations()
	if err != nil {
		t.Fatal(err)
	}
	for _, judge := range judges.All() {
		t.Run(judge.Release, func(t *testing.T) { knownFailingOf(t, judge.Release, deviations) })
	}
}

func knownFailingOf(t *testing.T, release string, deviations []deviation) {
	list, err := specvectors.Files.ReadFile("known-failing/ganeti-" + release + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			got = append(got, line)
		}
	}
	shown := make(map[string]bool) // by scenarios
	files, err := vectors.LoadScenarios(specvectors.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, s := range file.Scenarios {
			shown[s.Deviation] = true
		}
	}
	for _, d := range deviations {
		if (d.Scope == "datagram" || shown[d.ID]) && d.of(release) {
			want = append(want, fmt.Sprintf("deviation:%s  # %s", d.ID, d.Real))
		}
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the list is\n%s\nwant\n%s", g, w)
	}
}

func TestDialects(t *testing.T) {
	got, err := Dialects(specvectors.Files)
	if err != nil || len(got) == 0 || got[0] != "3.0" {
		t.Errorf("Dialects = %v, %v, want 3.0 first", got, err)
	}
}
