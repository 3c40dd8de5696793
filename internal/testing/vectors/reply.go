package vectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"gntconfd/internal/testing/jsonvalue"
)

// Placeholders for texts that differ between daemons.
const (
	configPath = "{CONFIG}" // the path of config.data
	anyReason  = "{REASON}" // at the end: any text the implementation chooses
)

// placeholder matches what looks like one.
var placeholder = regexp.MustCompile(`\{[A-Z]+\}`)

// checkPlaceholders returns an error if a reply contains a placeholder that there is not.
func (r *Reply) checkPlaceholders() error {
	if r == nil {
		return nil
	}
	for _, found := range placeholder.FindAllString(string(r.Answer), -1) {
		if found != configPath && found != anyReason {
			return fmt.Errorf("the reply contains %s, which stands for nothing", found)
		}
	}
	return nil
}

// ErrGarbled means that a datagram is not a reply with a valid signature.
var ErrGarbled = errors.New("garbled reply")

// ParseReply decodes and verifies the datagram of a reply, and replaces the path config in
// a string answer with {CONFIG}. The error wraps ErrGarbled.
func ParseReply(datagram, key []byte, config string) (*Reply, error) {
	body, ok := bytes.CutPrefix(datagram, []byte(magic))
	if !ok {
		return nil, fmt.Errorf("%w: no magic", ErrGarbled)
	}
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrGarbled)
	}
	var salt, msg, mac string
	if err := members(body, map[string]any{"salt": &salt, "msg": &msg, "hmac": &mac}, nil); err != nil {
		return nil, fmt.Errorf("%w: envelope: %w", ErrGarbled, err)
	}
	if !strings.EqualFold(mac, sign(key, salt, msg)) {
		return nil, fmt.Errorf("%w: wrong signature", ErrGarbled)
	}
	r := &Reply{Salt: salt}
	err := members([]byte(msg), map[string]any{"protocol": &r.Protocol, "status": &r.Status},
		map[string]any{"answer": &r.Answer, "serial": &r.Serial})
	if err != nil {
		return nil, fmt.Errorf("%w: reply: %w", ErrGarbled, err)
	}
	var text string
	if json.Unmarshal(r.Answer, &text) == nil && strings.Contains(text, config) {
		r.Answer = jsonvalue.Encode(strings.ReplaceAll(text, config, configPath))
	}
	return r, nil
}

// members decodes an object that must have the required members, may have the optional
// ones, and no others.
func members(text []byte, required, optional map[string]any) error {
	var found map[string]json.RawMessage
	if err := json.Unmarshal(text, &found); err != nil {
		return err
	}
	for name := range required {
		if _, ok := found[name]; !ok {
			return fmt.Errorf("no member %s", name)
		}
	}
	for name, value := range found {
		into, ok := required[name]
		if !ok {
			into, ok = optional[name]
		}
		if !ok {
			return fmt.Errorf("unknown member %q", name)
		}
		if err := json.Unmarshal(value, into); err != nil {
			return fmt.Errorf("member %s: %w", name, err)
		}
	}
	return nil
}

// Compare returns how got differs from want, or nil. Answers are equal if they have the
// same JSON types throughout, lists in the same order (except one that want calls
// unordered), and numbers of exactly the same value, however they are written.
func Compare(want, got *Reply) error {
	switch {
	case got.Salt != want.Salt:
		return fmt.Errorf("salt %q, want %q", got.Salt, want.Salt)
	case got.Protocol != want.Protocol:
		return fmt.Errorf("protocol %d, want %d", got.Protocol, want.Protocol)
	case got.Status != want.Status:
		return fmt.Errorf("status %d with answer %.200s, want status %d with answer %.200s",
			got.Status, got.Answer, want.Status, want.Answer)
	case string(jsonvalue.Encode(got.Serial)) != string(jsonvalue.Encode(want.Serial)):
		return fmt.Errorf("serial %s, want %s", jsonvalue.Encode(got.Serial), jsonvalue.Encode(want.Serial))
	case want.Answer == nil || got.Answer == nil:
		if want.Answer == nil && got.Answer == nil {
			return nil
		}
		return fmt.Errorf("answer %.200s, want %.200s", orDefault(string(got.Answer), "missing"), orDefault(string(want.Answer), "none"))
	}
	wantAnswer, err := jsonvalue.Decode(want.Answer)
	if err != nil {
		return err
	}
	gotAnswer, err := jsonvalue.Decode(got.Answer)
	if err != nil {
		return err
	}
	if want.Unordered {
		sortList(wantAnswer)
		sortList(gotAnswer)
	}
	if err := jsonvalue.Difference(wantAnswer, gotAnswer, sameScalar); err != nil {
		return fmt.Errorf("answer%w", err)
	}
	return nil
}

// sortList sorts a list into an order that depends only on its elements.
func sortList(v any) {
	if list, ok := v.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return bytes.Compare(jsonvalue.Encode(a), jsonvalue.Encode(b)) })
	}
}

// sameScalar compares two values that are neither objects nor lists. A text that is wanted
// with {REASON} at its end may go on in any way.
func sameScalar(want, got any) bool {
	switch want := want.(type) {
	case json.Number:
		got, ok := got.(json.Number)
		return ok && jsonvalue.SameNumber(want, got)
	case string:
		got, ok := got.(string)
		begin, open := strings.CutSuffix(want, anyReason)
		return ok && (got == want || open && len(got) > len(begin) && strings.HasPrefix(got, begin))
	}
	return want == got
}
