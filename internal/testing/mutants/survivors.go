package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// explanation says why faults in some lines are not noticed.
type explanation struct {
	file, text string // text is "*" for all lines of the file
}

// explanations reads survivors.txt. The error names the line.
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
			return nil, fmt.Errorf("survivors.txt:%d: say FILE: LINE # REASON", number)
		}
		all = append(all, explanation{file, strings.TrimSpace(code)})
	}
	return all, nil
}

// judge counts the faults in a package, and lists those that are neither noticed nor
// explained.
func judge(files fs.FS, name string, r *report, reasons []explanation) (c counts, left []string, err error) {
	for _, file := range r.Files {
		full := path.Join(name, file.Name)
		text, err := fs.ReadFile(files, full)
		if err != nil {
			return c, nil, err
		}
		lines := bytes.Split(text, []byte("\n"))
		for _, fault := range file.Faults {
			if fault.Line < 1 || fault.Line > len(lines) {
				return c, nil, fmt.Errorf("%s has no line %d", full, fault.Line)
			}
			line := string(bytes.TrimSpace(lines[fault.Line-1]))
			switch {
			case fault.Status == "KILLED" || fault.Status == "TIMED OUT" || fault.Status == "NOT VIABLE":
				c.noticed++
			case explained(reasons, full, line):
				c.explained++
			default:
				left = append(left, fmt.Sprintf("%s:%d: %s in: %s", full, fault.Line, fault.Type, line))
			}
		}
	}
	return c, left, nil
}

func explained(reasons []explanation, file, line string) bool {
	for _, e := range reasons {
		if e.file == file && (e.text == "*" || e.text == line) {
			return true
		}
	}
	return false
}
