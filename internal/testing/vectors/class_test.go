package vectors

import (
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/answer/classic"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/spec/vectors"
)

var refusals = map[protocol.Refusal]Outcome{
	protocol.RefusedSize:    DroppedSize,
	protocol.RefusedMagic:   DroppedMagic,
	protocol.RefusedJSON:    DroppedJSON,
	protocol.RefusedHMAC:    DroppedHMAC,
	protocol.RefusedClock:   DroppedClock,
	protocol.RefusedRequest: DroppedRequest,
}

// TestClasses runs all vectors through the parts of the daemon that need no socket. It
// checks in which class a datagram is dropped, with a stopped clock.
func TestClasses(t *testing.T) {
	key := readKey(t)
	now := time.Unix(1700000000, 999999999)
	for _, file := range load(t) {
		for _, v := range file.Vectors {
			key := key
			if v.Key != nil {
				key = v.Key
			}
			datagram, err := v.Build(key, now)
			if err != nil {
				t.Fatalf("%s: %v", v.ID, err)
			}
			outcome, reply := respond(file.Dialect, protocol.NewCodec(protocol.NewKeyring(key)), snapshot(t, v.Content()), datagram, now)
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

// snapshots are the snapshots of the configurations used so far.
var snapshots = make(map[string]*cluster.Snapshot)

// snapshot returns the snapshot of a configuration, or nil if it cannot be loaded.
func snapshot(t *testing.T, config Content) *cluster.Snapshot {
	t.Helper()
	s, ok := snapshots[config.ID()]
	if !ok {
		text, err := config.Read(vectors.Files)
		if err != nil {
			t.Fatal(err)
		}
		s, _ = cluster.Parse(text)
		snapshots[config.ID()] = s
	}
	return s
}

// responder answers requests in one dialect.
type responder interface {
	Respond(*protocol.Codec, time.Time, *answer.Scratch) (answer.Response, protocol.Refusal)
	TooLarge() answer.Reply
}

// prepare makes the responder of a dialect for a snapshot.
var prepare = map[string]func(*cluster.Snapshot) responder{
	Dialect:        func(s *cluster.Snapshot) responder { return answer.Prepare(s) },
	ClassicDialect: func(s *cluster.Snapshot) responder { return classic.Prepare(s) },
}

// dialectOf returns the dialect in which a configuration is answered unless another is set.
func dialectOf(s *cluster.Snapshot) string {
	if s.Version < wire.ModernVersion {
		return ClassicDialect
	}
	return Dialect
}

// spoken returns the dialect of the answers to the vectors of a dialect with a configuration.
func spoken(t *testing.T, dialect string, config Content) string {
	t.Helper()
	if s := snapshot(t, config); dialect == AutoDialect && s != nil {
		return dialectOf(s)
	}
	return dialect
}

// respond does what the daemon does with a datagram, in a dialect. The reply is nil if
// there is none, or if it would be the text why there is no snapshot, which is made
// elsewhere.
func respond(dialect string, codec *protocol.Codec, snapshot *cluster.Snapshot, datagram []byte, now time.Time) (Outcome, []byte) {
	if snapshot == nil && dialect == ClassicDialect {
		return DroppedDisabled, nil
	}
	if refusal := codec.Authenticate(datagram, now); refusal != protocol.Accepted {
		return refusals[refusal], nil
	}
	if snapshot == nil {
		if _, refusal := codec.Request(); refusal != protocol.Accepted {
			return refusals[refusal], nil
		}
		return AnsweredError, nil
	}
	if dialect == AutoDialect {
		dialect = dialectOf(snapshot)
	}
	book := prepare[dialect](snapshot)
	response, refusal := book.Respond(codec, now, new(answer.Scratch))
	if refusal != protocol.Accepted {
		return refusals[refusal], nil
	}
	sealed, err := codec.Seal(nil, response.Rsalt, response.Text, response.Escaped)
	if err != nil {
		response.Reply = book.TooLarge()
		if sealed, err = codec.Seal(nil, response.Rsalt, response.Text, response.Escaped); err != nil {
			return DroppedSize, nil
		}
	}
	if response.Status != wire.StatusOK {
		return AnsweredError, sealed
	}
	return Answered, sealed
}
