// Package validate has the command validate.
package validate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gntconfd/internal/advice"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/original"
)

// ErrRefused: Ganeti's own daemon would not load the file.
var ErrRefused = errors.New("would not load it")

// most is how many problems are printed: one mistake may occur in every object.
const most = 20

// New creates the command.
func New() *cobra.Command {
	command := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Tell whether Ganeti's own daemon would load a configuration",
		Long: `validate tells whether the ganeti-confd of Ganeti ` + original.Releases + ` would load a
configuration file, and if not, which members stop it. It asks nobody. FILE is by
default this node's config.data.

Run it before you roll back to Ganeti's daemon: that one refuses a file with a single
unknown or missing member and then answers every query with an error, while this
project's daemon serves such a file.

Exit status: 0 it would; 1 wrong usage or an error on this machine; 2 it would not.`,
		Example: `  confdctl validate
  confdctl validate config.data.new`,
		Args: advice.Args(cobra.MaximumNArgs(1)),
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		path := ganeti.NodePaths().Config
		if len(args) > 0 {
			path = args[0]
		}
		text, err := os.ReadFile(path)
		switch {
		case errors.Is(err, syscall.EISDIR):
			return advice.New(fmt.Errorf("%s is a directory", path), "Give the configuration file, for example "+filepath.Join(path, "config.data")+".")
		case err != nil && len(args) == 0:
			return advice.New(err, "This is the configuration of a node of a cluster. To validate another file, give it as an argument: confdctl validate FILE.")
		case err != nil:
			return err
		}
		problems, err := original.Check(text)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(problems) == 0 {
			_, err := fmt.Fprintf(command.OutOrStdout(), "%s: Ganeti %s would load it\n", path, original.Releases)
			return err
		}
		if more := len(problems) - most; more > 0 {
			problems = append(problems[:most], fmt.Sprintf("and %d more", more))
		}
		return fmt.Errorf("%s: Ganeti %s %w:\n  %s", path, original.Releases, ErrRefused, strings.Join(problems, "\n  "))
	}
	return command
}
