package ganeti

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNodePaths(t *testing.T) {
	t.Setenv("GANETI_ROOTDIR", "/some/root")
	want := Paths{
		Config: "/some/root/var/lib/ganeti/config.data",
		Key:    "/some/root/var/lib/ganeti/hmac.key",
		Log:    "/some/root/var/log/ganeti/conf-daemon.log",
		PID:    "/some/root/var/run/ganeti/ganeti-confd.pid",

		Family:     "/some/root/var/lib/ganeti/ssconf_primary_ip_family",
		Candidates: "/some/root/var/lib/ganeti/ssconf_master_candidates_ips",
		Nodes:      "/some/root/var/lib/ganeti/ssconf_node_list",
		Instances:  "/some/root/var/lib/ganeti/ssconf_instance_list",
	}
	if got := NodePaths(); got != want {
		t.Errorf("%+v", got)
	}
}

func TestDefaultAddr(t *testing.T) {
	dir := t.TempDir()
	for content, test := range map[string]struct {
		want string
		err  string
	}{
		"missing": {want: "0.0.0.0"},
		"2\n":     {want: "0.0.0.0"},
		" 2 ":     {want: "0.0.0.0"},
		"10\n":    {want: "invalid IP"}, // the zero address: both families
		"7\n":     {err: `address family "7" is neither`},
		"":        {err: `address family "" is neither`},
	} {
		p := Paths{Family: filepath.Join(dir, "family")}
		if content == "missing" {
			os.Remove(p.Family)
		} else if err := os.WriteFile(p.Family, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		addr, err := p.DefaultAddr()
		switch {
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%q: error %v", content, err)
		case test.err == "" && (err != nil || addr.String() != test.want):
			t.Errorf("%q: %v, %v", content, addr, err)
		}
	}
}

func TestReadCandidates(t *testing.T) {
	p := Paths{Candidates: filepath.Join(t.TempDir(), "candidates")}
	if _, err := p.ReadCandidates(); err == nil {
		t.Error("a missing list is read")
	}
	for text, want := range map[string][]string{"": nil, "192.0.2.1\n192.0.2.2\n": {"192.0.2.1", "192.0.2.2"}} {
		if err := os.WriteFile(p.Candidates, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := p.ReadCandidates(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
