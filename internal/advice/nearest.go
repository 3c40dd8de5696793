package advice

import "strings"

// Nearest returns the name that a person may have meant by another: the one with the
// fewest letters to change, or "" if that would be too many, or several are as near. A
// name up to its first dot counts as the whole.
func Nearest(meant string, names []string) string {
	best, least := "", max(1, len(meant)/4)
	for _, name := range names {
		short, _, _ := strings.Cut(name, ".")
		for _, form := range []string{name, short} {
			switch d := distance(strings.ToLower(meant), strings.ToLower(form), least+1); {
			case d < least, d == least && best == "":
				best, least = name, d
			case d == least && best != name:
				best = several
			}
		}
	}
	if best == several {
		return ""
	}
	return best
}

// several stands for names that are equally near.
const several = "\x00"

// distance returns how many letters to insert, leave out, replace or swap with their
// neighbours make b of a, or limit if that is less.
func distance(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) >= limit {
		return limit
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, last, this := rows[0], rows[1], rows[2]
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		this[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			this[j+1] = min(change, last[j+1]+1, this[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				this[j+1] = min(this[j+1], before[j-1]+1)
			}
		}
		before, last, this = last, this, before
	}
	return min(last[len(b)], limit)
}
