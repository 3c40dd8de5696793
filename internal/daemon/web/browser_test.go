package web

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/testing/lacking"
)

// browse loads a page in Chromium. It returns the resulting document and the browser's
// complaints.
func browse(t *testing.T, url string) (document string, complaints []string) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		lacking.Skip(t, "%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	browser := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--enable-logging=stderr", "--user-data-dir="+t.TempDir(), "--dump-dom", url)
	var stdout, stderr bytes.Buffer
	browser.Stdout, browser.Stderr = &stdout, &stderr
	if err := browser.Run(); err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "CONSOLE") {
			complaints = append(complaints, line)
		}
	}
	return stdout.String(), complaints
}

func TestBrowser(t *testing.T) {
	f := start(t, Options{})
	f.ask(t, wire.RequestPing)
	document, complaints := browse(t, "http://"+f.Addr().String()+"/?refresh=0")
	for _, want := range []string{
		"<title>Ready · cluster.example.org · ganeti-confd</title>", `<h2 id="latency">Latency</h2>`, "</footer>",
	} {
		if !strings.Contains(document, want) {
			t.Errorf("no %s in\n%s", want, document)
		}
	}
	if complaints != nil {
		t.Errorf("the browser complains: %s", complaints)
	}
}

// The policy is active, and the browser reports violations.
func TestBrowserRefusesScripts(t *testing.T) {
	page := httptest.NewServer(secure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<title>before</title><link rel="icon" href="/icon.svg"><script>document.title = "after"</script>`))
	})))
	defer page.Close()
	document, complaints := browse(t, page.URL)
	if !strings.Contains(document, "<title>before</title>") {
		t.Errorf("a script ran:\n%s", document)
	}
	if !strings.Contains(strings.Join(complaints, ""), "Content Security Policy") {
		t.Errorf("the browser complains only of %q", complaints)
	}
}
