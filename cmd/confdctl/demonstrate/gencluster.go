package demonstrate

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gntconfd/cmd/confdctl/replace"
	"gntconfd/internal/advice"
	"gntconfd/internal/sample"
	"gntconfd/internal/terminal"
)

// GenCluster writes the configuration of a generated cluster.
func GenCluster() *cobra.Command {
	var (
		nodes, instances int
		seed             uint64
		output, keyFile  string
	)
	command := &cobra.Command{
		Use:   "gen-cluster --nodes N --instances M",
		Short: "Write the configuration of a made-up cluster of any size",
		Long: `gen-cluster writes a config.data as Ganeti 3.0 writes it, for tests and
measurements: nodes in every role, node groups, networks, and instances with DRBD,
plain, file, RBD and external disks. 10,000 instances take about 20 MB. The same
numbers and seed always give the same file. With --key-file it also writes a key, the
same as that of the sample cluster, for a daemon that serves the file.

Exit status: 0 written; 1 wrong usage or an error on this machine.`,
		Example: `  confdctl gen-cluster --nodes 100 --instances 1000 --output config.data
  confdctl gen-cluster --nodes 3 --instances 10 | jq .nodes
  confdctl gen-cluster -n 100 -i 1000 -o config.data &&
    confdctl demo --serve --config config.data`,
		Args: advice.Args(cobra.NoArgs),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		err := cmp.Or(advice.Within("nodes", nodes, 1, sample.MaxNodes), advice.Within("instances", instances, 0, sample.MaxInstances))
		if err != nil {
			return advice.Usage(command, err)
		}
		generate := func(w io.Writer) error {
			return sample.Generate(&interruptible{command.Context(), w}, nodes, instances, seed)
		}
		if keyFile != "" {
			if err := replace.File(keyFile, 0o600, func(w io.Writer) error { _, err := w.Write(sample.Key); return err }); err != nil {
				return err
			}
		}
		stdout := command.OutOrStdout()
		if output != "" || !terminal.IsTerminal(stdout) { // which shows by itself what is going on
			defer terminal.Patient(command.ErrOrStderr(), fmt.Sprintf("writing %d nodes and %d instances", nodes, instances))()
		}
		if output == "" {
			return generate(stdout)
		}
		return replace.File(output, 0o644, generate)
	}
	flags := command.Flags()
	flags.IntVarP(&nodes, "nodes", "n", 0, "`number` of nodes, at least 1, as a cluster has a master")
	flags.IntVarP(&instances, "instances", "i", 0, "`number` of instances; with a single node none is on DRBD")
	flags.Uint64Var(&seed, "seed", 1, "a `number` that gives another cluster of the same size")
	flags.StringVarP(&output, "output", "o", "", "`file` to write, which is replaced when all is written (default standard output)")
	flags.StringVarP(&keyFile, "key-file", "k", "", "also write a key to this `file`")
	for _, name := range []string{"nodes", "instances"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err) // the flag does not exist
		}
	}
	return command
}

// interruptible is a writer that fails once its context has ended.
type interruptible struct {
	ctx context.Context
	io.Writer
}

func (w *interruptible) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}
