package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

func inspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect SPEC.yaml",
		Short: "Say how much memory a model takes, and what it computes of a prompt",
		Args:  one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, false)
	var contexts, batch []int
	var asJSON bool
	var html string
	var threads, checkpoints int
	fs := cmd.Flags()
	fs.IntSliceVar(&contexts, "context", nil, "context lengths `N,...` in tokens (default the spec's)")
	fs.IntSliceVar(&batch, "batch", []int{1}, "`N,...` sessions in one process")
	fs.IntVar(&threads, "threads", 0, "of sessions with `N` workers (default all processors, at most 16)")
	fs.IntVar(&checkpoints, "checkpoints", 0, "sessions that keep `N` states for Rewind, as Options.Checkpoints in a Go program")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	fs.StringVar(&html, "html", "", "write a page about the compiled model to `FILE`: programs, layouts, memory")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, n := range contexts {
			if n < 1 || n > driver.MaxContext {
				return fmt.Errorf("--context %d: want 1 to %d", n, driver.MaxContext)
			}
		}
		for _, n := range batch {
			if n < 1 || n > driver.MaxBatch {
				return fmt.Errorf("--batch %d: want 1 to %d", n, driver.MaxBatch)
			}
		}
		if err := checkThreads(threads); err != nil {
			return err
		}
		if checkpoints < 0 || checkpoints > driver.MaxCheckpoints {
			return fmt.Errorf("--checkpoints %d: want 0 to %d", checkpoints, driver.MaxCheckpoints)
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
		mem.Checkpoints = checkpoints
		if html != "" {
			page, err := m.Page(mem, contexts, batch)
			if err != nil {
				return err
			}
			if err := driver.WriteOutput(html, page); err != nil {
				return err
			}
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), mem.Report(contexts, batch, m.PrefillRows()))
		}
		printMemory(cmd.OutOrStdout(), m, mem, contexts, batch)
		printRows(cmd.OutOrStdout(), m.PrefillRows())
		return nil
	}
	return cmd
}

func printMemory(w io.Writer, m *driver.Model, mem *driver.Memory, contexts, batch []int) {
	p := m.Package.Plan
	layers, kept := fmt.Sprintf("%d self-decoder and %d cross-decoder layers", p.Self, p.Cross), "the one that all cross layers read"
	if p.Cross == 0 {
		layers, kept = fmt.Sprintf("%d layers", p.Self), "of the layers that keep all tokens"
	} else if mem.OwnCaches {
		kept += ", and those of layers that keep all tokens"
	}
	fmt.Fprintf(w, "%s: %s of width %d, %s weights, %s cache\n\n", p.Package, layers, p.Dim, p.Precision(), p.CacheElem)
	row := func(what string, n int64, note string) {
		fmt.Fprintf(w, "%-22s %14d  %-11s %s\n", what, n, size(n), note)
	}
	fmt.Fprintf(w, "%-22s %14d\n", "parameters", mem.Params)
	row("weights", mem.Weights, "mapped from the packed file")
	row("cache per token", mem.CachePerToken, kept)
	row("state", mem.State, "of the self-decoder, at any length")
	if mem.OpenBlock > 0 {
		row("open block", mem.OpenBlock, "of the self-decoder, at any length")
	}
	row("fork", mem.Fork, "of a session that has left another: states, 512 tokens of cache, undo, logits; and scratch, out of a batch")
	row("undo", mem.Undo, "what a pass changes, kept while it may be canceled")
	row("scratch", mem.Scratch, fmt.Sprintf("activations of %d tokens, logits, %d workers", driver.Chunk, mem.Threads))
	if mem.Checkpoint > 0 {
		row("checkpoint", mem.Checkpoint, fmt.Sprintf("each state that a session keeps for Rewind: %d of them below", mem.Checkpoints))
	}
	fmt.Fprintln(w)
	for _, n := range contexts {
		for _, b := range batch {
			what := fmt.Sprintf("%d tokens", n)
			if b > 1 {
				what = fmt.Sprintf("%d x %d tokens", b, n)
			}
			row(what, mem.Batch(n, b), "in all, with the program itself")
		}
	}
}

// printRows lists what a prompt's rows are multiplied by.
func printRows(w io.Writer, rows []driver.PrefillRows) {
	fmt.Fprintf(w, "\n%-36s %-28s %s\n", "prefill", "of every row", "of the last row alone")
	for _, r := range rows {
		line := fmt.Sprintf("%-36s %-28s %s", r.Name(), strings.Join(r.Every, " "), strings.Join(r.Last, " "))
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	fmt.Fprintf(w, "%.1f %% of the multiplications by weights are those of every row\n", 100*driver.EveryRowShare(rows))
}
