package protocol

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gntconfd/gen/wire"
)

const testKey = "0123456789abcdef\n"

var testNow = time.Unix(1700000000, 999_999_999)

// datagram builds a datagram without the code under test. edit changes the members of its
// envelope, which is then signed again unless edit changed the signature.
func datagram(t *testing.T, inner string, edit func(envelope map[string]any)) []byte {
	t.Helper()
	original := sign(testKey, "1700000000"+inner)
	envelope := map[string]any{"msg": inner, "salt": "1700000000", "hmac": original}
	if edit != nil {
		edit(envelope)
	}
	if envelope["hmac"] == original {
		salt, _ := envelope["salt"].(string)
		msg, _ := envelope["msg"].(string)
		envelope["hmac"] = sign(testKey, salt+msg)
	}
	body, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("plj0"), body...)
}

func sign(key, text string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestOpen(t *testing.T) {
	const ping = `{"protocol": 1, "type": 0, "rsalt": "rs"}`
	set := func(name string, value any) func(map[string]any) {
		return func(envelope map[string]any) { envelope[name] = value }
	}
	unset := func(name string) func(map[string]any) {
		return func(envelope map[string]any) { delete(envelope, name) }
	}
	tests := map[string]struct {
		datagram []byte
		want     Refusal
	}{
		"plain":                   {datagram(t, ping, nil), Accepted},
		"upper-case signature":    {datagram(t, ping, set("hmac", strings.ToUpper(sign(testKey, "1700000000"+ping)))), Accepted},
		"extra envelope member":   {datagram(t, ping, set("key_selector", "x")), Accepted},
		"white space around":      {[]byte("plj0 " + string(datagram(t, ping, nil)[4:]) + "\r\n"), Accepted},
		"inner white space":       {datagram(t, " "+ping+"\n", nil), Accepted},
		"empty":                   {nil, RefusedSize},
		"three bytes":             {[]byte("plj"), RefusedSize},
		"too long":                {append(datagram(t, ping, nil), make([]byte, wire.MaxDatagramSize)...), RefusedSize},
		"largest":                 {pad(datagram(t, ping, nil), wire.MaxDatagramSize), Accepted},
		"one more":                {pad(datagram(t, ping, nil), wire.MaxDatagramSize+1), RefusedSize},
		"other magic":             {[]byte("plj1" + string(datagram(t, ping, nil)[4:])), RefusedMagic},
		"upper-case magic":        {[]byte("PLJ0" + string(datagram(t, ping, nil)[4:])), RefusedMagic},
		"magic alone":             {[]byte("plj0"), RefusedJSON},
		"text after the envelope": {append(datagram(t, ping, nil), 'x'), RefusedJSON},
		"second envelope":         {append(datagram(t, ping, nil), "{}"...), RefusedJSON},
		"NUL after the envelope":  {append(datagram(t, ping, nil), 0), RefusedJSON},
		"envelope is a list":      {[]byte(`plj0[]`), RefusedJSON},
		"no msg":                  {datagram(t, ping, unset("msg")), RefusedJSON},
		"no salt":                 {datagram(t, ping, unset("salt")), RefusedJSON},
		"no hmac":                 {datagram(t, ping, unset("hmac")), RefusedJSON},
		"msg is an object":        {datagram(t, ping, set("msg", map[string]any{})), RefusedJSON},
		"salt is a number":        {datagram(t, ping, set("salt", 1700000000)), RefusedJSON},
		"hmac is null":            {datagram(t, ping, set("hmac", nil)), RefusedJSON},
		"not UTF-8":               {bytes.Replace(datagram(t, ping, nil), []byte("rs"), []byte("\xff"), 1), RefusedJSON},
		"other key":               {datagram(t, ping, set("hmac", sign("x", "1700000000"+ping))), RefusedHMAC},
		"key without newline":     {datagram(t, ping, set("hmac", sign(strings.TrimSpace(testKey), "1700000000"+ping))), RefusedHMAC},
		"short signature":         {datagram(t, ping, set("hmac", sign(testKey, "1700000000"+ping)[:39])), RefusedHMAC},
		"signature is no hex":     {datagram(t, ping, set("hmac", strings.Repeat("g", 40))), RefusedHMAC},
		"empty signature":         {datagram(t, ping, set("hmac", "")), RefusedHMAC},
		"forged and late":         {datagram(t, ping, func(e map[string]any) { e["salt"], e["hmac"] = "1", strings.Repeat("0", 40) }), RefusedHMAC},
		"300 s late":              {datagram(t, ping, set("salt", "1699999700")), Accepted},
		"301 s late":              {datagram(t, ping, set("salt", "1699999699")), RefusedClock},
		"300 s early":             {datagram(t, ping, set("salt", "1700000300")), Accepted},
		"301 s early":             {datagram(t, ping, set("salt", "1700000301")), RefusedClock},
		"salt with signs":         {datagram(t, ping, set("salt", " +001700000000\n")), Accepted},
		"salt is empty":           {datagram(t, ping, set("salt", "")), RefusedClock},
		"salt is a sign":          {datagram(t, ping, set("salt", "-")), RefusedClock},
		"salt has a fraction":     {datagram(t, ping, set("salt", "1700000000.0")), RefusedClock},
		"salt is hexadecimal":     {datagram(t, ping, set("salt", "0x6553f100")), RefusedClock},
		"salt is huge":            {datagram(t, ping, set("salt", strings.Repeat("9", 5000))), RefusedClock},
		"salt is negative":        {datagram(t, ping, set("salt", "-1700000000")), RefusedClock},
		"no request":              {datagram(t, "", nil), RefusedRequest},
		"request is a list":       {datagram(t, "[]", nil), RefusedRequest},
		"text after the request":  {datagram(t, ping+"x", nil), RefusedRequest},
		"unknown member":          {datagram(t, `{"protocol":1,"type":0,"rsalt":"rs","x":1}`, nil), RefusedRequest},
		"no rsalt":                {datagram(t, `{"protocol":1,"type":0}`, nil), RefusedRequest},
		"unknown type":            {datagram(t, `{"protocol":1,"type":12,"rsalt":"rs"}`, nil), RefusedRequest},
		"type with fraction":      {datagram(t, `{"protocol":1,"type":1.4,"rsalt":"rs"}`, nil), RefusedRequest},
		"query is a number":       {datagram(t, `{"protocol":1,"type":0,"rsalt":"rs","query":1}`, nil), RefusedRequest},
		"unknown parameter":       {datagram(t, `{"protocol":1,"type":0,"rsalt":"rs","query":{"4":1}}`, nil), RefusedRequest},
		"unknown field":           {datagram(t, `{"protocol":1,"type":3,"rsalt":"rs","query":{"3":[3]}}`, nil), RefusedRequest},
		"field as text":           {datagram(t, `{"protocol":1,"type":3,"rsalt":"rs","query":{"3":["1"]}}`, nil), Accepted},
	}
	codec := NewCodec(NewKeyring([]byte(testKey)))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			request, got := codec.Open(test.datagram, testNow)
			if got != test.want {
				t.Fatalf("refusal %d, want %d; cause %v", got, test.want, codec.Cause())
			}
			if (got == Accepted) != (request != nil) {
				t.Errorf("request %v with refusal %d", request, got)
			}
			if got == Accepted && request.Rsalt != "rs" {
				t.Errorf("rsalt %q", request.Rsalt)
			}
		})
	}
}

