package show

import (
	"strings"
	"testing"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/roster"
)

// TestUnknownRole: a node whose role could not be found out is not shown as the master, which
// has the number 0.
func TestUnknownRole(t *testing.T) {
	table := nodeTable(&roster.Roster{Nodes: []roster.Node{
		{Name: "node1", PrimaryIP: "192.0.2.1"}, {Name: "node2", PrimaryIP: "192.0.2.2", Role: client.RoleMaster},
	}})
	for i, want := range []string{"unknown", "master"} {
		if got := table.Rows[i][1].Text; got != want {
			t.Errorf("%s is shown as %s, want %s:\n%s", table.Rows[i][0].Text, got, want, strings.Join(table.Lines(false, 0), "\n"))
		}
	}
}
