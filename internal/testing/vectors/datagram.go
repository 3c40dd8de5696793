package vectors

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gntconfd/internal/testing/jsonvalue"
)

// Recipe describes how to build a datagram; spec/vectors/README.md has the steps. Omitted
// members have the values that a good client uses.
type Recipe struct {
	Inner  string `json:"inner"`             // the text that becomes msg; {fill} in it grows until the datagram has FillTo bytes
	FillTo int    `json:"fill_to,omitempty"` // size of the whole datagram in bytes, filled with letters q
	Salt   string `json:"salt,omitempty"`    // with {now}, {hex} or {oct}; default {now}
	Skew   int64  `json:"skew,omitempty"`    // seconds added to the clock
	Align  bool   `json:"align,omitempty"`   // must arrive in the second in which it was built
	MAC    string `json:"mac,omitempty"`     // how to build the signature or make it invalid; default valid
	Outer  string `json:"outer,omitempty"`   // the envelope, with @MSG@, @SALT@ and @HMAC@
	Text   string `json:"text,omitempty"`    // how to send non-ASCII characters; default escaped
	Prefix string `json:"prefix,omitempty"`  // replaces the magic; one byte per character
	PadTo  int    `json:"pad_to,omitempty"`  // size in bytes to pad to with spaces
	Suffix []byte `json:"suffix,omitempty"`  // bytes to append at the end; base64 in the file
}

const (
	magic        = "plj0"
	defaultOuter = `{"msg": @MSG@, "salt": @SALT@, "hmac": @HMAC@}`
)

// Build builds the datagram, signed with key, with now as the client's clock.
func (m *Message) Build(key []byte, now time.Time) ([]byte, error) {
	switch {
	case m.Request != nil:
		var text bytes.Buffer
		if err := json.Compact(&text, m.Request); err != nil {
			return nil, err
		}
		return (&Recipe{Inner: escape(text.String())}).build(key, now)
	case m.RequestText != nil:
		return (&Recipe{Inner: *m.RequestText}).build(key, now)
	case m.Datagram != nil:
		return m.Datagram.build(key, now)
	}
	return m.Raw, nil
}

func (r *Recipe) build(key []byte, now time.Time) ([]byte, error) {
	if !strings.Contains(r.Inner, "{fill}") {
		return r.fill(key, now, 0)
	}
	empty, err := r.fill(key, now, 0)
	if err != nil {
		return nil, err
	}
	if r.FillTo < len(empty) {
		return nil, fmt.Errorf("fill_to of %d is less than the %d bytes without fill", r.FillTo, len(empty))
	}
	return r.fill(key, now, r.FillTo-len(empty))
}

// fill builds the datagram with count letters for {fill}.
func (r *Recipe) fill(key []byte, now time.Time, count int) ([]byte, error) {
	inner := strings.Replace(r.Inner, "{fill}", strings.Repeat("q", count), 1)
	clock := now.Unix() + r.Skew
	salt := strings.NewReplacer(
		"{now}", strconv.FormatInt(clock, 10),
		"{hex}", strconv.FormatInt(clock, 16),
		"{oct}", strconv.FormatInt(clock, 8),
	).Replace(orDefault(r.Salt, "{now}"))
	if left := unknownWord.FindString(salt); left != "" {
		return nil, fmt.Errorf("%s in the salt stands for nothing", left)
	}
	mac, err := spoil(r.MAC, key, salt, inner)
	if err != nil {
		return nil, err
	}
	quote, encode, err := textForm(r.Text)
	if err != nil {
		return nil, err
	}
	if left := unknownMark.FindString(strings.NewReplacer("@MSG@", "", "@SALT@", "", "@HMAC@", "").Replace(r.Outer)); left != "" {
		return nil, fmt.Errorf("%s in the envelope stands for nothing", left)
	}
	outer := strings.NewReplacer("@MSG@", quote(inner), "@SALT@", quote(salt), "@HMAC@", quote(mac)).
		Replace(orDefault(r.Outer, defaultOuter))
	body, err := encode(outer)
	if err != nil {
		return nil, err
	}
	prefix, err := latin1(orDefault(r.Prefix, magic))
	if err != nil {
		return nil, err
	}
	datagram := append(prefix, body...)
	if missing := r.PadTo - len(datagram); missing > 0 {
		datagram = append(datagram, strings.Repeat(" ", missing)...)
	}
	return append(datagram, r.Suffix...), nil
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// unknownWord and unknownMark match what stands for nothing in a salt, and in an envelope
// without its three marks.
var (
	unknownWord = regexp.MustCompile(`\{[a-z]+\}`)
	unknownMark = regexp.MustCompile(`@[A-Z]+@`)
)

// sign returns the signature of a message: 40 hexadecimal digits.
func sign(key []byte, salt, inner string) string {
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(salt + inner))
	return hex.EncodeToString(mac.Sum(nil))
}

