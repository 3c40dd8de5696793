// Command goclient lets the conformance suite test the project's own client library:
// it asks what it is told on its standard input, and reports on its standard output,
// as spec/vectors/clients/README.md says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-faster/jx"

	"gntconfd/client"
	genwire "gntconfd/gen/wire"
	"gntconfd/internal/wire"
)

// order is one line of the input.
type order struct {
	ID        string              `json:"id"`
	Servers   []string            `json:"servers"`
	Key       string              `json:"key"`
	Type      genwire.RequestType `json:"type"`
	Query     json.RawMessage     `json:"query"`
	TimeoutMS int64               `json:"timeout_ms"`
}

// report is one line of the output: a reply, or an error.
type report struct {
	ID     string          `json:"id"`
	Error  string          `json:"error,omitempty"`
	Status genwire.Status  `json:"status"`
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
	if err := out.Encode(map[string][]string{"features": {"ipv6"}}); err != nil {
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

// ask asks the first server; the library asks one.
func ask(o *order) report {
	var query genwire.Query
	if err := query.Decode(jx.DecodeBytes(o.Query)); err != nil {
		return report{ID: o.ID, Error: err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.TimeoutMS)*time.Millisecond)
	defer cancel()
	c := client.Client{Server: o.Servers[0], Key: []byte(o.Key)}
	reply, err := c.Ask(ctx, o.Type, query)
	switch {
	case errors.Is(err, client.ErrNoReply):
		return report{ID: o.ID, Error: "no-reply"}
	case errors.Is(err, wire.ErrTooLarge):
		return report{ID: o.ID, Error: "refused"}
	case err != nil:
		return report{ID: o.ID, Error: err.Error()}
	}
	return report{ID: o.ID, Status: reply.Status, Answer: reply.Answer, Serial: reply.Serial}
}
