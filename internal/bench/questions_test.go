package bench

import (
	"strings"
	"testing"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	"gntconfd/internal/sample"
)

func sampleCluster(t *testing.T) *cluster.Snapshot {
	t.Helper()
	c, err := cluster.Parse(sample.Config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mixOf(t *testing.T, text string) []topic {
	t.Helper()
	m, err := ParseMix(text)
	if err != nil {
		t.Fatal(err)
	}
	topics, err := m.about(sampleCluster(t))
	if err != nil {
		t.Fatal(err)
	}
	return topics
}

// Every request type is asked, and the sample cluster has something to ask for.
func TestQuestions(t *testing.T) {
	types := map[wire.RequestType]bool{}
	for _, topic := range mixOf(t, strings.Join(Questions(), ",")) {
		types[topic.typ] = true
		if topic.weight != 1 {
			t.Errorf("type %d has the weight %d", topic.typ, topic.weight)
		}
	}
	for _, typ := range wire.RequestType(0).AllValues() {
		if !types[typ] {
			t.Errorf("no question for type %d", typ)
		}
	}
}

func TestSchedule(t *testing.T) {
	order := schedule(mixOf(t, "ping=5, node-role=3,master"), 1)
	var asked [3]int
	for _, topic := range order {
		asked[topic]++
	}
	if len(order) != 9 || asked != [3]int{5, 3, 1} {
		t.Errorf("order %v", order)
	}
}

func TestBadMix(t *testing.T) {
	for text, says := range map[string]string{
		"":                   `unknown query ""`,
		"ping,pong":          `unknown query "pong"`,
		"ping=0":             `the weight of ping is a number from 1 to 1000, not "0"`,
		"ping=":              `not ""`,
		"ping=1e3":           `not "1e3"`,
		"ping=2,role,ping":   `unknown query "role"`,
		"ping=2,master,ping": `ping comes twice`,
	} {
		if _, err := ParseMix(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What a cluster does not have cannot be asked for.
func TestNothingToAsk(t *testing.T) {
	m, err := ParseMix("instance-disks")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.about(new(cluster.Snapshot)); err == nil || !strings.Contains(err.Error(), "instance-disks") {
		t.Error(err)
	}
}

func TestDraw(t *testing.T) {
	var drawnFrom []int
	queries := draw(10*drawn+5, func(i int) wire.Query {
		drawnFrom = append(drawnFrom, i)
		return wire.Query{}
	})
	if len(queries) != drawn || drawnFrom[0] != 0 || drawnFrom[1] != 10 || drawnFrom[drawn-1] != 10*drawn-6 {
		t.Errorf("%d queries of %v...%d", len(queries), drawnFrom[:2], drawnFrom[len(drawnFrom)-1])
	}
}
