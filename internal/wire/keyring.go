package wire

import (
	"slices"
	"sync/atomic"
	"time"

	"gntconfd/gen/wire"
)

// Keyring holds the cluster's HMAC key: the one that signs and, for a while
// after it was replaced, the former one, which still verifies. It is safe for
// concurrent use; readers take no lock.
type Keyring struct {
	keys atomic.Pointer[keys]
}

// keys is one immutable state of a Keyring. Codecs compare its address to learn
// that the keys have changed.
type keys struct {
	current     []byte
	former      []byte // nil when there is none
	formerUntil int64  // last second of Unix time in which former verifies
}

// NewKeyring returns a keyring with one key: all bytes of the cluster's key
// file, a trailing newline included.
func NewKeyring(key []byte) *Keyring {
	k := new(Keyring)
	k.Replace(key, time.Time{})
	return k
}

// Replace makes key the one that signs. Requests that clients signed with the
// former key before they learnt of the new one are still accepted while their
// timestamp can be valid: for wire.ClockSkew seconds from now.
func (k *Keyring) Replace(key []byte, now time.Time) {
	replaced := &keys{current: slices.Clone(key)}
	if old := k.keys.Load(); old != nil {
		if slices.Equal(old.current, key) {
			return
		}
		replaced.former = old.current
		replaced.formerUntil = now.Unix() + wire.ClockSkew
	}
	k.keys.Store(replaced)
}
