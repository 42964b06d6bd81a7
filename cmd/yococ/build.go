package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func buildCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build SPEC.yaml",
		Short: "Write the Go package of a model, and its packed weights",
		Args:  one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, true)
	var out string
	var check bool
	fs := cmd.Flags()
	fs.StringVarP(&out, "output", "o", "", "folder `DIR` to write (default ./NAME)")
	fs.StringVar(&f.Package, "package", "", "`NAME` of the package (default the spec's)")
	fs.IntVar(&f.Context, "context", 0, "default context of sessions, `N` tokens (default the spec's)")
	fs.StringVar(&f.DumpIR, "dump-ir", "", "write the program before and after every pass, and the plan, to `DIR`")
	fs.BoolVar(&check, "check", false, "write nothing; exit with 1 if the folder's files are not what would be written; of the weights their header")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if fs.Changed("context") && f.Context < 1 {
			return fmt.Errorf("--context %d: want 1 or more", f.Context)
		}
		m, err := f.load(args[0], false)
		if err != nil {
			return err
		}
		defer m.Close()
		name := m.Package.Plan.Package
		if out == "" {
			out = name
		}
		if check {
			diffs, err := m.CheckBuilt(out)
			if err != nil || len(diffs) == 0 {
				return err
			}
			fmt.Fprintln(os.Stderr, strings.Join(diffs, "\n"))
			return errFailed
		}
		path, err := m.Build(cmd.Context(), out, s.progress)
		if err != nil {
			return err
		}
		s.clear()
		if path == "" {
			fmt.Fprintf(os.Stderr, "%s: %d files; no weights: the spec names no checkpoint that is there\n", out, len(m.Package.Files))
			return nil
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: %d files; %s: %s\n", out, len(m.Package.Files), filepath.Base(path), size(info.Size()))
		return nil
	}
	return cmd
}
