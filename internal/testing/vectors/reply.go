package vectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
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
		r.Answer = compact(strings.ReplaceAll(text, config, configPath))
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
	case string(compact(got.Serial)) != string(compact(want.Serial)):
		return fmt.Errorf("serial %s, want %s", compact(got.Serial), compact(want.Serial))
	case want.Answer == nil || got.Answer == nil:
		if want.Answer == nil && got.Answer == nil {
			return nil
		}
		return fmt.Errorf("answer %.200s, want %.200s", orDefault(string(got.Answer), "missing"), orDefault(string(want.Answer), "none"))
	}
	wantAnswer, err := decode(want.Answer)
	if err != nil {
		return err
	}
	gotAnswer, err := decode(got.Answer)
	if err != nil {
		return err
	}
	if want.Unordered {
		sortList(wantAnswer)
		sortList(gotAnswer)
	}
	if err := compare(wantAnswer, gotAnswer); err != nil {
		return fmt.Errorf("answer%w", err)
	}
	return nil
}

// sortList sorts a list into an order that depends only on its elements.
func sortList(v any) {
	if list, ok := v.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return bytes.Compare(compact(a), compact(b)) })
	}
}

func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// compare compares two decoded values; the error begins with the path of the first
// difference.
func compare(want, got any) error {
	different := fmt.Errorf(": %.200s, want %.200s", compact(got), compact(want))
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			return different
		}
		for name := range got {
			if _, ok := want[name]; !ok {
				return fmt.Errorf(": unexpected member %q", name)
			}
		}
		for name := range want {
			value, ok := got[name]
			if !ok {
				return fmt.Errorf(": missing member %q", name)
			}
			if err := compare(want[name], value); err != nil {
				return fmt.Errorf("/%s%w", name, err)
			}
		}
		return nil
	case []any:
		got, ok := got.([]any)
		if !ok {
			return different
		}
		for i := range min(len(want), len(got)) {
			if err := compare(want[i], got[i]); err == nil {
				continue
			} else if len(want) != len(got) {
				return fmt.Errorf("/%d: from there on %.200s, want %.200s (%d elements, want %d)",
					i, compact(got[i:]), compact(want[i:]), len(got), len(want))
			} else {
				return fmt.Errorf("/%d%w", i, err)
			}
		}
		switch n := min(len(want), len(got)); {
		case len(got) < len(want):
			return fmt.Errorf("/%d: the list ends, want also %.200s", n, compact(want[n:]))
		case len(got) > len(want):
			return fmt.Errorf("/%d: unexpected %.200s, the list must end there", n, compact(got[n:]))
		}
		return nil
	case json.Number:
		got, ok := got.(json.Number)
		if ok && sameNumber(want, got) {
			return nil
		}
		return different
	case string:
		got, ok := got.(string)
		begin, open := strings.CutSuffix(want, anyReason)
		if ok && (got == want || open && len(got) > len(begin) && strings.HasPrefix(got, begin)) {
			return nil
		}
		return different
	}
	if want != got {
		return different
	}
	return nil
}

func sameNumber(a, b json.Number) bool {
	x, ok := new(big.Rat).SetString(a.String())
	y, ok2 := new(big.Rat).SetString(b.String())
	return ok && ok2 && x.Cmp(y) == 0
}
