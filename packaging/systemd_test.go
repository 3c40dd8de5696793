package packaging

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"gntconfd/internal/testing/lacking"
)

// analyze runs systemd-analyze and fails the test if it reports problems.
func analyze(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		lacking.Skip(t, "systemd is not installed: apt-get install systemd")
	}
	cmd := exec.Command("systemd-analyze", args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_PAGER=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", cmd, err, out)
	}
	// It exits with success even if it warns.
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "ganeti-confd.s") && strings.Contains(line, ", ignoring") {
			t.Error(line)
		}
	}
}

// The exposure is in tenths: 15 means 1.5.
func TestServiceIsConfined(t *testing.T) {
	analyze(t, "security", "--offline=true", "--threshold=15", "systemd/ganeti-confd.service")
}

func TestUnitsAreUnderstood(t *testing.T) {
	if _, err := os.Stat("/usr/sbin/ganeti-confd"); err != nil {
		lacking.Skip(t, "the units name /usr/sbin/ganeti-confd, which is not installed")
	}
	analyze(t, "verify", "--man=no", "systemd/ganeti-confd.service", "systemd/ganeti-confd.socket")
}
