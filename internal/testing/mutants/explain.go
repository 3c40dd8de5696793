package main

import (
	"fmt"
	"strings"
)

// explanation says why faults in some lines are not noticed.
type explanation struct {
	file, text string // text is "*" for all lines of the file
}

// explanations reads a list of explanations. The error names the line.
func explanations(text string) ([]explanation, error) {
	var all []explanation
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		what, reason, _ := strings.Cut(line, " # ")
		file, code, ok := strings.Cut(what, ": ")
		if !ok || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("line %d: say FILE: LINE # REASON", number)
		}
		all = append(all, explanation{file, strings.TrimSpace(code)})
	}
	return all, nil
}

// explained reports whether one of the reasons is about a line of a file.
func explained(reasons []explanation, file, line string) bool {
	for _, e := range reasons {
		if e.file == file && (e.text == "*" || e.text == line) {
			return true
		}
	}
	return false
}
