package fuzz

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
)

// sign builds a datagram from the protocol's description, without this project's codec.
func sign(key []byte, salt, msg string) []byte {
	return append([]byte("plj0"), encode(object{"msg": msg, "salt": salt, "hmac": hex.EncodeToString(mac(key, salt+msg))})...)
}

func mac(key []byte, text string) []byte {
	hash := hmac.New(sha1.New, key)
	hash.Write([]byte(text))
	return hash.Sum(nil)
}

// openReply decodes a reply datagram, likewise.
func openReply(key, datagram []byte) (msg, salt string, err error) {
	rest, ok := strings.CutPrefix(string(datagram), "plj0")
	if !ok {
		return "", "", errors.New("no magic in front")
	}
	var envelope struct{ Msg, Salt, Hmac string }
	if err := json.Unmarshal([]byte(rest), &envelope); err != nil {
		return "", "", err
	}
	sum, err := hex.DecodeString(envelope.Hmac)
	if err != nil || !hmac.Equal(sum, mac(key, envelope.Salt+envelope.Msg)) {
		return "", "", errors.New("wrong hmac")
	}
	return envelope.Msg, envelope.Salt, nil
}
