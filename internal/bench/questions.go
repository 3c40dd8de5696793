package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

// A question is one way of using a request type.
type question struct {
	name string
	typ  wire.RequestType
	// queries returns what can be asked about a cluster: nothing where it has
	// nothing of the kind.
	queries func(c *cluster.Snapshot) []wire.Query
}

// questions has every question. The first of each request type bears its name
// on confdctl's command line.
var questions = []question{
	{"ping", wire.RequestPing, nothing},
	{"node-role", wire.RequestNodeRoleByName, nodeNames},
	{"node-role-by-uuid", wire.RequestNodeRoleByName, nodeUUIDs},
	{"node-ip", wire.RequestNodePIPByInstanceIP, addresses},
	{"master", wire.RequestClusterMaster, nothing},
	{"node-ips", wire.RequestNodePIPList, nothing},
	{"candidate-ips", wire.RequestMCPIPList, nothing},
	{"instance-ips", wire.RequestInstanceIPsList, nothing},
	{"node-drbd", wire.RequestNodeDRBD, nodeNames},
	{"node-instances", wire.RequestNodeInstances, nodeNames},
	{"instance-disks", wire.RequestInstanceDisks, instanceNames},
	{"instance-disks-by-uuid", wire.RequestInstanceDisks, instanceUUIDs},
	{"config", wire.RequestConfigQuery, func(*cluster.Snapshot) []wire.Query { return texts("/cluster/cluster_name") }},
	{"config-instance", wire.RequestConfigQuery, instancePointers},
	{"config-disk", wire.RequestConfigQuery, diskPointers},
	{"collectors", wire.RequestDataCollectors, nothing},
}

// Questions returns the names of all questions.
func Questions() []string {
	var names []string
	for _, q := range questions {
		names = append(names, q.name)
	}
	return names
}

// drawn is how many different queries of a question are asked at most.
const drawn = 1024

// draw returns at most drawn queries, spread evenly over n objects.
func draw(n int, query func(i int) wire.Query) []wire.Query {
	queries := make([]wire.Query, min(n, drawn))
	for i := range queries {
		queries[i] = query(i * n / len(queries))
	}
	return queries
}

func texts(list ...string) []wire.Query {
	return draw(len(list), func(i int) wire.Query { return wire.NewStringQuery(list[i]) })
}

func nothing(*cluster.Snapshot) []wire.Query { return make([]wire.Query, 1) }

func nodeNames(c *cluster.Snapshot) []wire.Query {
	return draw(len(c.Nodes), func(i int) wire.Query { return wire.NewStringQuery(c.Nodes[i].Name) })
}

func nodeUUIDs(c *cluster.Snapshot) []wire.Query {
	return draw(len(c.Nodes), func(i int) wire.Query { return wire.NewStringQuery(c.Nodes[i].UUID) })
}

func instanceNames(c *cluster.Snapshot) []wire.Query {
	return draw(len(c.Instances), func(i int) wire.Query { return wire.NewStringQuery(c.Instances[i].Name) })
}

func instanceUUIDs(c *cluster.Snapshot) []wire.Query {
	return draw(len(c.Instances), func(i int) wire.Query { return wire.NewStringQuery(c.Instances[i].UUID) })
}

func instancePointers(c *cluster.Snapshot) []wire.Query {
	return draw(len(c.Instances), func(i int) wire.Query {
		return wire.NewStringQuery("/instances/" + c.Instances[i].UUID + "/name")
	})
}

func diskPointers(c *cluster.Snapshot) []wire.Query {
	var keys []string
	for i := range c.Instances {
		keys = append(keys, c.Instances[i].Disks...)
	}
	return draw(len(keys), func(i int) wire.Query { return wire.NewStringQuery("/disks/" + keys[i] + "/size") })
}

func addresses(c *cluster.Snapshot) []wire.Query {
	link := c.Links[c.DefaultLink]
	if link == nil {
		return nil
	}
	return draw(len(link.IPs), func(i int) wire.Query {
		return wire.NewQueryParametersQuery(wire.QueryParameters{IP: wire.NewOptNilString(link.IPs[i])})
	})
}

// A Mix is a number of questions and how often each is asked in relation to the
// others.
type Mix []share

type share struct {
	question question
	weight   int
}

// ParseMix reads a mix: names of questions with weights of at least 1, such as
// "ping=5,node-role=3". A weight of 1 may be left out.
func ParseMix(text string) (Mix, error) {
	var m Mix
	for _, part := range strings.Split(text, ",") {
		name, number, weighted := strings.Cut(strings.TrimSpace(part), "=")
		i := slices.IndexFunc(questions, func(q question) bool { return q.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown query %q", name)
		}
		weight := 1
		if weighted {
			var err error
			if weight, err = strconv.Atoi(number); err != nil || weight < 1 || weight > 1000 {
				return nil, fmt.Errorf("the weight of %s is a number from 1 to 1000, not %q", name, number)
			}
		}
		if slices.ContainsFunc(m, func(s share) bool { return s.question.name == name }) {
			return nil, fmt.Errorf("%s comes twice", name)
		}
		m = append(m, share{questions[i], weight})
	}
	return m, nil
}

// A topic is a question about a certain cluster.
type topic struct {
	typ     wire.RequestType
	weight  int
	queries []wire.Query // at least one
}

// about returns m's questions about a cluster.
func (m Mix) about(c *cluster.Snapshot) ([]topic, error) {
	var topics []topic
	for _, s := range m {
		t := topic{s.question.typ, s.weight, s.question.queries(c)}
		if len(t.queries) == 0 {
			return nil, fmt.Errorf("%s: the cluster has nothing to ask for", s.question.name)
		}
		topics = append(topics, t)
	}
	return topics, nil
}

// schedule returns an order in which to ask about topics over and over, by their
// index: each as often as its weight, in no apparent order.
func schedule(topics []topic, seed uint64) []int {
	var order []int
	for i, t := range topics {
		order = append(order, slices.Repeat([]int{i}, t.weight)...)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}
