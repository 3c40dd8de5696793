// Command goclient lets the conformance suite test this project's client library: it reads
// orders on its standard input and reports on its standard output, as described in
// spec/vectors/clients/README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gntconfd/client"
)

// order is one line of the input.
type order struct {
	ID        string          `json:"id"`
	Servers   []string        `json:"servers"`
	Coverage  int             `json:"coverage"`
	Key       string          `json:"key"`
	Type      int             `json:"type"`
	Query     json.RawMessage `json:"query"`
	TimeoutMS int64           `json:"timeout_ms"`
}

// report is one line of the output: a reply, or an error.
type report struct {
	ID     string          `json:"id"`
	Error  string          `json:"error,omitempty"`
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer"`
	Serial int64           `json:"serial"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "goclient: %v\n", err)
		os.Exit(1)
	}
}

// run serves orders until the input ends.
func run(stdin io.Reader, stdout io.Writer) error {
	out := json.NewEncoder(stdout)
	if err := out.Encode(map[string][]string{"features": {"coverage", "ipv6"}}); err != nil {
		return err
	}
	for in := json.NewDecoder(stdin); ; {
		var o order
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(ask(&o)); err != nil {
			return err
		}
	}
}

// ask asks the number of servers in the order.
func ask(o *order) report {
	c, err := client.New(client.Options{Peers: o.Servers, Key: []byte(o.Key), Coverage: o.Coverage})
	if err != nil {
		return report{ID: o.ID, Error: err.Error()}
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.TimeoutMS)*time.Millisecond)
	defer cancel()
	result, err := client.Query(ctx, c, client.Raw(o.Type, o.Query))
	failure := (*client.StatusError)(nil)
	switch {
	case errors.Is(err, client.ErrNoReply):
		return report{ID: o.ID, Error: "no-reply"}
	case errors.Is(err, client.ErrTooLarge):
		return report{ID: o.ID, Error: "refused"}
	case errors.As(err, &failure):
		return report{ID: o.ID, Status: failure.Status, Answer: failure.JSON, Serial: failure.Serial}
	case err != nil:
		return report{ID: o.ID, Error: err.Error()}
	}
	return report{ID: o.ID, Answer: result.JSON, Serial: result.Serial}
}
