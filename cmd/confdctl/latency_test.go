package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"gntconfd/client"
	"gntconfd/internal/sample"
	"gntconfd/internal/sample/serve"
	"gntconfd/internal/testing/screen"
)

// TestLatencyOnTerminal checks the display on a terminal, which is updated repeatedly.
func TestLatencyOnTerminal(t *testing.T) {
	key := filepath.Join(t.TempDir(), "hmac.key")
	if err := os.WriteFile(key, sample.Key, 0o400); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, noColor string
		coloured      bool
	}{
		{"coloured", "", true},
		{"plain", "1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("TERM", "linux")
			t.Setenv("NO_COLOR", test.noColor)
			const width = 90
			terminal, shown := screen.Open(t, width, 24)
			var stderr strings.Builder
			err := serve.Sample(t.Context(), func(c *client.Client) error {
				args := []string{"latency", "-s", c.Peers()[0], "-k", key, "-t", "60s", "-i", "5ms", "-d", "500ms"}
				if code := run(args, terminal, &stderr); code != 0 {
					return fmt.Errorf("exit code %d: %s", code, &stderr)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			d := shown()
			text := d.String()
			for _, once := range []string{"ping every 5ms", "DAEMON", "127.0.0.1:"} {
				if strings.Count(text, once) != 1 {
					t.Errorf("%q is not there once:\n%s", once, text)
				}
			}
			longest := 0
			for line := range strings.Lines(text) {
				longest = max(longest, utf8.RuneCountInString(line)-1)
			}
			if longest != width {
				t.Errorf("the longest bar ends in column %d of %d:\n%s", longest, width, text)
			}
			if d.Colours > 0 != test.coloured {
				t.Errorf("coloured %d times", d.Colours)
			}
			if !d.Cursor || !d.Wraps {
				t.Errorf("leaves the terminal with cursor %t, long lines in full %t", d.Cursor, d.Wraps)
			}
		})
	}
}
