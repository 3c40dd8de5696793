package manual

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// TestValues: pages show the names of options' values, and no zero values as defaults.
func TestValues(t *testing.T) {
	root := &cobra.Command{Use: "program"}
	sub := &cobra.Command{Use: "sub", Run: func(*cobra.Command, []string) {}}
	root.AddCommand(sub)
	flags := sub.Flags()
	flags.Uint16P("port", "p", 0, "UDP `port`; 0 is another")
	flags.StringP("bind", "b", "", "IP `address`")
	flags.StringSlice("server", nil, "`host` of a daemon")
	flags.String("syslog", "no", "syslog `mode`")
	flags.Lookup("syslog").NoOptDefVal = "yes"
	flags.Duration("timeout", 2*time.Second, "how long to wait")
	flags.Duration("for", 0, "how long to ask")
	nameValues(root)
	var page bytes.Buffer
	if err := doc.GenMan(sub, nil, &page); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(`\fB`, "", `\fP`, "").Replace(page.String())
	for _, want := range []string{
		"-p, --port=port\n\tUDP port; 0 is another\n", "-b, --bind=address\n\tIP address\n", "--server=host\n\thost of a daemon\n",
		"--syslog[=mode]\n\tsyslog mode (default no)\n", "--timeout=duration\n\thow long to wait (default 2s)\n", "--for=duration\n\thow long to ask\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

// TestPlainSwitches: options that take no value are shown without one.
func TestPlainSwitches(t *testing.T) {
	dir := t.TempDir()
	root := &cobra.Command{Use: "program", Run: func(*cobra.Command, []string) {}}
	root.Flags().BoolP("all", "a", false, "all of it")
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1"}, dir); err != nil {
		t.Fatal(err)
	}
	if err := plainSwitches(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "program.1"))
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.NewReplacer(`\fB`, "", `\fP`, "").Replace(string(page)); !strings.Contains(text, "-a, --all\n\tall of it") {
		t.Errorf("the page has\n%s", text)
	}
}
