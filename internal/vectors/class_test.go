package vectors

import (
	"testing"
	"time"

	genwire "gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/wire"
)

var refusals = map[wire.Refusal]Outcome{
	wire.RefusedSize:    DroppedSize,
	wire.RefusedMagic:   DroppedMagic,
	wire.RefusedJSON:    DroppedJSON,
	wire.RefusedHMAC:    DroppedHMAC,
	wire.RefusedClock:   DroppedClock,
	wire.RefusedRequest: DroppedRequest,
}

// TestClasses holds the parts of the daemon that need no socket against all
// vectors. It sees in which class a datagram is dropped, and the clock stands
// still for it.
func TestClasses(t *testing.T) {
	key := readKey(t)
	codec := wire.NewCodec(wire.NewKeyring(key))
	now := time.Unix(1700000000, 999999999)
	books := make(map[string]*answer.Book)
	for _, file := range load(t) {
		for _, v := range file.Vectors {
			book, ok := books[v.Config]
			if !ok {
				book = newBook(t, v.Config)
				books[v.Config] = book
			}
			datagram, err := v.Build(key, now)
			if err != nil {
				t.Fatalf("%s: %v", v.ID, err)
			}
			outcome, reply := process(codec, book, datagram, now)
			if outcome != v.Outcome {
				t.Errorf("%s: %s, want %s (%s)", v.ID, outcome, v.Outcome, v.Note)
				continue
			}
			if reply == nil || books[v.Config] == nil {
				continue
			}
			got, err := ParseReply(reply, key, "config.data")
			if err != nil {
				t.Errorf("%s: %v", v.ID, err)
				continue
			}
			if err := Compare(v.Reply, got); err != nil {
				t.Errorf("%s: %v", v.ID, err)
			}
		}
	}
}

// newBook returns the answers to a configuration, and nil for one that cannot be
// loaded: the text that everything is answered with then is not made here.
func newBook(t *testing.T, config string) *answer.Book {
	t.Helper()
	snapshot, err := cluster.Load(readConfig(t, config))
	if err != nil {
		return nil
	}
	return answer.Prepare(snapshot)
}

// process does what the daemon does with a datagram.
func process(codec *wire.Codec, book *answer.Book, datagram []byte, now time.Time) (Outcome, []byte) {
	request, refusal := codec.Open(datagram, now)
	if refusal != wire.Accepted {
		return refusals[refusal], nil
	}
	if book == nil {
		return AnsweredError, nil
	}
	var scratch answer.Scratch
	reply, ok := book.Answer(request, &scratch)
	if !ok {
		return DroppedRequest, nil
	}
	sealed, err := codec.Seal(nil, request.Rsalt, reply.Text, reply.Escaped)
	if err != nil {
		reply = answer.TooLarge
		if sealed, err = codec.Seal(nil, request.Rsalt, reply.Text, reply.Escaped); err != nil {
			return DroppedSize, nil
		}
	}
	if reply.Status != genwire.StatusOK {
		return AnsweredError, sealed
	}
	return Answered, sealed
}
