package client

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gntconfd/gen/wire"
)

// opinions generates opinions of several peers on a question whose answer is a list of
// texts, with few different answers and serial numbers, so that many agree.
func opinions(t *rapid.T, q *question) []*opinion {
	answers := []string{`["a","b"]`, `["b","a"]`, `["a", "b"]`, `["a"]`, `[]`, `0`, `null`, `2`, `"a"`}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *opinion {
		o := &opinion{
			peer:   &peer{name: "peer"},
			status: wire.Status(rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(t, "status")),
			json:   json.RawMessage(rapid.SampledFrom(answers).Draw(t, "answer")),
			serial: rapid.SampledFrom([]int64{0, 7, 8, math.MaxInt64, -1}).Draw(t, "serial"),
		}
		q.interpret(o)
		return o
	}), 1, 9).Draw(t, "opinions")
}

func listQuestion(set bool) *question {
	q := ConfigValue[[]string]("").question
	q.set = set
	return &q
}

// TestVotes: the best of several opinions, compared with a naive search.
func TestVotes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := listQuestion(rapid.Bool().Draw(t, "set"))
		all := opinions(t, q)
		v := votes{question: q}
		for _, o := range all {
			v.add(o)
		}

		answers := slices.DeleteFunc(slices.Clone(all), func(o *opinion) bool { return o.err != nil })
		candidates := all
		if len(answers) > 0 {
			newest := slices.MaxFunc(answers, func(a, b *opinion) int {
				if a.serial < b.serial {
					return -1
				}
				return 1
			}).serial
			candidates = slices.DeleteFunc(answers, func(o *opinion) bool { return o.serial != newest })
		}
		if !slices.Contains(candidates, v.best) {
			t.Fatalf("best is %+v, not one of %d candidates", v.best, len(candidates))
		}
		count := func(o *opinion) (agreeing int) {
			for _, other := range all {
				if (o.err == nil) == (other.err == nil) && equalJSON(q.set, o.json, other.json) {
					agreeing++
				}
			}
			return agreeing
		}
		if v.agreeing != count(v.best) {
			t.Fatalf("%d agree, want %d", v.agreeing, count(v.best))
		}
		consistent := true
		for _, o := range candidates {
			if len(answers) > 0 {
				if count(o) > v.agreeing {
					t.Fatalf("%s has %d votes, the best %d", o.json, count(o), v.agreeing)
				}
				consistent = consistent && equalJSON(q.set, o.json, v.best.json)
			}
		}
		if v.consistent != consistent {
			t.Fatalf("consistent %v, want %v", v.consistent, consistent)
		}

		again := votes{question: q}
		for _, o := range rapid.Permutation(all).Draw(t, "in another order") {
			again.add(o)
		}
		if again.agreeing != v.agreeing || again.best.serial != v.best.serial && len(answers) > 0 || again.consistent != v.consistent && unique(candidates, count) {
			t.Fatalf("in another order %d agree on %+v, not %d on %+v", again.agreeing, again.best, v.agreeing, v.best)
		}
	})
}

// unique reports whether no two candidates have equally many votes, unless they say the
// same.
func unique(candidates []*opinion, count func(*opinion) int) bool {
	seen := make(map[int]string)
	for _, o := range candidates {
		if text, ok := seen[count(o)]; ok && text != string(o.json) {
			return false
		}
		seen[count(o)] = string(o.json)
	}
	return true
}

// equalJSON compares the values of two JSON texts, optionally with lists as multisets.
func equalJSON(set bool, a, b []byte) bool {
	var values [2]any
	for i, text := range [][]byte{a, b} {
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		if err := d.Decode(&values[i]); err != nil {
			panic(err)
		}
	}
	left, isList := values[0].([]any)
	right, isListToo := values[1].([]any)
	if !set || !isList || !isListToo {
		return reflect.DeepEqual(values[0], values[1])
	}
	for _, element := range left {
		i := slices.IndexFunc(right, func(other any) bool { return reflect.DeepEqual(element, other) })
		if i < 0 {
			return false
		}
		right = slices.Delete(right, i, i+1)
	}
	return len(right) == 0
}

