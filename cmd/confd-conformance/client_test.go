package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestClient(t *testing.T) {
	// This client never sends anything, and always reports the same.
	const script = `echo '{"features": []}'; while read -r order; do echo '{"id": "timing/silence#1", "error": "no-reply"}'; done`
	for name, test := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string // parts of them
	}{
		"list":            {[]string{"client", "--list", "--run", "^timing/sil"}, exitOK, "timing/silence\tno reply\n", ""},
		"pass":            {[]string{"client", "--run", "^timing/silence$", "--", "sh", "-c", script}, exitOK, "1 of 1 passed", ""},
		"fail":            {[]string{"client", "--run", "^request/magic$", "--", "sh", "-c", script}, exitFailed, "FAILED request/magic", ""},
		"skip":            {[]string{"client", "--run", "^several/all$", "--tap", "--", "sh", "-c", script}, exitOK, "ok 1 - several/all # SKIP", ""},
		"no client":       {[]string{"client"}, exitError, "", "put its command after --"},
		"no dashes":       {[]string{"client", "sh"}, exitError, "", `"sh": put the client to test after --`},
		"no features":     {[]string{"client", "--", "true"}, exitError, "", `client true: it closed its output before its first line, {"features": [...]}; exit status 0`},
		"no such program": {[]string{"client", "--", "/nonexistent"}, exitError, "", "/nonexistent"},
		"no scenario":     {[]string{"client", "--run", "nothing", "--", "sh", "-c", script}, exitError, "", "no test matches --run"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(test.args, &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(stdout.String(), test.stdout) {
				t.Errorf("stdout %q, want %q in it", &stdout, test.stdout)
			}
			if !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("stderr %q, want %q in it", &stderr, test.stderr)
			}
		})
	}
}
