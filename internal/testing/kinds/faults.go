package main

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed faults
var files embed.FS

// fault is a mistake in a daemon or a client.
type fault struct {
	side    string // "daemon" or "client"
	area    string
	name    string
	changes []change
}

// change replaces some lines of a source file.
type change struct{ file, old, new string }

// readFaults reads faults/SIDE/AREA.txt. There a fault looks like this:
//
//	== minors of the first end only
//	internal/cluster/placement.go
//	-for end, node := range device.nodes {
//	+for end, node := range device.nodes[:1] {
//
// The lines with a minus sign are the text that is replaced; it must stand in the file exactly
// once. Those with a plus sign are what replaces it. A fault may have several such changes, in
// several files. Lines that begin with # are comments.
func readFaults(files fs.FS) ([]fault, error) {
	names, err := fs.Glob(files, "faults/*/*.txt")
	if err != nil {
		return nil, err
	}
	var all []fault
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		found, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s:%w", name, err)
		}
		for _, f := range found {
			f.side, f.area = path.Base(path.Dir(name)), strings.TrimSuffix(path.Base(name), ".txt")
			all = append(all, f)
		}
	}
	return all, nil
}

// parse reads the faults of one file. The error begins with the number of the line.
func parse(text string) ([]fault, error) {
	var all []fault
	number, file, last := 0, "", ""
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		name, begins := strings.CutPrefix(line, "== ")
		switch {
		case line == "" || line[0] == '#':
			continue
		case begins:
			all = append(all, fault{name: name})
			file = ""
		case len(all) == 0:
			return nil, fmt.Errorf("%d: no fault begins before it: == NAME", number)
		case line[0] != '-' && line[0] != '+':
			file = line
		case file == "":
			return nil, fmt.Errorf("%d: no file is named before it", number)
		default:
			f := &all[len(all)-1]
			if line[0] == '-' && last[0] != '-' {
				f.changes = append(f.changes, change{file: file})
			} else if len(f.changes) == 0 {
				return nil, fmt.Errorf("%d: no text to replace before it", number)
			}
			c := &f.changes[len(f.changes)-1]
			if line[0] == '-' {
				c.old += line[1:] + "\n"
			} else {
				c.new += line[1:] + "\n"
			}
		}
		last = line
	}
	return all, nil
}

// apply returns the contents of the source files with the fault, by their names. The error names
// a text that does not stand in its file exactly once.
func (f *fault) apply(source fs.FS) (map[string]string, error) {
	contents := make(map[string]string)
	for _, c := range f.changes {
		text, known := contents[c.file]
		if !known {
			read, err := fs.ReadFile(source, c.file)
			if err != nil {
				return nil, err
			}
			text = string(read)
		}
		if n := strings.Count(text, c.old); n != 1 {
			return nil, fmt.Errorf("%s has this text %d times, not once:\n%s", c.file, n, c.old)
		}
		contents[c.file] = strings.Replace(text, c.old, c.new, 1)
	}
	return contents, nil
}
