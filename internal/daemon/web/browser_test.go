package web

import (
	"bytes"
	"context"
	"fmt"
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

// misfits is a script in a frame. It puts what is wider than the panel that it is in, and
// on wide pages what goes on in a second line, into the title.
const misfits = `<script>
const found = [];
for (const panel of document.querySelectorAll("section"))
  if (panel.scrollWidth > panel.clientWidth) found.push("wide: " + panel.querySelector("h2").textContent);
const oneLine = ["dt", "dd small"];
if (innerWidth < 600) oneLine.pop();
else oneLine.push("dd", "thead th", "#types ~ table tbody th", "#endings ~ table small");
for (const some of oneLine)
  for (const e of document.querySelectorAll(some))
    for (const text of e.childNodes) {
      const range = document.createRange();
      range.selectNodeContents(text);
      if (text.nodeType == Node.TEXT_NODE && text.data.trim() && range.getClientRects().length > 1) found.push("wrapped: " + text.data);
    }
parent.document.title = innerWidth + " " + found.join("; ");
</script>`

// TestBrowserFits: everything has room, on a telephone, a tablet and a desktop, and lines
// that belong together stay whole.
func TestBrowserFits(t *testing.T) {
	f := start(t, Options{})
	f.ask(t, wire.RequestPing)
	_, text := f.get(t, "/?refresh=0")
	text = strings.Replace(text, `<link rel="stylesheet" href="/style.css">`, "<style>"+string(style)+"</style>", 1) + misfits
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if width := r.FormValue("width"); width != "" { // windows are not as narrow as frames
			_, _ = fmt.Fprintf(w, `<iframe src="/" style="border: 0; width: %spx"></iframe>`, width)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	defer page.Close()
	for _, width := range []string{"400", "800", "1400"} {
		document, _ := browse(t, page.URL+"/?width="+width)
		_, title, _ := strings.Cut(document, "<title>")
		title, _, _ = strings.Cut(title, "</title>")
		if strings.TrimSpace(title) != width {
			t.Errorf("%s pixels: %s", width, title)
		}
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
