package clientside

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/lacking"
	"gntconfd/internal/testing/specfiles"
	"gntconfd/spec/vectors"
)

// run runs a client through the scenarios that match a pattern.
func run(t *testing.T, command []string, matching string, known *conformance.KnownFailing) *conformance.Report {
	t.Helper()
	o := Options{Command: command, Files: vectors.Files}
	o.Run, o.Known = regexp.MustCompile(matching), known
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// pass fails the test unless everything passed and nothing was skipped, except for
// addresses that not every machine has.
func pass(t *testing.T, report *conformance.Report) {
	t.Helper()
	for _, result := range report.Results {
		if result.Verdict == conformance.Skipped && result.ID != "request/ipv6" {
			t.Errorf("%s: %s", result.ID, result.Problem)
		}
	}
	if report.Failed() {
		var text strings.Builder
		if err := report.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		t.Error(text.String())
	}
}

// TestHonest shows that the scenarios can be passed by a client that shares no code with
// this project's own.
func TestHonest(t *testing.T) {
	t.Parallel()
	report := run(t, honest(""), "", nil)
	pass(t, report)
	if got := len(report.Results); got < 100 {
		t.Errorf("%d scenarios, want at least 100", got)
	}
}

// TestMutants runs clients with one defect each: the scenario about that defect must fail.
func TestMutants(t *testing.T) {
	t.Parallel()
	for defect, scenario := range map[string]string{
		"other magic":          "request/magic",
		"more in the envelope": "request/envelope",
		"blank first":          "request/compact",
		"trims the key":        "request/hmac",
		"signs without salt":   "request/hmac-no-newline",
		"fraction of a second": "request/timestamp",
		"local time":           "request/clock",
		"milliseconds":         "request/clock",
		"unknown member":       "request/members",
		"protocol as text":     "request/protocol",
		"no rsalt":             "request/rsalt",
		"same rsalt":           "request/rsalt-unique",
		"raw UTF-8":            "request/ascii",
		"sends too much":       "request/too-large",
		"floods":               "request/few",
		"type as text":         "query/ping",
		"no query":             "query/node-role",
		"rounds numbers":       "reply/serial",
		"wants small digits":   "reply/hmac-capital",
		"takes any signature":  "forged/other-key",
		"takes unsigned":       "forged/unsigned",
		"takes any salt":       "forged/other-salt",
		"takes any source":     "forged/other-port",
		"dies of garbage":      "forged/garbage",
		"waits too long":       "timing/late",
		"asks one":             "several/all",
		"asks all":             "several/two-of-three",
		"takes the first":      "several/newer-last",
		"takes the last":       "several/newer-first",
		"forgets the status":   "several/error-newer",
		"counts replies":       "several/stale-twice",
		"other id":             "query/ping",
	} {
		t.Run(defect, func(t *testing.T) {
			t.Parallel()
			report := run(t, honest(defect), "^"+scenario+"$", nil)
			if len(report.Results) != 1 || report.Results[0].Verdict != conformance.Failed {
				t.Errorf("%s does not fail", scenario)
			}
		})
	}
}

// TestReplay: a client that accepts any salt accepts the reply to an earlier question.
func TestReplay(t *testing.T) {
	t.Parallel()
	report := run(t, honest("takes any salt"), "^timing/former", nil)
	if got := report.Count()[conformance.Failed]; got != 3 {
		t.Errorf("%d scenarios fail, want 3", got)
	}
}

// TestLost: a client that dies is started again for the next scenario.
func TestLost(t *testing.T) {
	t.Parallel()
	report := run(t, honest("dies of garbage"), "^forged/(garbage|other-key)$", nil)
	got := make(map[string]conformance.Verdict)
	for _, result := range report.Results {
		got[result.ID] = result.Verdict
		if result.ID == "forged/garbage" && !strings.Contains(result.Problem, "it wrote: garbage") {
			t.Errorf("the problem does not quote the client: %s", result.Problem)
		}
	}
	if got["forged/garbage"] != conformance.Failed || got["forged/other-key"] != conformance.Passed {
		t.Errorf("verdicts %v", got)
	}
}

func TestNoClient(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"no program":  {"/nonexistent"},
		"no features": honest("no features"),
		"ends":        {"true"},
		"other words": {"echo", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Run(t.Context(), Options{Command: command, Files: vectors.Files}); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestSkip: scenarios for features that a client has not declared are skipped.
func TestSkip(t *testing.T) {
	t.Parallel()
	script := `echo '{"features": []}'; cat >/dev/null`
	report := run(t, []string{"sh", "-c", script}, "^several/all$", nil)
	if report.Failed() || report.Count()[conformance.Skipped] != 1 {
		t.Errorf("verdicts %v", report.Count())
	}
}

// TestGaneti runs Ganeti's own Python library through the scenarios: it fails exactly those
// on its list of known failures.
func TestGaneti(t *testing.T) {
	t.Parallel()
	const (
		python  = "/usr/bin/python3"
		library = "/usr/share/ganeti/3.0"
	)
	for _, need := range []string{python, library + "/ganeti/confd/client.py"} {
		if _, err := os.Stat(need); err != nil {
			lacking.Skip(t, "%v", err)
		}
	}
	list, err := os.Open("../../../../spec/vectors/known-failing/python-confdclient-3.0.2.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	known, err := conformance.ReadKnownFailing(list, list.Name())
	if err != nil {
		t.Fatal(err)
	}
	adapter, err := filepath.Abs("../../../../spec/vectors/clients/ganeti_client.py")
	if err != nil {
		t.Fatal(err)
	}
	pass(t, run(t, []string{"env", "PYTHONPATH=" + library, python, adapter}, "", known))
}

func load(t *testing.T) []Scenario {
	t.Helper()
	scenarios, err := Load(vectors.Files)
	if err != nil {
		t.Fatal(err)
	}
	return scenarios
}

func TestFilesMatchSchema(t *testing.T) {
	read := func(name string) any { return specfiles.Value(t, vectors.Files, name) }
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("clients.schema.json", read("clients/clients.schema.json")); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("clients.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	areas := make(map[string]bool)
	for _, s := range load(t) {
		area, _, _ := strings.Cut(s.ID, "/")
		areas[area] = true
	}
	for area := range areas {
		if err := schema.Validate(read("clients/" + area + ".json")); err != nil {
			t.Error(err)
		}
	}
}

// TestScenarios checks what the schema cannot express.
func TestScenarios(t *testing.T) {
	ids, notes := make(map[string]bool), make(map[string]string)
	used, types := make(map[string]bool), make(map[int64]bool)
	for _, s := range load(t) {
		if ids[s.ID] {
			t.Errorf("%s: duplicate", s.ID)
		}
		ids[s.ID] = true
		if other, ok := notes[s.Note]; ok {
			t.Errorf("%s: same note as %s", s.ID, other)
		}
		notes[s.Note] = s.ID
		listening := s.servers()
		if got := slices.Contains(s.Features, "coverage"); got != (len(listening) > 1) {
			t.Errorf("%s: %d servers, and the feature coverage: %v", s.ID, len(listening), got)
		}
		if got := slices.Contains(s.Features, "ipv6"); got != s.IPv6 {
			t.Errorf("%s: ipv6: %v, and the feature ipv6: %v", s.ID, s.IPv6, got)
		}
		for i, q := range s.Questions {
			types[q.Type] = true
			for _, check := range q.Checks {
				used[check] = true
				if checks[check] == nil {
					t.Errorf("%s: no check %s", s.ID, check)
				}
			}
			if q.Coverage > len(listening) {
				t.Errorf("%s: asks %d of %d servers", s.ID, q.Coverage, len(listening))
			}
			for _, step := range q.Replies {
				if step.Server >= len(listening) || !listening[step.Server] {
					t.Errorf("%s: server %d does not listen", s.ID, step.Server)
				}
				if strings.Contains(step.Salt, "{former}") && i == 0 {
					t.Errorf("%s: nothing was asked before the first question", s.ID)
				}
				if step.Answer != nil && step.Inner != "" {
					t.Errorf("%s: a reply has both an answer and an inner", s.ID)
				}
			}
		}
	}
	for check := range checks {
		if !used[check] {
			t.Errorf("no scenario uses the check %s", check)
		}
	}
	for typ := range int64(12) {
		if !types[typ] {
			t.Errorf("no scenario asks for type %d", typ)
		}
	}
}

// TestREADME: every check is explained.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../../../spec/vectors/clients/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for check := range checks {
		if !bytes.Contains(text, []byte("| `"+check+"` |")) {
			t.Errorf("the check %s is not explained", check)
		}
	}
}

// TestExample runs the client in the README.
func TestExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../spec/vectors/clients/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(text), "```python\n")
	code, _, closed := strings.Cut(code, "```\n")
	if !ok || !closed {
		t.Fatal("the README has no example")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		lacking.Skip(t, "%v", err)
	}
	report := run(t, []string{python, "-c", code}, "", nil)
	for _, result := range report.Results {
		if result.Verdict == conformance.Failed {
			t.Errorf("%s: %s", result.ID, result.Problem)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no files":       {},
		"broken file":    {"clients/x.json": {Data: []byte(`{`)}},
		"unknown member": {"clients/x.json": {Data: []byte(`{"scenarios": [{"id": "x/y", "colour": 1}]}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Load(files); err == nil {
				t.Errorf("Load = %v, want an error", got)
			}
		})
	}
}