// The dialect of Ganeti 2.6 accepts any query but has its own rules for the rest.
func TestClassicRequest(t *testing.T) {
	whole := time.Unix(1700000000, 0)
	salt := func(text string) func(map[string]any) {
		return func(envelope map[string]any) { envelope["salt"] = text }
	}
	const ping = `{"protocol":1,"type":0,"rsalt":"rs"}`
	codec := NewCodec(NewKeyring([]byte(testKey)))
	for name, test := range map[string]struct {
		inner string
		edit  func(map[string]any)
		now   time.Time
		want  Refusal
	}{
		"plain":                   {ping, nil, testNow, Accepted},
		"300 s late":              {ping, salt("1699999700"), whole, Accepted},
		"300 s and a bit late":    {ping, salt("1699999700"), testNow, RefusedClock},
		"299 s and a bit late":    {ping, salt("1699999701"), testNow, Accepted},
		"300 s early":             {ping, salt("1700000300"), testNow, Accepted},
		"query is a number":       {`{"protocol":1,"type":0,"rsalt":"rs","query":0}`, nil, testNow, Accepted},
		"query is a list":         {`{"protocol":1,"type":0,"rsalt":"rs","query":[{}]}`, nil, testNow, Accepted},
		"unknown parameter":       {`{"protocol":1,"type":0,"rsalt":"rs","query":{"x":1}}`, nil, testNow, Accepted},
		"query is no JSON":        {`{"protocol":1,"type":0,"rsalt":"rs","query":NaN}`, nil, testNow, RefusedRequest},
		"other protocol":          {`{"protocol":2,"type":0,"rsalt":"rs"}`, nil, testNow, RefusedRequest},
		"protocol with fraction":  {`{"protocol":1.0,"type":0,"rsalt":"rs"}`, nil, testNow, RefusedRequest},
		"unknown type":            {`{"protocol":1,"type":12,"rsalt":"rs"}`, nil, testNow, RefusedRequest},
		"empty rsalt":             {`{"protocol":1,"type":0,"rsalt":""}`, nil, testNow, RefusedRequest},
		"rsalt is not ASCII":      {`{"protocol":1,"type":0,"rsalt":"é"}`, nil, testNow, RefusedRequest},
		"rsalt is the last ASCII": {`{"protocol":1,"type":0,"rsalt":"\u007f"}`, nil, testNow, Accepted},
		"unknown member":          {`{"protocol":1,"type":0,"rsalt":"rs","x":1}`, nil, testNow, RefusedRequest},
		"something follows":       {ping + "{}", nil, testNow, RefusedRequest},
	} {
		t.Run(name, func(t *testing.T) {
			if refusal := codec.Authenticate(datagram(t, test.inner, test.edit), test.now); refusal != Accepted {
				t.Fatalf("refusal %d; cause %v", refusal, codec.Cause())
			}
			request, got := codec.ClassicRequest(test.now)
			if got != test.want || (got == Accepted) != (request != nil) {
				t.Errorf("request %v with refusal %d, want %d; cause %v", request, got, test.want, codec.Cause())
			}
		})
	}
}

