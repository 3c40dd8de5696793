package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/internal/testing/specfiles"
	"gntconfd/spec/vectors"
)

// requestRules is a type of request in one dialect, as in spec/requests.json.
type requestRules struct {
	Queries               map[string]struct{ Outcome string }
	Answer, Serial, Order string
}

// TestRequests: the vectors, of which those of dialect 3.0 are recorded, reply to each kind of
// query as spec/requests.json says, with an answer that has its shape, serial and order.
func TestRequests(t *testing.T) {
	errors := readErrors(t)
	unseen := make(map[string]bool)
	rules := make(map[string]requestRules) // by dialect and type
	for number, one := range readRequests(t) {
		for dialect, r := range one {
			key := fmt.Sprintf("%s %d", dialect, number)
			rules[key] = r
			for kind := range r.Queries {
				unseen[key+" "+kind] = true
			}
		}
	}
	for _, file := range load(t) {
		if file.Area == "unavailable-config" || file.Area == "incomplete-config" {
			continue // everything gets the same error
		}
		for _, v := range file.Vectors {
			if v.Reply == nil {
				continue
			}
			number := requestType(t, &v)
			dialect := spoken(t, file.Dialect, v.Content())
			r, ok := rules[dialect+" "+number]
			if !ok {
				t.Errorf("%s: requests.json has no type %s", v.ID, number)
				continue
			}
			kind := queryKind(t, &v, dialect)
			delete(unseen, dialect+" "+number+" "+kind)
			// TestErrors says which errors an answer may become.
			outcome := r.Queries[kind].Outcome
			unavailable := errors.named("ConfigMissing").MatchString(v.Reply.text()) || errors.named("ConfigUnreadable").MatchString(v.Reply.text())
			if outcome != "answer" && !unavailable && (v.Reply.Status == 0 || !errors.named(outcome).MatchString(v.Reply.text())) {
				t.Errorf("%s: query of the kind %s gets %s, while requests.json has %s", v.ID, kind, v.Reply.Answer, outcome)
			}
			checkAnswer(t, &v, r)
			if v.Reply.Status == 0 && !v.Reply.Unordered && file.Dialect == Dialect {
				checkOrder(t, &v, r)
			}
		}
	}
	for name := range unseen {
		if strings.HasPrefix(name, Dialect) { // of the other dialect there are not so many
			t.Errorf("no vector has a query as %s", name)
		}
	}
}

// TestChecks: the outcomes of vectors that get no reply have the words of spec/datagram.json.
func TestChecks(t *testing.T) {
	var table struct{ Daemon []struct{ Word string } }
	specfiles.Read(t, "datagram.json", &table)
	var words []Outcome
	for _, check := range table.Daemon {
		words = append(words, Outcome("dropped:"+check.Word))
	}
	want := []Outcome{DroppedSize, DroppedMagic, DroppedJSON, DroppedHMAC, DroppedClock, DroppedRequest, DroppedDisabled}
	if !slices.Equal(words, want) {
		t.Errorf("%q, want %q", words, want)
	}
}

// checkAnswer checks the shape and the serial of a reply.
func checkAnswer(t *testing.T, v *Vector, r requestRules) {
	t.Helper()
	member := map[int64]string{0: "ok", 1: "error"}[v.Reply.Status]
	if r.Answer != "" && member != "" && !bytes.Contains(v.Reply.Answer, []byte("{")) || v.Reply.Status == 0 {
		schema := specfiles.Schema(t, r.Answer+"/properties/"+member)
		var answer any
		if v.Reply.Answer != nil {
			var err error
			if answer, err = jsonschema.UnmarshalJSON(bytes.NewReader(v.Reply.Answer)); err != nil {
				t.Fatal(err)
			}
		}
		if err := schema.Validate(answer); err != nil && r.Answer != "answers.json#/definitions/NodeInstances" && r.Answer != "answers.json#/definitions/InstanceDisks" {
			t.Errorf("%s: %v", v.ID, err) // vectors of those two have objects with faults
		}
	}
	if v.Reply.Serial == nil || r.Serial == "configuration" {
		return
	}
	if v.Reply.Status != 0 || r.Serial == "none" {
		if *v.Reply.Serial != 0 {
			t.Errorf("%s: serial %d, want 0", v.ID, *v.Reply.Serial)
		}
		return
	}
	config, err := readObjects(v.Content())
	if err != nil {
		return // only the daemon can read it
	}
	serials := map[string][]object{"cluster": {config.Cluster}, "node": values(config.Nodes), "instance": values(config.Instances)}
	if !slices.ContainsFunc(serials[r.Serial], func(o object) bool { return o.serial() == *v.Reply.Serial }) {
		t.Errorf("%s: serial %d, which is not that of any %s", v.ID, *v.Reply.Serial, r.Serial)
	}
}

