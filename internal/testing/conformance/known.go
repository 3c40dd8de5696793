package conformance

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strings"
)

// KnownFailing is a list of tests that an implementation is known to fail. A nil list is
// empty.
type KnownFailing struct {
	name    string
	entries []knownEntry
}

// knownEntry is a line of the list.
type knownEntry struct {
	line    int
	pattern string // of ids, as for path.Match, or deviationPrefix and the id of a deviation
	reason  string
}

// deviationPrefix begins an entry for all tests about a deviation.
const deviationPrefix = "deviation:"

// ReadKnownFailing reads a list: on each line the id of a test, a pattern of ids or
// "deviation:" and the id of a deviation, then " # " and the reason. Lines that begin with
// # are comments. The errors name the list and the line.
func ReadKnownFailing(r io.Reader, name string) (*KnownFailing, error) {
	known := &KnownFailing{name: name}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, reason, _ := strings.Cut(line, " #")
		entry := knownEntry{number, strings.TrimSpace(pattern), strings.TrimSpace(reason)}
		if entry.reason == "" {
			return nil, fmt.Errorf("%s:%d: %s has no reason: add one after a #", name, number, entry.pattern)
		}
		if _, err := path.Match(entry.pattern, ""); err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", name, number, entry.pattern, err)
		}
		known.entries = append(known.entries, entry)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return known, nil
}

func (e *knownEntry) matches(c Case) bool {
	if deviation, ok := strings.CutPrefix(e.pattern, deviationPrefix); ok {
		return c.Deviation == deviation
	}
	matched, _ := path.Match(e.pattern, c.ID)
	return matched
}

// find returns the first entry for a test, or nil.
func (k *KnownFailing) find(c Case) *knownEntry {
	if k == nil {
		return nil
	}
	for i := range k.entries {
		if k.entries[i].matches(c) {
			return &k.entries[i]
		}
	}
	return nil
}

// unmatched returns the entries that match none of the tests.
func (k *KnownFailing) unmatched(cases []Case) []knownEntry {
	var unmatched []knownEntry
	if k == nil {
		return nil
	}
entries:
	for _, entry := range k.entries {
		for _, c := range cases {
			if entry.matches(c) {
				continue entries
			}
		}
		unmatched = append(unmatched, entry)
	}
	return unmatched
}