func pad(datagram []byte, size int) []byte {
	return append(datagram, bytes.Repeat([]byte(" "), size-len(datagram))...)
}

// A query must not leak into the next request.
func TestOpenForgetsTheLastRequest(t *testing.T) {
	codec := NewCodec(NewKeyring([]byte(testKey)))
	codec.Open(datagram(t, `{"protocol":1,"type":1,"rsalt":"a","query":"node1"}`, nil), testNow)
	request, refusal := codec.Open(datagram(t, `{"protocol":1,"type":1,"rsalt":"b"}`, nil), testNow)
	if refusal != Accepted || request.Query.Set {
		t.Errorf("refusal %d, query %v", refusal, request.Query)
	}
}

func TestSealRequestIsASCII(t *testing.T) {
	codec := NewCodec(NewKeyring([]byte(testKey)))
	const name = "knöten-日本-😀 \"\\\x7f\n"
	sealed, err := codec.SealRequest(nil, &wire.Request{
		Protocol: 1,
		Type:     wire.RequestNodeRoleByName,
		Rsalt:    "ö",
		Query:    wire.NewOptQuery(wire.NewStringQuery(name)),
	}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range sealed {
		if b >= utf8.RuneSelf {
			t.Fatalf("byte %d of %q is not ASCII", i, sealed)
		}
	}
	request, refusal := codec.Open(sealed, testNow)
	if refusal != Accepted || request.Query.Value.String != name || request.Rsalt != "ö" {
		t.Errorf("refusal %d, request %+v", refusal, request)
	}
}

func TestKeyringReplace(t *testing.T) {
	ring := new(Keyring)
	codec := NewCodec(ring)
	const ping = `{"protocol":1,"type":0,"rsalt":"rs"}`
	signed := func(key string, now time.Time) []byte {
		out, err := NewCodec(NewKeyring([]byte(key))).SealRequest(nil, &wire.Request{Protocol: 1, Rsalt: "rs"}, now)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if _, refusal := codec.Open(datagram(t, ping, nil), testNow); refusal != RefusedHMAC {
		t.Errorf("without a key: refusal %d", refusal)
	}
	ring.Replace([]byte("one"), testNow)
	if _, refusal := codec.Open(signed("", testNow), testNow); refusal != RefusedHMAC {
		t.Errorf("empty key before the first: refusal %d", refusal)
	}
	ring.Replace([]byte("two"), testNow)
	ring.Replace([]byte("two"), testNow) // the same key again forgets nothing
	for _, step := range []struct {
		key   string
		after time.Duration
		want  Refusal
	}{
		{"one", 0, Accepted},
		{"two", 0, Accepted},
		{"one", wire.ClockSkew * time.Second, Accepted},
		{"one", (wire.ClockSkew + 1) * time.Second, RefusedHMAC},
		{"two", (wire.ClockSkew + 1) * time.Second, Accepted},
		{"three", 0, RefusedHMAC},
	} {
		now := testNow.Add(step.after)
		if _, refusal := codec.Open(signed(step.key, now), now); refusal != step.want {
			t.Errorf("key %s after %v: refusal %d, want %d", step.key, step.after, refusal, step.want)
		}
	}

	// The reply is signed with the key of its request, and otherwise with the new one.
	for _, key := range []string{"one", "two"} {
		if _, refusal := codec.Open(signed(key, testNow), testNow); refusal != Accepted {
			t.Fatalf("key %s: refusal %d", key, refusal)
		}
		sealed, err := codec.Seal(nil, "salt", []byte("text"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(sealed, []byte(sign(key, "salttext"))) {
			t.Errorf("%s is not signed with key %s", sealed, key)
		}
	}
	sealed, err := NewCodec(ring).Seal(nil, "salt", []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(sealed, []byte(sign("two", "salttext"))) {
		t.Errorf("%s is not signed with the current key", sealed)
	}
}

func TestSealAndOpenReply(t *testing.T) {
	codec := NewCodec(NewKeyring([]byte(testKey)))
	for _, answer := range []string{`0`, `"a\"b\\cé\u0001\u001f"`, `[[0,"192.0.2.1",7]]`, `{"k":null}`} {
		text := []byte(`{"protocol":1,"status":0,"answer":` + answer + `,"serial":42}`)
		sealed, err := codec.Seal([]byte("before"), `rs"é`, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		escaped, err := json.Marshal(string(text))
		if err != nil {
			t.Fatal(err)
		}
		prepared, err := codec.Seal([]byte("before"), `rs"é`, text, escaped)
		if err != nil {
			t.Fatal(err)
		}
		for _, datagram := range [][]byte{sealed, prepared} {
			body, ok := bytes.CutPrefix(datagram, []byte("before"))
			if !ok {
				t.Fatalf("%s does not start with what was there", datagram)
			}
			reply, salt, err := codec.OpenReply(body)
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if salt != `rs"é` || string(reply.Answer) != answer || reply.Serial.Value != 42 {
				t.Errorf("salt %q, reply %+v; want answer %s", salt, reply, answer)
			}
		}
	}
}

func TestOpenReplyErrors(t *testing.T) {
	codec := NewCodec(NewKeyring([]byte(testKey)))
	good, err := codec.Seal(nil, "rs", []byte(`{"protocol":1,"status":0,"answer":0,"serial":0}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := codec.OpenReply([]byte("x" + string(good))); !errors.Is(err, ErrMagic) {
		t.Errorf("no magic: %v", err)
	}
	if _, _, err := codec.OpenReply(bytes.Replace(good, []byte("rs"), []byte("RS"), 1)); !errors.Is(err, ErrHMAC) {
		t.Errorf("changed salt: %v", err)
	}
	if _, _, err := codec.OpenReply(pad(good, wire.MaxDatagramSize)); err != nil {
		t.Errorf("as large as possible: %v", err)
	}
	if _, _, err := codec.OpenReply(pad(good, wire.MaxDatagramSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, _, err := codec.OpenReply([]byte("plj0{}")); err == nil {
		t.Error("empty envelope: no error")
	}
	broken, err := codec.Seal(nil, "rs", []byte(`{"protocol":1}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := codec.OpenReply(broken); err == nil {
		t.Error("reply without status: no error")
	}
	other, err := codec.Seal(nil, "rs", []byte(`{"protocol":2,"status":0,"answer":0,"serial":0}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := codec.OpenReply(other); !errors.Is(err, ErrProtocol) {
		t.Errorf("another protocol: %v", err)
	}
}

func TestSealRefusesWhatIsTooLarge(t *testing.T) {
	codec := NewCodec(NewKeyring([]byte(testKey)))
	dst := []byte("before")
	frame, err := codec.Seal(nil, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	room := wire.MaxDatagramSize - len(frame)
	if _, err := codec.Seal(dst, "", bytes.Repeat([]byte("x"), room), nil); err != nil {
		t.Errorf("%d bytes: %v", room, err)
	}
	got, err := codec.Seal(dst, "", bytes.Repeat([]byte("x"), room+1), nil)
	if !errors.Is(err, ErrTooLarge) || string(got) != "before" {
		t.Errorf("%d bytes: %d bytes, error %v", room+1, len(got), err)
	}

	// Far larger texts are not even copied.
	huge, short := bytes.Repeat([]byte("x"), 10*wire.MaxDatagramSize), []byte("x")
	for name, texts := range map[string][2][]byte{"salt": {huge, short}, "text": {short, huge}} {
		salt := string(texts[0])
		size := allocated(func() { _, err = codec.Seal(dst, salt, texts[1], nil) })
		if !errors.Is(err, ErrTooLarge) || size > wire.MaxDatagramSize {
			t.Errorf("huge %s: error %v, %d bytes allocated", name, err, size)
		}
	}
}

func TestSealNeedsAKey(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a reply is sealed without a key")
		}
	}()
	NewCodec(new(Keyring)).Seal(nil, "salt", []byte("text"), nil)
}

// The last two old keys verify, each for its time.
func TestFormerKeys(t *testing.T) {
	ring := NewKeyring([]byte("a"))
	codec := NewCodec(ring)
	at := testNow
	for _, key := range []string{"b", "c", "d"} {
		at = at.Add(time.Minute)
		ring.Replace([]byte(key), at)
	}
	late := at.Add((wire.ClockSkew - 30) * time.Second) // more than 300 s after b was replaced
	for key, want := range map[string][2]Refusal{
		"a": {RefusedHMAC, RefusedHMAC}, "b": {Accepted, RefusedHMAC}, "c": {Accepted, Accepted}, "d": {Accepted, Accepted},
	} {
		for i, now := range []time.Time{at, late} {
			datagram, err := NewCodec(NewKeyring([]byte(key))).SealRequest(nil, &wire.Request{Protocol: 1, Rsalt: "x"}, now)
			if err != nil {
				t.Fatal(err)
			}
			if got := codec.Authenticate(datagram, now); got != want[i] {
				t.Errorf("key %s at %v: refusal %d, want %d", key, now, got, want[i])
			}
			if want[i] != Accepted {
				continue
			}
			reply, err := codec.Seal(nil, "x", []byte(`{"protocol":1,"status":0,"answer":1,"serial":0}`), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := NewCodec(NewKeyring([]byte(key))).OpenReply(reply); err != nil {
				t.Errorf("key %s: the reply is signed with another: %v", key, err)
			}
		}
	}
}

// An old key counts until the end of its last second, also while others replace it.
func TestFormerKeysLastSecond(t *testing.T) {
	const last = wire.ClockSkew * time.Second
	for name, test := range map[string]struct {
		replaced time.Duration // when the next key comes
		want     Refusal
	}{
		"in the last second": {last, Accepted},
		"after it":           {last + time.Second, RefusedHMAC},
	} {
		ring := NewKeyring([]byte("one"))
		ring.Replace([]byte("two"), testNow)
		ring.Replace([]byte("three"), testNow.Add(test.replaced))
		codec := NewCodec(NewKeyring([]byte("one")))
		datagram, err := codec.SealRequest(nil, &wire.Request{Protocol: 1, Rsalt: "x"}, testNow.Add(last))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := NewCodec(ring).Open(datagram, testNow.Add(last)); got != test.want {
			t.Errorf("replaced %s: refusal %d, want %d", name, got, test.want)
		}
	}
}
