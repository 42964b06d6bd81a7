package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/models/checkpoint"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import CKPT_DIR",
		Short: "Make a spec from a checkpoint's params.json or config.json",
		Args:  one("CKPT_DIR"),
	}
	var out string
	cmd.Flags().StringVarP(&out, "output", "o", "", "write `SPEC.yaml` (default standard output)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec, notes, err := checkpoint.Import(args[0])
		if err != nil {
			return err
		}
		for _, n := range notes {
			fmt.Fprintln(os.Stderr, "note:", n)
		}
		if out == "" {
			_, err := cmd.OutOrStdout().Write(spec.MarshalFor("spec.yaml"))
			return err
		}
		return driver.WriteOutput(out, spec.MarshalFor(out))
	}
	return cmd
}
