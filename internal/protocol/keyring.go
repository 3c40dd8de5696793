package protocol

import (
	"slices"
	"sync/atomic"
	"time"

	"gntconfd/gen/wire"
)

// Keyring holds the cluster's HMAC key: the one that signs and, for a while after they
// were replaced, the last former ones, which still verify. It is safe for
// concurrent use; readers take no lock.
type Keyring struct {
	keys atomic.Pointer[keys]
}

// keys is one immutable state of a Keyring. Codecs compare its address to learn
// that the keys have changed.
type keys struct {
	current []byte
	former  []formerKey // the newest first
}

// formerKey is a key that still verifies.
type formerKey struct {
	key   []byte
	until int64 // last second of Unix time in which it does
}

// maxFormer is how many former keys verify: a key file that is not replaced at once has
// half a key in it for a moment. Each makes a forged datagram cost one HMAC more.
const maxFormer = 2

// NewKeyring returns a keyring with one key: all bytes of the cluster's key
// file, a trailing newline included.
func NewKeyring(key []byte) *Keyring {
	k := new(Keyring)
	k.Replace(key, time.Time{})
	return k
}

// Replace makes key the one that signs. Requests that clients signed with one of the last
// former keys before they learnt of the new one are still accepted while their timestamp
// can be valid: for wire.ClockSkew seconds from when the key was replaced.
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
