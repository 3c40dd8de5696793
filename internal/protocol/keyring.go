package protocol

import (
	"slices"
	"sync/atomic"
	"time"

	"gntconfd/gen/wire"
)

// Keyring holds the cluster's HMAC key for signing and, for a while after they were
// replaced, the last old keys, which still verify. It is safe for concurrent use; readers
// take no lock.
type Keyring struct {
	keys atomic.Pointer[keys]
}

// keys is an immutable state of a Keyring. Codecs compare its address to notice new keys.
type keys struct {
	current []byte
	former  []formerKey // newest first
}

// formerKey is an old key that still verifies.
type formerKey struct {
	key   []byte
	until int64 // last second of Unix time in which it verifies
}

// maxFormer is how many old keys verify: a key file that is not replaced atomically
// contains half a key for a moment. Each old key adds one HMAC to the cost of a forged
// datagram.
const maxFormer = 2

// NewKeyring returns a keyring with one key: all bytes of the cluster's key file, including
// the trailing newline.
func NewKeyring(key []byte) *Keyring {
	k := new(Keyring)
	k.Replace(key, time.Time{})
	return k
}

// Replace sets the key for signing. Requests that clients signed with one of the last old
// keys are still accepted while their timestamp can be valid: for wire.ClockSkew seconds
// after the key was replaced.
func (k *Keyring) Replace(key []byte, now time.Time) {
	replaced := &keys{current: slices.Clone(key)}
	if old := k.keys.Load(); old != nil {
		if slices.Equal(old.current, key) {
			return
		}
		replaced.former = append(replaced.former, formerKey{old.current, now.Unix() + wire.ClockSkew})
		for _, former := range old.former {
			if len(replaced.former) < maxFormer && former.until >= now.Unix() && !slices.Equal(former.key, key) {
				replaced.former = append(replaced.former, former)
			}
		}
	}
	k.keys.Store(replaced)
}
