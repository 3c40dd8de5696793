// Package manual makes manual pages from the programs' help. A program built with the tag
// man writes its pages instead of running.
package manual

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"gntconfd/internal/release"
)

// Write writes the pages of a program and its subcommands, for a section of the manual, to
// the directory in the first argument, and exits. Their date is SOURCE_DATE_EPOCH, or
// today.
func Write(root *cobra.Command, section string) {
	header := &doc.GenManHeader{Section: section, Source: "gntconfd " + release.Version(), Manual: "Ganeti"}
	root.DisableAutoGenTag = true
	nameValues(root)
	err := doc.GenManTree(root, header, os.Args[1])
	if err == nil {
		err = plainSwitches(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// plainSwitches has the pages in a directory show options that take no value without one.
func plainSwitches(dir string) error {
	pages, err := filepath.Glob(filepath.Join(dir, "*.[1-9]"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := os.WriteFile(page, bytes.ReplaceAll(text, []byte("[=false]"), nil), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// nameValues has the pages show what an option's value is, as the help does, and where
// it has one its default, in place of a value such as 0 or nothing, which stands for
// one that is worked out.
func nameValues(command *cobra.Command) {
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Value.Type() == "bool" {
			return
		}
		name, usage := pflag.UnquoteUsage(flag)
		if !slices.Contains([]string{"", "0", "0s", "[]"}, flag.DefValue) {
			usage += fmt.Sprintf(" (default %s)", flag.DefValue)
		}
		flag.DefValue, flag.Usage, flag.Value = name, usage, unquoted{flag.Value}
	})
	for _, sub := range command.Commands() {
		nameValues(sub)
	}
}

// unquoted is an option's value that pages show without quotes, whatever its type.
type unquoted struct{ pflag.Value }

// Type returns no type.
func (unquoted) Type() string { return "" }
