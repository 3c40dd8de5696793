package vectors

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gntconfd/internal/protocol"
	"gntconfd/spec/vectors"
)

// signing is a vector of signing.json.
type signing struct {
	ID, Note        string
	Key, Datagram   []byte
	Salt, Msg, HMAC string
	Result          string
}

func loadSigning(t *testing.T) []signing {
	t.Helper()
	text, err := vectors.Files.ReadFile("signing.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []signing }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// Another program computed the signatures.
func TestSigning(t *testing.T) {
	ids, notes := make(map[string]bool), make(map[string]bool)
	for _, v := range loadSigning(t) {
		t.Run(strings.TrimPrefix(v.ID, "signing/"), func(t *testing.T) {
			if ids[v.ID] || notes[v.Note] {
				t.Error("duplicate id or note")
			}
			ids[v.ID], notes[v.Note] = true, true
			valid := strings.EqualFold(v.HMAC, sign(v.Key, v.Salt, v.Msg))
			if valid != (v.Result == "valid") {
				t.Errorf("the signature is valid: %t, want %s", valid, v.Result)
			}
			body, ok := bytes.CutPrefix(v.Datagram, []byte(magic))
			if !ok {
				t.Fatal("the datagram has no magic")
			}
			var salt, msg, mac string
			if err := members(body, map[string]any{"salt": &salt, "msg": &msg, "hmac": &mac}, nil); err != nil {
				t.Fatal(err)
			}
			if salt != v.Salt || msg != v.Msg || mac != v.HMAC {
				t.Error("the datagram contains something else")
			}
			codec := protocol.NewCodec(protocol.NewKeyring(v.Key))
			_, refusal := codec.Open(v.Datagram, time.Unix(1700000000, 0))
			if verified := refusal != protocol.RefusedHMAC && refusal != protocol.RefusedJSON; verified != valid {
				t.Errorf("the daemon verifies it: %t, want %t (%v)", verified, valid, refusal)
			}
		})
	}
}
