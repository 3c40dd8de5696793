package client

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// distribution is how long Ganeti may take to copy a changed configuration to all
	// candidates. Until then they answer differently, and all is well.
	distribution = 2 * time.Second
	// mostDisputed is how many disputed questions are known at once.
	mostDisputed = 1000
)

// disagreements are the questions that most peers answer alike, and others differently with
// the same serial number. It is safe for concurrent use.
type disagreements struct {
	patience time.Duration // how long a peer may contradict others without a warning
	seed     maphash.Seed

	mu       sync.Mutex
	disputed map[uint64]map[string]dissent // by question and peer
}

// dissent is what a peer says while others say something else.
type dissent struct {
	answer uint64
	since  time.Time
	warned bool
}

func newDisagreements() disagreements {
	return disagreements{patience: distribution, seed: maphash.MakeSeed(), disputed: make(map[uint64]map[string]dissent)}
}

// last takes in what peers say, of which enough agree, and returns true once when one of
// the others has contradicted them in the same way for longer than patience. What a peer
// said stands until it is heard again: a Query does not wait for all of them.
func (d *disagreements) last(v *votes, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.consistent && len(d.disputed) == 0 {
		return false // and most questions need no key
	}
	key := d.key(v.question)
	dissents := d.disputed[key]
	if dissents == nil {
		if len(d.disputed) >= mostDisputed { // some of them are no longer asked
			clear(d.disputed)
		}
		dissents = make(map[string]dissent)
		d.disputed[key] = dissents
	}
	lasting := false
	for _, o := range v.all {
		if o.err != nil || o.serial != v.best.serial {
			continue
		}
		if v.same(o, v.best) {
			delete(dissents, o.peer.name)
			continue
		}
		answer := maphash.String(d.seed, v.question.canonical(o.json))
		one, known := dissents[o.peer.name]
		if !known || one.answer != answer {
			one = dissent{answer: answer, since: now}
		} else if !one.warned && now.Sub(one.since) >= d.patience {
			lasting = true
		}
		dissents[o.peer.name] = one
	}
	if lasting {
		for name, one := range dissents {
			one.warned = true
			dissents[name] = one
		}
	}
	if len(dissents) == 0 {
		delete(d.disputed, key)
	}
	return lasting
}

// key returns what tells a question from others.
func (d *disagreements) key(q *question) uint64 {
	var hash maphash.Hash
	hash.SetSeed(d.seed)
	hash.WriteByte(byte(q.typ))
	if q.query.Set {
		query, _ := q.query.Value.MarshalJSON() // which was sent
		hash.Write(query)
	}
	return hash.Sum64()
}
