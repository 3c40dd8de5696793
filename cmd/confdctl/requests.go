package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
)

// request is what the commands know about a request type.
type request struct {
	typ    wire.RequestType
	name   string // on the command line
	answer string // what is asked for
	query  string // what the query is
}

// requests has every request type, at the index that is its number.
var requests = [...]request{
	{wire.RequestPing, "ping", "the configuration's version", ""},
	{wire.RequestNodeRoleByName, "node-role", "a node's role", "node"},
	{wire.RequestNodePIPByInstanceIP, "node-ip", "the primary IP of the node that runs an instance", "parameters 0, 1, 2"},
	{wire.RequestClusterMaster, "master", "the master's name, or other fields", "nothing or parameter 3"},
	{wire.RequestNodePIPList, "node-ips", "the primary IPs of all nodes", ""},
	{wire.RequestMCPIPList, "candidate-ips", "the primary IPs of the master candidates", ""},
	{wire.RequestInstanceIPsList, "instance-ips", "the addresses of all instances on a link", "nothing or link"},
	{wire.RequestNodeDRBD, "node-drbd", "a node's DRBD minors", "node"},
	{wire.RequestNodeInstances, "node-instances", "a node's instances", "node"},
	{wire.RequestInstanceDisks, "instance-disks", "an instance's disks", "instance"},
	{wire.RequestConfigQuery, "config", "a part of the configuration", "JSON pointer"},
	{wire.RequestDataCollectors, "collectors", "the state of the data collectors", ""},
}

// requestNames lists the names of all request types.
func requestNames() []string {
	var names []string
	for _, r := range requests {
		names = append(names, r.name)
	}
	return names
}

// requestsHelp is the table of request types for a help text, indented so that manual
// pages keep it.
func requestsHelp() string {
	t := table{head: []string{"TYPE", "", "ANSWER", "QUERY"}}
	for _, r := range requests {
		t.row(int(r.typ), r.name, r.answer, r.query)
	}
	return "    " + strings.Join(t.lines(false), "\n    ")
}

// parseType returns the request type that text names or numbers.
func parseType(text string) (wire.RequestType, error) {
	i := slices.IndexFunc(requests[:], func(r request) bool {
		return text == r.name || text == strconv.Itoa(int(r.typ))
	})
	if i < 0 {
		return 0, &advisedError{fmt.Errorf("unknown request type %q", text),
			fmt.Sprintf("It is a number from 0 to %d or one of:\n%s", len(requests)-1, strings.Join(requestNames(), ", "))}
	}
	return requests[i].typ, nil
}

// parseQuery reads a query: an object, a string in quotes and null are JSON, all
// else is plain text.
func parseQuery(text string) (wire.Query, error) {
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
		return wire.Query{}, &advisedError{fmt.Errorf("query %s: %w", text, err), parametersHelp}
	}
	return query, nil
}

const parametersHelp = `Parameters of a query are written as an object with these members: "0": link,
"1": address, "2": list of addresses, "3": list of fields (0 the master's name,
1 the cluster's IP, 2 the master's primary IP)`
