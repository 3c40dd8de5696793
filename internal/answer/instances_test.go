package answer

import (
	"strconv"
	"testing"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

// Minors are written exactly as their codec writes them, whatever the names.
func TestWriteMinor(t *testing.T) {
	names := []string{"node1.example.org", "", `"quoted\` + "\n", "nœud"}
	snapshot := new(cluster.Snapshot)
	for _, name := range names {
		snapshot.Nodes = append(snapshot.Nodes, cluster.Node{Name: name})
	}
	b := Prepare(snapshot)
	for node, name := range names {
		for peer := range names {
			m := cluster.Minor{Minor: int64(peer) << 40, Instance: name + ".instance", Disk: int32(peer), Peer: int32(peer), Primary: peer == node}
			want := wire.NodeMinor{
				Node:     name,
				Minor:    m.Minor,
				Instance: m.Instance,
				Disk:     "disk/" + strconv.Itoa(peer),
				Role:     wire.MinorRoleSecondary,
				Peer:     names[peer],
			}
			if m.Primary {
				want.Role = wire.MinorRolePrimary
			}
			var e jx.Encoder
			want.Encode(&e)
			var w jx.Writer
			b.writeMinor(&w, node, &m)
			if w.String() != e.String() {
				t.Errorf("%s, want %s", w.String(), e.String())
			}
		}
	}
}
