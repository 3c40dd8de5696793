package fuzz

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
)

// TestChangesAreSeen: whatever was loaded before, a configuration is refused with the
// same error, or answered from in the same way, as when it is the first. What was loaded
// before stays as it was.
func TestChangesAreSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clusters().Draw(t, "cluster")
		first := c.file
		former, err := cluster.Parse(slices.Clone(first))
		if err != nil {
			t.Skip(err)
		}
		book := answer.Prepare(former)
		text := first
		for range rapid.IntRange(1, 3).Draw(t, "files") {
			text = changed(t, text)
			want, wantErr := cluster.Parse(slices.Clone(text))
			got, gotErr := cluster.Load(context.Background(), bytes.NewReader(text), cluster.Options{Former: former})
			if errorText(gotErr) != errorText(wantErr) {
				t.Fatalf("%s\nis refused with %v, when it is the first with %v", text, gotErr, wantErr)
			}
			if gotErr != nil {
				continue
			}
			asked := drawnCluster{doc: decode(text).(object), file: text}
			next := answer.PrepareNext(book, got)
			sameAnswers(t, asked, next, answer.Prepare(want))
			again, err := cluster.Parse(slices.Clone(first))
			if err != nil {
				t.Fatal(err)
			}
			sameAnswers(t, c, book, answer.Prepare(again))
			first, former, book, c = text, got, next, asked
		}
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sameAnswers asks two books everything.
func sameAnswers(t *rapid.T, c drawnCluster, got, want *answer.Book) {
	for _, q := range questions(t, c) {
		gotReply, gotErr := ask(got, q)
		wantReply, wantErr := ask(want, q)
		if errorText(gotErr) != errorText(wantErr) || gotReply.Status != wantReply.Status || gotReply.Serial != wantReply.Serial || !equal(gotReply.Answer, wantReply.Answer) {
			t.Fatalf("%+v: %+v, %v; want %+v, %v\n%s", q, gotReply, gotErr, wantReply, wantErr, c.file)
		}
	}
}

// changed returns a configuration with some change, which may break it.
func changed(t *rapid.T, text []byte) []byte {
	whole, ok := tryDecode(text)
	if ok != nil {
		return clusters().Draw(t, "cluster").file
	}
	root, isObject := whole.(object)
	switch rapid.SampledFrom([]string{"other", "some objects", "value", "moved", "form", "byte", "cut", "twice", "gone", "spliced"}).Draw(t, "change") {
	case "other":
		return clusters().Draw(t, "cluster").file
	case "some objects":
		other := decode(clusters().Draw(t, "cluster").file).(object)
		for _, container := range []string{"cluster", "nodes", "instances", "disks"} {
			theirs, ok := other[container].(object)
			ours, same := root[container].(object)
			if !isObject || !ok || !same {
				continue
			}
			for _, key := range sortedKeys(theirs) {
				if rapid.IntRange(0, 3).Draw(t, "take "+key) == 0 {
					ours[key] = theirs[key]
				}
			}
		}
	case "value":
		whole = mutate(t, whole)
	case "moved":
		return shuffled(t, text)
	case "form":
		var form bytes.Buffer
		if err := json.Indent(&form, text, "", rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent")); err != nil {
			t.Fatal(err)
		}
		return form.Bytes()
	default:
		return damaged(t, text)
	}
	return encode(whole)
}

// damaged returns a text with bytes changed, gone or doubled.
func damaged(t *rapid.T, text []byte) []byte {
	text = slices.Clone(text)
	at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
	end := min(len(text), at+rapid.IntRange(1, 200).Draw(t, "length"))
	switch rapid.SampledFrom([]string{"byte", "cut", "gone", "twice", "digit"}).Draw(t, "damage") {
	case "byte":
		text[at] = rapid.Byte().Draw(t, "byte")
	case "cut":
		text = text[:at]
	case "gone":
		text = slices.Delete(text, at, end)
	case "twice":
		text = slices.Insert(text, end, text[at:end]...)
	case "digit": // which keeps a file whole, mostly
		for ; at < len(text); at++ {
			if '1' <= text[at] && text[at] <= '9' {
				text[at] ^= 1
				break
			}
		}
	}
	if len(text) == 0 {
		return []byte("{}")
	}
	return text
}

// shuffled returns a text with the members of an object in another order, some of them
// twice, and some with a key that is written with an escape.
func shuffled(t *rapid.T, text []byte) []byte {
	members := membersOf(t, text)
	if members == nil {
		return text
	}
	at := rapid.IntRange(0, len(members)-1).Draw(t, "container")
	if inner := membersOf(t, members[at].value); inner != nil && rapid.Bool().Draw(t, "inside") {
		members[at].value = assembled(t, inner)
		return assembledInOrder(members)
	}
	return assembled(t, members)
}

type memberText struct{ key, value []byte }

// membersOf returns the members of an object as they stand in a text, and none of anything
// else.
func membersOf(t *rapid.T, text []byte) []memberText {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil
	}
	var members []memberText
	for decoder.More() {
		var m memberText
		key, err := decoder.Token()
		if err == nil {
			m.key = encode(key)
			err = decoder.Decode((*json.RawMessage)(&m.value))
		}
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, m)
	}
	return members
}

func assembled(t *rapid.T, members []memberText) []byte {
	members = rapid.Permutation(members).Draw(t, "order")
	if rapid.IntRange(0, 2).Draw(t, "double") == 0 {
		one := rapid.SampledFrom(members).Draw(t, "one")
		other := rapid.SampledFrom(members).Draw(t, "other")
		members = append(members, memberText{one.key, other.value})
	}
	if rapid.IntRange(0, 2).Draw(t, "escape") == 0 {
		i := rapid.IntRange(0, len(members)-1).Draw(t, "escaped")
		if key := members[i].key; len(key) > 2 && key[1] != '\\' && key[1] < 0x80 {
			escape := []byte{'"', '\\', 'u', '0', '0', "0123456789abcdef"[key[1]>>4], "0123456789abcdef"[key[1]&15]}
			members[i].key = slices.Concat(escape, key[2:])
		}
	}
	return assembledInOrder(members)
}

func assembledInOrder(members []memberText) []byte {
	text := []byte("{")
	for i, m := range members {
		if i > 0 {
			text = append(text, ',')
		}
		text = slices.Concat(text, m.key, []byte(":"), m.value)
	}
	return append(text, '}')
}