// TestCanonical: canonical texts are equal if and only if they contain the same JSON value.
func TestCanonical(t *testing.T) {
	t.Parallel()
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.SampledFrom([]any{true, false, 0, 1, 1.5, math.MaxInt64, json.Number("9223372036854775808"), "", "a", "0", "é", "\u2028<", "a\",\"b", `["a"]`, "null"}),
	}
	var value *rapid.Generator[any]
	value = rapid.OneOf(append(scalars, rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Map(rapid.SliceOfN(value, 0, 3), func(list []any) any { return list }),
			rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", ""}), value, 0, 2), func(m map[string]any) any { return m }),
		)
	}))...)
	rapid.Check(t, func(t *rapid.T) {
		var texts [2][]byte
		first := value.Draw(t, "first")
		second := rapid.OneOf(value, rapid.Just(first), rapid.Just[any]([]any{first})).Draw(t, "second")
		if list, ok := first.([]any); ok && rapid.Bool().Draw(t, "permuted") {
			second = rapid.Permutation(list).Draw(t, "second list")
		}
		for i, value := range []any{first, second} {
			var err error
			indent := rapid.SampledFrom([]string{"", " "}).Draw(t, "indent")
			if texts[i], err = json.MarshalIndent(value, "", indent); err != nil {
				t.Fatal(err)
			}
		}
		q := question{set: rapid.Bool().Draw(t, "set")}
		got := q.canonical(texts[0]) == q.canonical(texts[1])
		if want := equalJSON(q.set, texts[0], texts[1]); got != want {
			t.Fatalf("%s and %s: equal %v, want %v", texts[0], texts[1], got, want)
		}
	})
}

// TestFresh: what Fresh yields, compared with a naive implementation.
func TestFresh(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Reply[string] {
			r := Reply[string]{
				JSON:   json.RawMessage(rapid.SampledFrom([]string{`["a","b"]`, `["a", "b"]`, `["b","a"]`, `1`}).Draw(t, "answer")),
				Serial: rapid.Int64Range(0, 3).Draw(t, "serial"),
			}
			r.Answer = string(r.JSON)
			if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
				r.Err, r.Serial = ErrUnknownEntry, 0
			}
			return r
		}), 0, 9).Draw(t, "replies")
		fail := rapid.IntRange(0, 20).Draw(t, "failure after")

		var got, want []string
		for reply, err := range Fresh(replies(all, fail)) {
			got = append(got, label(reply, err))
		}
		for i, reply := range all[:min(fail, len(all))] {
			fresh := true
			newest := Reply[string]{Serial: -1}
			for _, former := range all[:i] {
				if former.Err == nil && former.Serial >= newest.Serial {
					newest = former
				}
				if reply.Err != nil && (former.Err == nil || string(former.JSON) == string(reply.JSON)) {
					fresh = false
				}
			}
			if reply.Err == nil && newest.Serial >= 0 && (reply.Serial < newest.Serial || reply.Serial == newest.Serial && equalJSON(false, reply.JSON, newest.JSON)) {
				fresh = false
			}
			if fresh {
				want = append(want, label(reply, nil))
			}
		}
		if fail < len(all) {
			want = append(want, label(Reply[string]{}, ErrNoReply))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func label(reply Reply[string], err error) string {
	return fmt.Sprintf("%s %d %v %v", reply.JSON, reply.Serial, reply.Err, err)
}

// replies is a sequence of replies that ends with an error.
func replies(all []Reply[string], fail int) iter.Seq2[Reply[string], error] {
	return func(yield func(Reply[string], error) bool) {
		for i, reply := range all {
			if i == fail {
				yield(Reply[string]{}, ErrNoReply)
				return
			}
			if !yield(reply, nil) {
				return
			}
		}
	}
}

// TestFreshOrder: a list whose order does not matter is the same in another order.
func TestFreshOrder(t *testing.T) {
	q := NodeIPs()
	var all []Reply[[]netip.Addr]
	for _, text := range []string{`["192.0.2.1","192.0.2.2"]`, `["192.0.2.2","192.0.2.1"]`, `["192.0.2.2"]`} {
		o := opinion{peer: new(peer), json: json.RawMessage(text), serial: 7}
		q.interpret(&o)
		all = append(all, replyOf[[]netip.Addr](&o))
	}
	var got []string
	for reply := range Fresh(func(yield func(Reply[[]netip.Addr], error) bool) {
		for _, reply := range all {
			yield(reply, nil)
		}
	}) {
		got = append(got, fmt.Sprint(reply.Answer))
	}
	if want := []string{"[192.0.2.1 192.0.2.2]", "[192.0.2.2]"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFreshBreak: ending the loop ends the inner sequence.
func TestFreshBreak(t *testing.T) {
	ended := false
	for range Fresh(func(yield func(Reply[string], error) bool) {
		ended = !yield(Reply[string]{JSON: json.RawMessage(`1`)}, nil)
	}) {
		break
	}
	if !ended {
		t.Error("the inner loop continues")
	}
}