// spoil changes the signature as a recipe's mac says.
func spoil(how string, key []byte, salt, inner string) (string, error) {
	good := sign(key, salt, inner)
	switch how {
	case "":
		return good, nil
	case "upper":
		return strings.ToUpper(good), nil
	case "short":
		return good[:len(good)-1], nil
	case "long":
		return good + "0", nil
	case "zero":
		return strings.Repeat("0", len(good)), nil
	case "not-hex":
		return strings.Repeat("g", len(good)), nil
	case "other-key":
		return sign([]byte("not the key"), salt, inner), nil
	case "half":
		return good[:len(good)/2], nil
	case "first-digit":
		return changed(good[0]) + good[1:], nil
	case "last-digit":
		return good[:len(good)-1] + changed(good[len(good)-1]), nil
	case "trimmed-key":
		return sign(bytes.TrimRight(key, "\n"), salt, inner), nil
	case "without-salt":
		return sign(key, "", inner), nil
	case "msg-first":
		return sign(key, inner, salt), nil
	case "separated":
		return sign(key, salt+" ", inner), nil
	case "salt-alone":
		return sign(key, salt, ""), nil
	case "empty":
		return "", nil
	case "blank-after":
		return good + " ", nil
	case "blank-before":
		return " " + good, nil
	case "prefixed":
		return "0x" + good, nil
	case "base64":
		sum, err := hex.DecodeString(good)
		return base64.StdEncoding.EncodeToString(sum), err
	case "long-key":
		return sign(append(bytes.Clone(key), make([]byte, sha1.BlockSize)...), salt, inner), nil
	case "with-magic":
		return sign(key, magic+salt, inner), nil
	case "quoted-msg":
		return sign(key, salt, `"`+inner+`"`), nil
	case "escaped-msg":
		return sign(key, salt, strings.Trim(string(jsonvalue.Encode(inner)), `"`)), nil
	case "sha-1":
		sum := sha1.Sum([]byte(string(key) + salt + inner))
		return hex.EncodeToString(sum[:]), nil
	case "hmac-sha-256":
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(salt + inner))
		return hex.EncodeToString(mac.Sum(nil)), nil
	case "latin-1":
		text, err := latin1(salt + inner)
		return sign(key, "", string(text)), err
	}
	return "", fmt.Errorf("unknown mac %q", how)
}

// changed returns a different hexadecimal digit.
func changed(digit byte) string {
	if digit == '0' {
		return "1"
	}
	return "0"
}

// textForm returns how a text becomes a JSON string and how the envelope becomes bytes.
func textForm(name string) (quote func(string) string, encode func(string) ([]byte, error), err error) {
	plain := func(s string) string { return string(jsonvalue.Encode(s)) }
	switch name {
	case "":
		return func(s string) string { return escape(plain(s)) }, latin1, nil
	case "latin-1":
		return plain, latin1, nil
	case "utf-8":
		return plain, func(s string) ([]byte, error) { return []byte(s), nil }, nil
	}
	return nil, nil, fmt.Errorf("unknown text %q", name)
}

// escape escapes all characters of a JSON text that are not printable ASCII.
func escape(text string) string {
	var out strings.Builder
	for _, c := range text {
		switch {
		case c < 0x7f:
			out.WriteRune(c)
		case c <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, c)
		default:
			c -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		}
	}
	return out.String()
}

// latin1 returns text with one byte per character.
func latin1(text string) ([]byte, error) {
	out := make([]byte, 0, len(text))
	for _, c := range text {
		if c > 0xff || c == utf8.RuneError {
			return nil, fmt.Errorf("character %U does not fit one byte", c)
		}
		out = append(out, byte(c))
	}
	return out, nil
}