// checkOrder checks the order of an answer.
func checkOrder(t *testing.T, v *Vector, r requestRules) {
	t.Helper()
	config, err := readObjects(v.Content())
	if err != nil {
		return
	}
	switch r.Order {
	case "text-ascending":
		var texts []string
		if err := json.Unmarshal(v.Reply.Answer, &texts); err != nil {
			t.Fatal(err)
		}
		if !slices.IsSorted(texts) {
			t.Errorf("%s: not in ascending order", v.ID)
		}
	case "keys-descending":
		var texts, want []string
		if err := json.Unmarshal(v.Reply.Answer, &texts); err != nil {
			t.Fatal(err)
		}
		keys := slices.Sorted(maps.Keys(config.Nodes))
		slices.Reverse(keys)
		for _, key := range keys {
			node := config.Nodes[key]
			if strings.HasSuffix(r.Answer, "NodePIPList") || node.Candidate {
				want = append(want, node.PrimaryIP)
			}
		}
		if !slices.Equal(texts, want) {
			t.Errorf("%s: %q, want %q", v.ID, texts, want)
		}
	case "instances-ascending":
		var lists [][]json.RawMessage
		if err := json.Unmarshal(v.Reply.Answer, &lists); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(r.Answer, "NodeDRBD") {
			return // instances are there by their names, which may be there twice
		}
		for _, list := range lists {
			var uuids []string
			for _, text := range list {
				var instance object
				if err := json.Unmarshal(text, &instance); err != nil {
					t.Fatal(err)
				}
				for key, other := range config.Instances {
					if other.UUID == instance.UUID {
						uuids = append(uuids, key)
					}
				}
			}
			if !slices.IsSorted(uuids) && len(uuids) == len(list) {
				t.Errorf("%s: instances in the order %q", v.ID, uuids)
			}
		}
	}
}

// object is what the rules say of a node, an instance or the cluster.
type object struct {
	UUID      string      `json:"uuid"`
	Serial    json.Number `json:"serial_no"`
	PrimaryIP string      `json:"primary_ip"`
	Candidate bool        `json:"master_candidate"`
}

// serial returns the serial number as the daemon has it: rounded, and of 64 bits.
func (o object) serial() int64 {
	number, ok := new(big.Rat).SetString(o.Serial.String())
	if !ok {
		return -1
	}
	if !number.IsInt() {
		double, _ := number.Float64()
		return int64(math.RoundToEven(double))
	}
	return new(big.Int).And(number.Num(), new(big.Int).SetUint64(1<<64-1)).Int64()
}

type objects struct {
	Cluster   object            `json:"cluster"`
	Nodes     map[string]object `json:"nodes"`
	Instances map[string]object `json:"instances"`
}

func readObjects(c Content) (objects, error) {
	var o objects
	err := readConfigInto(c, &o)
	return o, err
}

// readConfigInto reads what v has of a configuration of the vectors.
func readConfigInto(c Content, v any) error {
	text, err := c.Read(vectors.Files)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	return err
}

func values(objects map[string]object) []object { return slices.Collect(maps.Values(objects)) }

// queryKind returns the kind of a vector's query in a dialect.
func queryKind(t *testing.T, v *Vector, dialect string) string {
	t.Helper()
	var request struct{ Query any }
	if err := json.Unmarshal(requestText(v), &request); err != nil {
		t.Fatalf("%s: %v", v.ID, err)
	}
	return kindOf(request.Query, dialect)
}

// kindOf returns the kind of a query in a dialect.
func kindOf(query any, dialect string) string {
	empty := func(yes bool, kind, empty string) string {
		if yes && dialect == ClassicDialect {
			return empty
		}
		return kind
	}
	switch query := query.(type) {
	case bool:
		return empty(!query, "true", "false")
	case float64:
		return empty(query == 0, "true", "false")
	case json.Number:
		number, _ := query.Float64() // infinite when it is out of range
		return empty(number == 0, "true", "false")
	case string:
		return empty(query == "", "text", "empty-text")
	case []any:
		return empty(len(query) == 0, "list", "empty-list")
	case map[string]any:
		return empty(len(query) == 0, "object", "empty-object")
	}
	return "none"
}
