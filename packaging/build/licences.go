package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// licences returns the licences, and the accompanying notices, of everything linked into
// the built programs that was written by others: Go itself and all modules. A module
// without a licence is an error, because it may not be distributed.
func licences(built string) ([]byte, error) {
	modules := make(map[string]bool) // path@version
	for _, program := range programs {
		info, err := buildinfo.ReadFile(filepath.Join(built, program))
		if err != nil {
			return nil, err
		}
		for _, m := range info.Deps {
			modules[m.Path+"@"+m.Version] = true
		}
	}
	directories, err := call("go", "list", "-m", "-f", "{{.Path}}@{{.Version}} {{.Dir}}", "all")
	if err != nil {
		return nil, err
	}
	root, err := call("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	sources := []string{"Go " + strings.TrimPrefix(runtime.Version(), "go") + " " + strings.TrimSpace(root)}
	for line := range strings.Lines(directories) {
		if name, _, _ := strings.Cut(line, " "); modules[name] {
			delete(modules, name)
			sources = append(sources, strings.TrimSpace(line))
		}
	}
	if len(modules) > 0 {
		return nil, fmt.Errorf("modules %v are linked in, but go list does not know them", modules)
	}
	var all bytes.Buffer
	for _, source := range sources {
		at := strings.LastIndexByte(source, ' ')
		if err := appendLicence(&all, source[:at], source[at+1:]); err != nil {
			return nil, err
		}
	}
	return all.Bytes(), nil
}

// appendLicence appends the licence and the notice in a directory.
func appendLicence(all *bytes.Buffer, name, directory string) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	found := false
	for _, entry := range entries {
		kind, _, _ := strings.Cut(strings.ToUpper(entry.Name()), ".")
		if entry.IsDir() || strings.HasSuffix(entry.Name(), ".go") || !slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE"}, kind) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			return err
		}
		found = found || kind != "NOTICE"
		fmt.Fprintf(all, "== %s: %s\n\n%s\n\n", name, entry.Name(), bytes.TrimSpace(text))
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s", name, directory)
	}
	return nil
}
