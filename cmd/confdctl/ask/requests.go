package ask

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
	"gntconfd/internal/advice"
	"gntconfd/internal/terminal"
)

// requests describes the answer and the query of every request type.
var requests = [...]struct{ answer, query string }{
	wire.RequestPing:                {"the configuration's version", ""},
	wire.RequestNodeRoleByName:      {"a node's role", "node"},
	wire.RequestNodePIPByInstanceIP: {"the primary IP of the node that runs an instance", "parameters 0, 1, 2"},
	wire.RequestClusterMaster:       {"the master's name, or other fields", "nothing or parameter 3"},
	wire.RequestNodePIPList:         {"the primary IPs of all nodes", ""},
	wire.RequestMCPIPList:           {"the primary IPs of the master candidates", ""},
	wire.RequestInstanceIPsList:     {"the addresses of all instances on a link", "nothing or link"},
	wire.RequestNodeDRBD:            {"a node's DRBD minors", "node"},
	wire.RequestNodeInstances:       {"a node's instances", "node"},
	wire.RequestInstanceDisks:       {"an instance's disks", "instance"},
	wire.RequestConfigQuery:         {"a part of the configuration", "JSON pointer"},
	wire.RequestDataCollectors:      {"the state of the data collectors", ""},
}

// requestsHelp is the table of request types for a help text, indented so that manual
// pages keep it.
func requestsHelp() string {
	t := terminal.Table{Head: []string{"TYPE", "", "ANSWER", "QUERY"}}
	for typ, r := range requests {
		t.Row(typ, wire.RequestWords[typ], r.answer, r.query)
	}
	return "    " + strings.Join(t.Lines(false, 0), "\n    ")
}

// ParseType returns the request type with a name or number.
func ParseType(text string) (wire.RequestType, error) {
	for typ, word := range wire.RequestWords {
		if text == word || text == strconv.Itoa(typ) {
			return wire.RequestType(typ), nil
		}
	}
	unknown := fmt.Errorf("unknown request type %q", text)
	if near := advice.Nearest(text, wire.RequestWords[:]); near != "" {
		return 0, advice.New(unknown, "Did you mean "+near+"?")
	}
	return 0, advice.New(unknown,
		fmt.Sprintf("It is a number from 0 to %d or one of:\n%s", len(requests)-1, strings.Join(wire.RequestWords[:], ", ")))
}

// ParseQuery reads a query: an object, a string in quotes and null are JSON; anything else is
// plain text.
func ParseQuery(text string) (wire.Query, error) {
	trimmed := bytes.TrimSpace([]byte(text))
	object := bytes.HasPrefix(trimmed, []byte("{"))
	quoted := bytes.HasPrefix(trimmed, []byte(`"`)) && jx.Valid(trimmed)
	if !object && !quoted && string(trimmed) != "null" {
		return wire.NewStringQuery(text), nil
	}
	var query wire.Query
	err := query.UnmarshalJSON(trimmed)
	switch {
	case !jx.Valid(trimmed):
		err = errors.New("not JSON")
	case err == nil:
		err = query.Validate()
	}
	if err != nil {
		return wire.Query{}, advice.New(fmt.Errorf("query %s: %w", text, err), parametersHelp)
	}
	return query, nil
}

const parametersHelp = `Parameters of a query are written as an object with these members: "0": link,
"1": address, "2": list of addresses, "3": list of fields (0 the master's name,
1 the cluster's IP, 2 the master's primary IP)`
