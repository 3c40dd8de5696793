package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gntconfd/internal/advice"
	"gntconfd/internal/testing/conformance"
)

func tableCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "table NAME=REPORT...",
		Short: "Show the results of several implementations side by side",
		Long: `Prints the results of several implementations side by side, as a table in Markdown.
Each REPORT is a file written with --json.`,
		Example: `  confd-conformance --json > ours.json
  confd-conformance server --dialect 3.0 --json \
    -- ./my-confd {config} {key} {port} > mine.json
  confd-conformance table ours=ours.json mine=mine.json`,
		Args: advice.Args(cobra.MinimumNArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			var columns []conformance.Column
			for _, arg := range args {
				name, file, ok := strings.Cut(arg, "=")
				if !ok {
					return fmt.Errorf("unknown argument %.100q: say NAME=REPORT", arg)
				}
				report, err := readReport(file)
				if err != nil {
					return fmt.Errorf("%s: %w: write it with --json", name, err)
				}
				columns = append(columns, conformance.Column{Name: name, Report: report})
			}
			return conformance.WriteTable(command.OutOrStdout(), columns)
		},
	}
}

func readReport(name string) (*conformance.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return conformance.ReadReport(f)
}
