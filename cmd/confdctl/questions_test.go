package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/ask"
	"gntconfd/internal/sample"
	"gntconfd/internal/sample/serve"
)

// TestQuestionsToGaneti: each command prints the same about the sample cluster, whichever daemon
// it asks.
func TestQuestionsToGaneti(t *testing.T) {
	theirs := startGaneti(t)
	key := filepath.Join(t.TempDir(), "hmac.key")
	if err := os.WriteFile(key, sample.Key, 0o400); err != nil {
		t.Fatal(err)
	}
	varying := regexp.MustCompile(`rtt_us"?: \d+|\d+\.\d\d ms *|127\.0\.0\.1:\d+`)
	put := func(c *client.Client, args []string) (text string, code int) {
		var out bytes.Buffer
		code = run(append(args, "--server", c.Peers()[0], "--key-file", key, "--timeout", "10s"), &out, &out)
		return varying.ReplaceAllString(out.String(), ""), code
	}
	lines := []string{
		"ping", "role node1", "role node6.example.org", "role node9", "master", "master --details", "nodes", "candidates",
		"instance-ips", "instance-ips --link br1", "instance-ips --link br9", "locate 203.0.113.25",
		"locate 203.0.113.10 203.0.113.99", "locate --link br1 198.51.100.20 2001:db8:2::40", "drbd node4", "drbd node8",
		"drbd node9", "instances node7", "instances node2", "instances node9", "disks mail", "disks sandbox", "disks nothing",
		"config /cluster/cluster_name", "config cluster/nicparams", "config /filters", "config /cluster/motto", "collectors",
		"ask ping", "ask 3", "ask node-drbd node4",
	}
	asked := map[string]bool{}
	err := serve.Sample(t.Context(), func(ours *client.Client) error {
		for _, line := range lines {
			asked[strings.Fields(line)[0]] = true
			for _, form := range []string{"", "--output json", "--output yaml", "--all"} {
				args := strings.Fields(line + " " + form)
				want, wantCode := put(theirs, args)
				got, gotCode := put(ours, args)
				if diff := cmp.Diff(want, got); diff != "" || wantCode != gotCode || gotCode == exitNoReply {
					t.Errorf("%v: exit code %d, of Ganeti %d (-Ganeti +ours):\n%s", args, gotCode, wantCode, diff)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, command := range ask.Commands() {
		if !asked[command.Name()] {
			t.Errorf("%s is not asked", command.Name())
		}
	}
}
