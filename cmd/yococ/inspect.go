package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

func inspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect SPEC.yaml",
		Short: "Say how much memory a model takes",
		Args:  one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, false)
	var contexts []int
	var asJSON bool
	var threads int
	fs := cmd.Flags()
	fs.IntSliceVar(&contexts, "context", nil, "context lengths `N,…` in tokens (default the spec's)")
	fs.IntVar(&threads, "threads", 0, "of sessions with `N` workers (default all processors, at most 16)")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, n := range contexts {
			if n < 1 || n > driver.MaxContext {
				return fmt.Errorf("--context %d: want 1 to %d", n, driver.MaxContext)
			}
		}
		if err := checkThreads(threads); err != nil {
			return err
		}
		m, err := f.load(args[0], false)
		if err != nil {
			return err
		}
		defer m.Close()
		if len(contexts) == 0 {
			contexts = []int{m.Spec.Context}
		}
		mem := driver.NewMemory(m, driver.Threads(threads))
		if asJSON {
			return printJSON(cmd.OutOrStdout(), mem.Report(contexts))
		}
		printMemory(cmd.OutOrStdout(), m, mem, contexts)
		return nil
	}
	return cmd
}

func printMemory(w io.Writer, m *driver.Model, mem *driver.Memory, contexts []int) {
	p := m.Package.Plan
	fmt.Fprintf(w, "%s: %d self-decoder and %d cross-decoder layers of width %d, %s weights, %s cache\n\n",
		p.Package, p.Self, p.Cross, p.Dim, p.Precision(), p.CacheElem)
	row := func(what string, n int64, note string) {
		fmt.Fprintf(w, "%-22s %14d  %-11s %s\n", what, n, size(n), note)
	}
	fmt.Fprintf(w, "%-22s %14d\n", "parameters", mem.Params)
	row("weights", mem.Weights, "mapped from the packed file")
	row("cache per token", mem.CachePerToken, "the one that all cross layers read")
	row("state", mem.State, "of the self-decoder, at any length")
	if mem.OpenBlock > 0 {
		row("open block", mem.OpenBlock, "of the self-decoder, at any length")
	}
	row("scratch", mem.Scratch, fmt.Sprintf("activations of %d tokens, logits, %d workers", driver.Chunk, mem.Threads))
	fmt.Fprintln(w)
	for _, n := range contexts {
		row(fmt.Sprintf("%d tokens", n), mem.Total(n), "in all, with the program itself")
	}
}
