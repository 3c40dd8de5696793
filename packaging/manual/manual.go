// Package manual makes manual pages of what programs say in their help. The programs
// use it when they are built with the tag man, to write their pages instead of
// running.
package manual

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"gntconfd/internal/release"
)

// Write writes the pages of a program and its subcommands, for a section of the
// manual, to the directory that is the first argument, and ends the program. Their
// date is that of SOURCE_DATE_EPOCH, else today.
func Write(root *cobra.Command, section string) {
	header := &doc.GenManHeader{Section: section, Source: "gntconfd " + release.Version(), Manual: "Ganeti"}
	root.DisableAutoGenTag = true
	if err := doc.GenManTree(root, header, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
