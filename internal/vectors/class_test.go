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
	now := time.Unix(1700000000, 999999999)
	for _, file := range load(t) {
		respond := responders[file.Dialect]
		for _, v := range file.Vectors {
			key := key
			if v.Key != nil {
				key = v.Key
			}
			datagram, err := v.Build(key, now)
			if err != nil {
				t.Fatalf("%s: %v", v.ID, err)
			}
			outcome, reply := respond(wire.NewCodec(wire.NewKeyring(key)), snapshot(t, v.Config), datagram, now)
			if outcome != v.Outcome {
				t.Errorf("%s: %s, want %s (%s)", v.ID, outcome, v.Outcome, v.Note)
				continue
			}
			if reply == nil {
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

// snapshots are those of the configurations that were asked for.
var snapshots = make(map[string]*cluster.Snapshot)

// snapshot returns what a configuration is loaded as, and nil for one that cannot
// be loaded.
func snapshot(t *testing.T, config string) *cluster.Snapshot {
	t.Helper()
	s, ok := snapshots[config]
	if !ok {
		s, _ = cluster.Load(readConfig(t, config))
		snapshots[config] = s
	}
	return s
}

// responders do what the daemon does with a datagram, in each dialect. The reply
// is nil where there is none, or where it would be a text that is made elsewhere:
// why there is no snapshot.
var responders = map[string]func(*wire.Codec, *cluster.Snapshot, []byte, time.Time) (Outcome, []byte){
	Dialect: func(codec *wire.Codec, snapshot *cluster.Snapshot, datagram []byte, now time.Time) (Outcome, []byte) {
		request, refusal := codec.Open(datagram, now)
		if refusal != wire.Accepted {
			return refusals[refusal], nil
		}
		if snapshot == nil {
			return AnsweredError, nil
		}
		book := answer.Prepare(snapshot)
		reply, ok := book.Answer(request, new(answer.Scratch))
		return seal(codec, request.Rsalt, reply, ok, book.TooLarge())
	},
	ClassicDialect: func(codec *wire.Codec, snapshot *cluster.Snapshot, datagram []byte, now time.Time) (Outcome, []byte) {
		if snapshot == nil {
			return DroppedDisabled, nil
		}
		if refusal := codec.Authenticate(datagram, now); refusal != wire.Accepted {
			return refusals[refusal], nil
		}
		request, refusal := codec.ClassicRequest(now)
		if refusal != wire.Accepted {
			return refusals[refusal], nil
		}
		book := answer.PrepareClassic(snapshot)
		reply, ok := book.Answer(request, new(answer.Scratch))
		return seal(codec, request.Rsalt, reply, ok, book.TooLarge())
	},
}

func seal(codec *wire.Codec, rsalt string, reply answer.Reply, ok bool, tooLarge answer.Reply) (Outcome, []byte) {
	if !ok {
		return DroppedRequest, nil
	}
	sealed, err := codec.Seal(nil, rsalt, reply.Text, reply.Escaped)
	if err != nil {
		reply = tooLarge
		if sealed, err = codec.Seal(nil, rsalt, reply.Text, reply.Escaped); err != nil {
			return DroppedSize, nil
		}
	}
	if reply.Status != genwire.StatusOK {
		return AnsweredError, sealed
	}
	return Answered, sealed
}
