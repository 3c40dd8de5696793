package demonstrate

import (
	"context"
	"errors"
	"time"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/gen/wire"
)

// reply is the best reply to a question; it may be an error.
type reply struct {
	Peer      string
	Status    wire.Status
	Answer    json.RawMessage
	Serial    int64
	RoundTrip time.Duration
}

// askRaw asks a question by its request type and query; the zero query means none.
func askRaw(ctx context.Context, c *client.Client, typ wire.RequestType, query wire.Query) (*reply, error) {
	var text json.RawMessage
	if query.Type != "" {
		var err error
		if text, err = query.MarshalJSON(); err != nil {
			return nil, err
		}
	}
	result, err := client.Query(ctx, c, client.Raw(int(typ), text))
	r := &reply{Answer: result.JSON, Serial: result.Serial, RoundTrip: result.RoundTrip}
	if status := (*client.StatusError)(nil); errors.As(err, &status) {
		r.Peer, r.Status, r.Answer, r.Serial = status.Peer, wire.Status(status.Status), status.JSON, status.Serial
		err = nil
	}
	return r, err
}
