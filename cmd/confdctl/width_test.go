package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/internal/testing/screen"
)

// TestWidths: every command fits terminals of 80 and 120 columns, with and without colours. The
// expected output is in testdata; UPDATE_SCRIPTS=1 rewrites it.
func TestWidths(t *testing.T) {
	serveFor(t)
	t.Setenv("GANETI_ROOTDIR", "/nowhere") // help texts show it
	lines := []string{
		"ping", "role node1", "role ndoe1", "master --details", "nodes", "nodes --output wide", "candidates", "instance-ips br1",
		"locate 203.0.113.10 198.51.100.20 192.0.2.99", "drbd node4", "instances", "instances node7", "instances node7 --output wide",
		"disks mail", "disks sandbox", "disks sandbox --output wide", "config", "config /cluster/nicparams", "config /cluster/motto",
		"collectors", "ask node-drbd node4", "master --all", "drbd node4 --all", "status", "top -n 1", "check", "demo", "--help",
		"role --help", "top --help", "decode --help", "latency --help", "inventory ansible --help",
	}
	port := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	masks := []struct {
		varying *regexp.Regexp
		instead string
	}{
		{regexp.MustCompile(`127\.0\.0\.1:PORT `), "127.0.0.1:12345 "},
		{regexp.MustCompile(` *\d+\.\d+ ms *`), " TIME "},
		{regexp.MustCompile(`\d+\.\n?\d+s;`), "TIME;"},
		{regexp.MustCompile(`\d+ days *`), "AGE "},
		{regexp.MustCompile(`\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  Cluster`), "\nNOW  Cluster"},
	}
	for _, width := range []int{80, 120} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			var plain string
			for _, noColor := range []string{"1", ""} {
				t.Setenv("TERM", "xterm")
				t.Setenv("NO_COLOR", noColor)
				var all strings.Builder
				coloured := 0
				for _, line := range lines {
					if line == "check" {
						line += " --server " + os.Getenv("CONFD_SERVER") // it differs on every machine
					}
					args := append(strings.Fields(line), "--utc")
					if slices.Contains([]string{"nodes", "candidates", "locate", "status", "top"}, args[0]) {
						args = append(args, "--timeout", "60s") // so that names are waited for
					}
					terminal, shown := screen.Open(t, width, 200)
					run(args, terminal, terminal)
					d := shown()
					coloured += d.Colours
					text := d.String()
					if d.Broken > 0 && args[0] != "check" { // which prints one line, for plugins
						t.Errorf("%s: %d lines have more than %d columns:\n%s", line, d.Broken, width, text)
					}
					fmt.Fprintf(&all, "$ confdctl %s\n%s\n", strings.TrimSuffix(line, " --server "+os.Getenv("CONFD_SERVER")), text)
				}
				text := port.ReplaceAllString(all.String(), "127.0.0.1:PORT")
				for _, mask := range masks {
					text = mask.varying.ReplaceAllString(text, mask.instead)
				}
				text = regexp.MustCompile(` +(ok|error), serial (\d+), TIME`).ReplaceAllString(text, "  $1, serial $2, TIME")
				if noColor != "" {
					plain = text
					if coloured > 0 {
						t.Error("there are colours in spite of NO_COLOR")
					}
					continue
				}
				if coloured == 0 {
					t.Error("there are no colours")
				}
				if diff := cmp.Diff(plain, text); diff != "" {
					t.Errorf("coloured it reads otherwise (-plain +coloured):\n%s", diff)
				}
			}
			golden := filepath.Join("testdata", fmt.Sprintf("width-%d.txt", width))
			if os.Getenv("UPDATE_SCRIPTS") != "" {
				if err := os.WriteFile(golden, []byte(plain), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), plain); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
