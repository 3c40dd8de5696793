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
	// mostDisagreements is how many of them are known at once.
	mostDisagreements = 1000
)

// disagreements are the questions that peers answer differently. It is safe for
// concurrent use.
type disagreements struct {
	patience time.Duration // how long one may be before it is worth a warning
	seed     maphash.Seed

	mu    sync.Mutex
	since map[uint64]time.Time // by question; zero where there was a warning
}

func newDisagreements() disagreements {
	return disagreements{patience: distribution, seed: maphash.MakeSeed(), since: make(map[uint64]time.Time)}
}

// lasts takes in whether the answers to a question are consistent, and returns true once
// when they have not been for longer than patience.
func (d *disagreements) lasts(q *question, consistent bool, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if consistent && len(d.since) == 0 {
		return false // and most questions need no key
	}
	key := d.key(q)
	since, known := d.since[key]
	switch {
	case consistent:
		delete(d.since, key)
	case !known:
		if len(d.since) >= mostDisagreements { // of questions that are no longer asked
			clear(d.since)
		}
		d.since[key] = now
	case !since.IsZero() && now.Sub(since) >= d.patience:
		d.since[key] = time.Time{}
		return true
	}
	return false
}

// key returns what tells a question from others.
func (d *disagreements) key(q *question) uint64 {
	var hash maphash.Hash
	hash.SetSeed(d.seed)
	hash.WriteByte(byte(q.typ))
	if q.query.Set {
		text, _ := q.query.Value.MarshalJSON() // which was sent
		hash.Write(text)
	}
	return hash.Sum64()
}
