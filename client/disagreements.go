package client

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// distribution is how long Ganeti may need to copy a changed configuration to all
	// candidates. Until then different answers are normal.
	distribution = 2 * time.Second
	// mostDisputed is how many disputed questions are remembered.
	mostDisputed = 1000
)

// disagreements are the questions that most peers answer in one way and others in another,
// with the same serial number. It is safe for concurrent use.
type disagreements struct {
	patience time.Duration // how long a peer may contradict others before a warning
	seed     maphash.Seed

	mu       sync.Mutex
	disputed map[uint64]map[string]dissent // by question and peer
}

// dissent is a peer's answer that contradicts the others'.
type dissent struct {
	answer uint64
	since  time.Time
	warned bool
}

func newDisagreements() disagreements {
	return disagreements{patience: distribution, seed: maphash.MakeSeed(), disputed: make(map[uint64]map[string]dissent)}
}

// last records the opinions of peers, of which a majority agrees. It returns true once if
// one of the others has contradicted them in the same way for longer than patience. A
// peer's answer is remembered until its next one: a Query does not wait for all peers.
func (d *disagreements) last(v *votes, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.consistent && len(d.disputed) == 0 {
		return false // most questions need no key
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

// key returns a text that identifies a question.
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
