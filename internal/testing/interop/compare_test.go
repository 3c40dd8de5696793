package interop

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gntconfd/internal/testing/jsonvalue"
)

// compare asks both daemons the questions and reports where the second one differs from the
// first, unless accepted explains it. It returns the number of questions of each request
// type answered with status 0.
func compare(t *testing.T, want, got *daemon, questions []question) (answered map[string]int) {
	t.Helper()
	const mostReported = 10
	differences, answered := differences(t, want, got, questions)
	for _, d := range differences[:min(len(differences), mostReported)] {
		t.Error(d)
	}
	if len(differences) > mostReported {
		t.Errorf("%d differences in all", len(differences))
	}
	return answered
}

// differences does the work of compare. It returns equal differences only once.
func differences(t *testing.T, want, got *daemon, questions []question) (found []string, answered map[string]int) {
	t.Helper()
	answered = make(map[string]int)
	seen, excused, silent := make(map[string]bool), make(map[string]int), 0
	wants, gots := want.ask(t, questions), got.ask(t, questions)
	for i, q := range questions {
		// A reply may be late or lost on a busy machine: if only one daemon replied, ask
		// again, with patience.
		if wants[i].silent != gots[i].silent && accepted(q, wants[i], gots[i]) == "" {
			if wants[i].silent {
				wants[i] = want.askAlone(t, numbered(q, i), patience)
			} else {
				gots[i] = got.askAlone(t, numbered(q, i), patience)
			}
		}
		if wants[i].silent {
			silent++
		} else if m := typeOf.FindStringSubmatch(string(q)); m != nil && strings.Contains(wants[i].text, `"status":0`) {
			answered[m[1]]++
		}
		difference := differ(want, got, wants[i], gots[i])
		if difference == "" || seen[difference] {
			continue
		}
		if reason := accepted(q, wants[i], gots[i]); reason != "" {
			excused[reason]++
			continue
		}
		seen[difference] = true
		found = append(found, fmt.Sprintf("%s\n  question %s\n  %-8s %v\n  %-8s %v", difference, brief(string(q)), want.name, wants[i], got.name, gots[i]))
	}
	t.Logf("%d questions, %d silent, different on purpose: %v", len(questions), silent, excused)
	return found, answered
}

// numbered gives a question that is asked alone its number in the series, so that reply
// salts stay equal.
func numbered(q question, n int) question {
	return question(strings.ReplaceAll(string(q), "$N", fmt.Sprint(n)))
}

const lateness = patience / 10

var typeOf = regexp.MustCompile(`"type": (\d+),`)

func brief(s string) string {
	if len(s) > 300 {
		return s[:300] + "..."
	}
	return s
}

// differ returns how two daemons' replies to a question differ, or "".
func differ(want, got *daemon, a, b reply) string {
	switch {
	case a.silent && b.silent:
		return ""
	case a.silent:
		return "an answer instead of silence"
	case b.silent:
		return "silence instead of an answer"
	case a.lossy:
		b.salt, b.text = lowBytes(b.salt), lowBytes(b.text)
	}
	if a.salt != b.salt {
		return fmt.Sprintf("salt %q instead of %q", b.salt, a.salt)
	}
	statusA, serialA, answerA, err := reply{text: want.rootless(a.text)}.parse()
	if err != nil {
		return "unreadable reply: " + err.Error()
	}
	statusB, serialB, answerB, err := reply{text: got.rootless(b.text)}.parse()
	switch {
	case err != nil:
		return "unreadable reply: " + err.Error()
	case statusA != statusB:
		return fmt.Sprintf("status %s instead of %s", statusB, statusA)
	case serialA != serialB:
		return fmt.Sprintf("serial %s instead of %s", serialB, serialA)
	}
	if err := jsonvalue.Difference(answerA, answerB, same); err != nil {
		return "answer" + err.Error()
	}
	return ""
}

// lowBytes reduces each character of a text to its low byte, as the real daemon does.
func lowBytes(s string) string {
	return strings.Map(func(r rune) rune { return r & 0xff }, s)
}

// same compares two JSON values that are neither objects nor lists. Integers differ from
// numbers with a fraction.
func same(want, got any) bool {
	a, okA := want.(json.Number)
	b, okB := got.(json.Number)
	return want == got || okA && okB && jsonvalue.SameNumberAndKind(a, b)
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// accepted returns why our daemon answers this question differently on purpose, or "".
// TestDeviations shows each of these reasons.
func accepted(q question, genuine, ours reply) string {
	switch {
	case genuine.lossy && !ours.silent && unreadable(genuine):
		return "the real daemon's reply lost characters that it needs"
	case isTooLarge(ours) && (genuine.silent || genuine.size > clientLimit):
		return "the real daemon sends up to 65507 bytes, which clients cannot read, and nothing beyond"
	case isArgumentError(ours) && malformed(pointerOf(q)):
		return "the real daemon answers a malformed JSON pointer's longest good prefix"
	case ours.silent && otherNumber.MatchString(string(q)):
		return "the real daemon of release 3.1 takes numbers that are none in JSON"
	case strings.Contains(pointerOf(q), "//"):
		return "the real daemon reads a JSON pointer only up to its first empty token"
	}
	return ""
}

var otherNumber = regexp.MustCompile(`"(protocol|type)": -?0[0-9xXoO]`)

var configQuery = regexp.MustCompile(`"type": 10, .*"query": ("/.*")}$`)

// pointerOf returns the JSON pointer in the question, or "".
func pointerOf(q question) string {
	var pointer string
	if m := configQuery.FindStringSubmatch(string(q)); m != nil && json.Unmarshal([]byte(m[1]), &pointer) == nil {
		return pointer
	}
	return ""
}

// malformed reports whether the pointer has an empty token before its end (it is valid, but
// the real daemon stops there), a ~ that escapes nothing, or a token that only begins like
// an array index.
func malformed(pointer string) bool {
	tokens := strings.Split(pointer, "/")
	for i, token := range tokens[1:] {
		if token == "" && i+2 < len(tokens) || badEscape.MatchString(token) || notQuiteIndex.MatchString(token) && !index.MatchString(token) {
			return true
		}
	}
	return false
}

var (
	badEscape     = regexp.MustCompile(`~([^01]|$)`)
	notQuiteIndex = regexp.MustCompile(`^[0-9]`)
	index         = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)
)

func unreadable(r reply) bool {
	_, _, _, err := r.parse()
	return err != nil
}

func isArgumentError(r reply) bool {
	status, serial, answer, err := r.parse()
	return err == nil && status == "1" && serial == "0" && answer == json.Number("2")
}

func isTooLarge(r reply) bool {
	if r.silent {
		return false
	}
	status, serial, answer, err := r.parse()
	text, ok := answer.(string)
	return err == nil && status == "1" && serial == "0" && ok && strings.Contains(text, "too large")
}
